"""Trophy's server side."""
