"""`iso-gateway partners`."""
