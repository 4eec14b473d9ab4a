"""The overlay of a game in development: events, session, frame times and remote configs, over the game's picture."""
