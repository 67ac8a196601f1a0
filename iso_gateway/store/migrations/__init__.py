"""The migrations: package data, run by `iso_gateway.store.engine.upgrade`."""
