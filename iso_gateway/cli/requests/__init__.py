"""`iso-gateway requests`."""
