"""What ga_pygame costs a game, side by side with what its developer would otherwise pick."""
