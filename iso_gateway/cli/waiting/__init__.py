"""`iso-gateway waiting`."""
