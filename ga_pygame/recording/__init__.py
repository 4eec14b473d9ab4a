"""The way in: from a call of the game to bytes that outlive the process."""
