"""Kills Tallystick in the middle of calls and reads what the record kept."""
