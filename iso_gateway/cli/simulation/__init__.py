"""`iso-gateway simulate` and `demo`."""
