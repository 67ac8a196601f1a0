"""What the gateway keeps: tables, key ring, units of work. Synchronous, SQLAlchemy Core, no protocol rule."""
