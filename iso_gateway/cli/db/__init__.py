"""`iso-gateway db`."""
