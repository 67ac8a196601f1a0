"""Delivery. What is owed to partners stands in the store's outbox; here is when and how it is sent.

The delivery contract:

- Nothing is sent but from an outbox row, and a row is written in the transaction that made it necessary.
- Within a lane (a transaction and a partner) a message is sent only when the one before it is finished:
  delivered, or given up. Lanes do not wait for each other.
- A message is delivered when the partner's transport has accepted it: for mail, our own mail server. There is
  no acknowledgement in the protocol, so nothing is said here about what the partner's software made of it.
  A mail that comes back makes what was delivered not delivered.
- Whatever fails is tried again after a delay that grows by `factor` up to `max_delay`, with jitter, until the
  message's lifetime ends: `lifetime`, or for an ILL-REQUEST its expiry if that is earlier. Then it is 'not
  delivered', with the class of the failure and what can be done, and its lane goes on; the event says how
  many follow. Every try sends identical octets. What waits for a partner that was never tried in that time,
  because others failed for it, is given up at its end as well; what an operator holds or has suspended is
  not.
- The local side is told of a message that is late, `warn_after` it was queued and `warn_before` it is given
  up.
- When `breaker_after` attempts for a partner have failed in a row, one message at a time is tried for all
  that wait, the least tried first; the others spend no attempt. When it is delivered, they all go.
- A partner has at most `concurrency` messages on their way, from all gateways together, and one while it
  fails; half of a gateway's places are kept for partners that have none. So nobody waits for a partner that
  is slow or down.
- Where a message may have arrived or not, the partner's `ambiguous` and `unclosed` say whether it is sent
  again (at least once, which is the default for a broken connection), taken for delivered (at most once), or
  held until an operator decides. After a crash it is always sent again: nobody can tell how far it got.
- A report to an unknown sender goes out on that sender's own connection or not at all, and is tried once.
- An answer on an open connection is tried once on that whatever is known of the partner's address.
- A row is leased while it is being sent. When a gateway dies in the middle, the row is sent again after its
  lease (at once, by the next gateway on the same SQLite file): at most the messages in flight go out twice.
- A gateway that stops gives what is on its way a second, then breaks it off by a reset, so that no partner
  takes a part for the whole. It goes out again when a gateway runs.
- A clock that is set back delays nothing: what waits for a moment that has moved away is tried at once.
"""
