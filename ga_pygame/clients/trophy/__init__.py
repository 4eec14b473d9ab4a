"""Trophy's client, its answers and its wire format."""
