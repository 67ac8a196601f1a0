"""`iso-gateway documents`."""
