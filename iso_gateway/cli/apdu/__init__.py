"""`iso-gateway apdu`: single APDUs, past the gateway."""
