"""Benchmarks of ga_pygame beside the packages that a developer would otherwise pick."""
