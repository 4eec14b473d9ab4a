"""What runs behind the game: inbox to outbox, outbox to destinations."""
