"""What was received, as it came, in one SQLite file."""
