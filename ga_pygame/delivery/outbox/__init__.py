"""The durable queue: its contract, on disk, in memory, and from one to the other."""
