"""The emulator of POGR."""
