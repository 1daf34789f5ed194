"""Coverage-guided fuzzing of the wire room: `make fuzz`."""
