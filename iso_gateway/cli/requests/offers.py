"""What can be done about a request now, in staff's words: the command to type, and what it means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from asn1.ill import ILLServiceType
from iso_gateway.cli.shared.typist import Typist
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import Role


class _Said(NamedTuple):
    """How a service is asked for.

    Args:
        verb: what it is called.
        filled_in: what else has to be given.
        meaning: what it says.
        own: whether the verb is a command of its own, beside `requests act`.
    """

    verb: str
    filled_in: str
    meaning: str
    own: bool = False


_WORDS: Final[dict[Service, _Said]] = {
    # What the other library waits for.
    Service.CAR_YES: _Said("cancel-reply --yes", "", "Cancel it, as the borrower asks."),
    Service.CAR_NO: _Said("cancel-reply --no", "", "Too late: it is not cancelled."),
    Service.REA_YES: _Said("renew-answer --yes", "--due YYYY-MM-DD", "Renew the loan until that day."),
    Service.REA_NO: _Said("renew-answer --no", "", "Do not renew the loan."),
    Service.C_REP_YES: _Said("accept-condition", "", "Agree to the lender's condition."),
    Service.C_REP_NO: _Said("refuse-condition", "", "Do not agree: the request is closed."),
    # What a lender does.
    Service.ANS_WS: _Said("answer --result will-supply", "", "Yes: we are getting it ready."),
    Service.SHI: _Said("ship", "--due YYYY-MM-DD", "It is on its way, and to be back on that day."),
    Service.ANS_CO: _Said(
        "answer --result conditional", "--reason CONDITION", "Yes, if the borrower agrees to a condition."
    ),
    Service.ANS_UN: _Said("answer --result unfilled", "--reason REASON", "No: the request is closed."),
    Service.ANS_RY: _Said(
        "answer --result retry",
        "--date YYYY-MM-DD",
        "Not now: the request is closed, and may be made again on that day.",
    ),
    Service.ANS_LP: _Said(
        "answer --result locations-provided",
        "--location SYMBOL",
        "Not here, but there: the request is closed.",
    ),
    Service.ANS_HP: _Said(
        "answer --result hold-placed", "--date YYYY-MM-DD", "Later: it is expected on that day."
    ),
    Service.ANS_ES: _Said(
        "answer --result estimate", '--cost "TEXT"', "This is what it would cost: the request is closed."
    ),
    Service.FWN: _Said("forward", "--to PARTNER", "Hand the request on to another library."),
    Service.CHK: _Said("check-in", "", "It is back: the loan is over."),
    Service.RCL: _Said("recall", "", "Ask for it back before it is due."),
    Service.DUE: _Said("overdue", "--due YYYY-MM-DD", "It was due on that day, and is not back."),
    # What a borrower does.
    Service.RCV: _Said("receive", "", "It has arrived here."),
    Service.RET: _Said("return", "", "It is on its way back to the lender."),
    Service.REN: _Said("renew", "--due YYYY-MM-DD", "Ask to keep it until that day."),
    Service.CAN: _Said("cancel", "", "Ask the lender to cancel the request."),
    # What both do.
    Service.LST: _Said("lost", "", "It is lost: the request is closed."),
    Service.DAM: _Said("damaged", "", "It has been damaged."),
    Service.MSG: _Said("message", '"TEXT"', "Write to the other library's staff.", own=True),
    Service.STQ: _Said("query", "", "Ask the other library where the request stands.", own=True),
}

_SHIP_COPY: Final = _Said("ship", "", "It is on its way: a copy, which is not given back.")
_REPEAT: Final = _Said("repeat", "", "Send our last message once more, in case it was lost.", own=True)

_ORDER: Final = {service: place for place, service in enumerate(_WORDS)}


_SUPPLIED: Final = (ILLServiceType.loan.value, ILLServiceType.copy_non_returnable.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Something that can be done.

    Args:
        service: by its name in the standard; None for a repeat, whose service is the last one's.
        command: what to type.
        meaning: what that means.
    """

    service: Service | None
    command: str
    meaning: str


def offers(
    half_id: int,
    possible: Iterable[Service],
    typist: Typist,
    *,
    repeatable: bool = False,
    copy: bool = False,
) -> tuple[Offer, ...]:
    """What can be done about a request.

    Args:
        half_id: its number.
        possible: the services that are possible now. What stands first there and is wished for, as a CANCEL
            to the library that a request was forwarded to, stays first.
        typist: how commands are typed.
        repeatable: whether something of ours was sent that may be sent again.
        copy: whether what is asked for is a copy, which is not given back.
    """
    listed = list(possible)
    first = listed[:1] if listed[:1] == [Service.CAN] else []
    ordered = [*first, *sorted((one for one in listed if one not in first), key=_ORDER.__getitem__)]
    words = {**_WORDS, Service.SHI: _SHIP_COPY} if copy else _WORDS
    said: list[tuple[Service | None, _Said]] = [(service, words[service]) for service in ordered]
    if repeatable:
        said.append((None, _REPEAT))
    return tuple(
        Offer(service=service, command=_typed(one, half_id, typist), meaning=one.meaning)
        for service, one in said
    )


def is_copy(summary: Mapping[str, object] | None) -> bool:
    """Whether a copy is what is asked for; a loan is meant where nobody knows any more.

    Args:
        summary: of the transaction; None once its key has been disposed of.
    """
    wanted = (summary or {}).get("service_types")
    if not isinstance(wanted, list):
        return False
    # The requester lists what would serve it in the order of its preference.
    return next((kind for kind in wanted if kind in _SUPPLIED), None) == _SUPPLIED[-1]


def verb_of(service: Service) -> str:
    """A service as staff asks for it, without what is to be filled in: `answer --result unfilled`."""
    return _WORDS[service].verb


def repeat_of(half_id: int, typist: Typist) -> str:
    """What to type so that our last message about a request is sent once more."""
    return _typed(_REPEAT, half_id, typist)


def _typed(said: _Said, half_id: int, typist: Typist) -> str:
    words = f"{said.verb} {half_id}" if said.own else f"act {half_id} {said.verb}"
    return typist.command(f"requests {words} {said.filled_in}".rstrip())


BORROWERS_ONLY: Final = frozenset(
    {Service.C_REP_YES, Service.C_REP_NO, Service.CAN, Service.RCV, Service.RET, Service.REN}
)
"""What only a borrower does."""

EITHERS: Final = frozenset({Service.LST, Service.DAM, Service.MSG, Service.STQ})
"""What both do."""


def done_by(service: Service) -> Role | None:
    """Whose service it is; None for either's."""
    if service in EITHERS:
        return None
    return Role.REQUESTER if service in BORROWERS_ONLY else Role.RESPONDER
