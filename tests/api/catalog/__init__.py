"""The catalog over a real control database and real snapshots, called as VS Code and others call it."""
