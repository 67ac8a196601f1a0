"""Messages once more: replayed, requests recomputed, the whole database verified, messages taken elsewhere.

What a replay promises:

- The row of a message never changes; each classification is appended, and the last one counts.
- What had its effect has it once. A message that was applied is passed over, whatever is asked for.
- A received message that was unreadable, refused or from an unknown sender is classified afresh: with the
  partners, dialects and limits of today, by the state that its request is in today. One whose time is over is
  refused as late.
- Nobody is told again what was refused: no error report is sent on a replay, and nothing is written to the
  connection that a message came by. What follows from a message that is applied now is sent as ever.
- A message of ours is sent as a repeat, if the protocol lets its service repeat now. A report moves nothing,
  and what never arrived has to arrive first: those go out with identical octets.
- What would leave everything as it is leaves no trace. So the same replay a second time does nothing.
- Messages of one transaction are taken in the order in which they came. One that is refused because it needs
  another is tried again when that one has had its effect.
- `--dry-run` does all of it, and undoes it.
"""
