"""Sky Hopper: a small arcade platformer that shows each ga_pygame call once, where a game would make it."""
