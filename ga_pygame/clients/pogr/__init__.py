"""POGR's client and its wire format."""
