"""What becomes of what the local side, or the clock, asks for."""
