"""`iso-gateway attention`."""
