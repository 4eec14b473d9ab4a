"""What `tracker.x` is: the parts of a tracker that a game talks to."""
