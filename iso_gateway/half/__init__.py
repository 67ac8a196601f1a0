"""One half of a transaction: what is known of it, what moves it, how what it says gets into the outbox."""
