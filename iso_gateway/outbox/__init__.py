"""Delivery. What is owed to partners stands in the store's outbox; here is when and how it is sent.

The delivery contract:

- Nothing is sent but from an outbox row, and a row is written in the transaction that made it necessary.
- Within a lane (a transaction and a partner) a message is sent only when the one before it is finished:
  delivered, or given up. Lanes do not wait for each other.
- A message is delivered when the partner's transport has accepted it: for mail, our own mail server. There is
  no acknowledgement in the protocol, so nothing is said here about what the partner's software made of it.
  A mail that comes back makes what was delivered not delivered.
- Whatever fails is tried again after a delay that grows by `factor` up to `max_delay`, with jitter, until the
  message's `lifetime` ends; then it is 'not delivered', with the reason, and its lane goes on. Every try
  sends identical octets.
- A report to an unknown sender goes out on that sender's own connection or not at all, and is tried once.
- A row is leased while it is being sent. When a gateway dies in the middle, the row is sent again after its
  lease (at once, by the next gateway on the same SQLite file): at most the message in flight goes out twice.
"""
