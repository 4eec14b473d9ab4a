"""The objects that a game reaches as attributes of a tracker, such as `tracker.progression`."""
