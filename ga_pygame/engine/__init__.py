"""Observes the game's loop, focus, sessions, frames and errors; the only package that imports pygame."""
