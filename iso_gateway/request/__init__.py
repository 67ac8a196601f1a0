"""What the local side can ask for: one value for each service, and the request that begins a transaction."""
