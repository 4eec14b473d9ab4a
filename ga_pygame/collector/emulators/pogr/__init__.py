"""POGR's server side."""
