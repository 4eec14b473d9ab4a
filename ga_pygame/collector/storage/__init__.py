"""The collector's file: everything that was received, as it came, in one SQLite database."""
