"""What runs on the game thread, beside the event loop; the only package that imports pygame."""
