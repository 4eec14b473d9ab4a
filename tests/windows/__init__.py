"""The Windows lane: CPython for Windows under Wine, and the package's tests with it; see `python -m tests.windows -h`."""
