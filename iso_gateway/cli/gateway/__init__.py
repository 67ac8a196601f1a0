"""Commands that concern the gateway as a whole: serve, init, check, status, events."""
