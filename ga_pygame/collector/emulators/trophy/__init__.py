"""The emulator of Trophy."""
