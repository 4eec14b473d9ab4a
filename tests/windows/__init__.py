"""The Windows lane: CPython for Windows under Wine, and tests of the package with it; see `python -m tests.windows`."""
