"""`iso-gateway messages`, and `replay`."""
