"""The C2SP log formats: Merkle tree, tiles and bundles, signed notes. Never in here: I/O, clocks, our own leaves."""
