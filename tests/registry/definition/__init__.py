"""What servers say of themselves, as values."""
