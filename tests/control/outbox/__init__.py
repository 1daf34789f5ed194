"""What the record is told of control state."""
