"""The web page that shows a collector's events."""
