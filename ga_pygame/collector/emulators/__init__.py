"""POGR's and Trophy's server sides, and faults on demand."""
