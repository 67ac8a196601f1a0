"""What the daily mail says of each kind of thing, in both languages: its name, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from config.settings import Language, NoticeKind
from iso_gateway.lettering import in_words

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of a kind: its name, and what a person does about it."""

    title: str
    advice: str


_ENGLISH: Final = {
    NoticeKind.ANSWER_DUE: Words(
        "An answer is due soon",
        "Ask the library's staff how it stands. If they have answered, have them repeat it.",
    ),
    NoticeKind.NO_ANSWER: Words(
        "No answer came in time",
        "Ask the library's staff, or ask another library.",
    ),
    NoticeKind.SILENT: Words(
        "A partner says nothing",
        "Try whether its system can be reached (partners test), then call its staff.",
    ),
    NoticeKind.UNSENT: Words(
        "A message waits to be sent",
        "See what keeps it. It is tried again by itself; the partner may have to know.",
    ),
    NoticeKind.UNREACHABLE: Words(
        "A partner takes nothing",
        "Tell its staff. What waits is sent by itself once it takes something.",
    ),
    NoticeKind.SUSPENDED: Words(
        "A partner is suspended, and something waits for it",
        "Find out whether that is still wanted: partners resume sends what waits.",
    ),
    NoticeKind.NOT_DELIVERED: Words(
        "Something was not delivered",
        "Reach whom it was for another way; correct the address if it is wrong.",
    ),
    NoticeKind.HELD_BACK: Words(
        "A message may have arrived, or not",
        "Ask whom it was for, then waiting release, with --as-delivered if it has arrived.",
    ),
    NoticeKind.LATE_SHIPPED: Words(
        "An item was shipped for a request that is over",
        "Tell the lender's staff, and expect the parcel.",
    ),
    NoticeKind.DOUBLE_SUPPLY: Words(
        "One item comes from two lenders",
        "Tell one of them, or send one back.",
    ),
    NoticeKind.UNREADABLE: Words(
        "What came could not be read",
        "If a partner sent it, tell its staff. From strangers it is mostly a scanner.",
    ),
    NoticeKind.DISPOSED_OF: Words(
        "A message came for a request that was disposed of",
        "Ask its sender what it is about; the gateway no longer knows.",
    ),
    NoticeKind.UNCLASSIFIED: Words(
        "A message came that the gateway cannot classify",
        "Look at the message and at the log: it is kept, and nothing was done about it.",
    ),
    NoticeKind.NOT_CONFIGURED: Words(
        "Requests are with a partner that is not configured",
        "Put its file back, or tell the gateway its new name (partners rename).",
    ),
    NoticeKind.REQUEST: Words(
        "A request wants a decision",
        "Look at the request, and do what it waits for.",
    ),
    NoticeKind.WEBHOOK: Words(
        "A webhook does not take what it is told",
        "Tell whoever runs it. Nothing is lost: it is told later.",
    ),
}

_FRENCH: Final = {
    NoticeKind.ANSWER_DUE: Words(
        "Une réponse est attendue sous peu",
        "Demandez au personnel de la bibliothèque où en est la demande. S'il a répondu, faites répéter"
        " la réponse.",
    ),
    NoticeKind.NO_ANSWER: Words(
        "La réponse n'est pas venue à temps",
        "Demandez au personnel de la bibliothèque, ou adressez-vous à une autre.",
    ),
    NoticeKind.SILENT: Words(
        "Un partenaire ne dit rien",
        "Voyez si son système est joignable (partners test), puis appelez son personnel.",
    ),
    NoticeKind.UNSENT: Words(
        "Un message attend d'être envoyé",
        "Voyez ce qui le retient. Il est réessayé de lui-même; prévenez peut-être le partenaire.",
    ),
    NoticeKind.UNREACHABLE: Words(
        "Un partenaire ne prend rien",
        "Prévenez son personnel. Ce qui attend part de lui-même dès qu'il prend quelque chose.",
    ),
    NoticeKind.SUSPENDED: Words(
        "Un partenaire est suspendu, et quelque chose l'attend",
        "Voyez si la suspension est encore voulue : partners resume envoie ce qui attend.",
    ),
    NoticeKind.NOT_DELIVERED: Words(
        "Un envoi n'a pas été remis",
        "Joignez le destinataire autrement; corrigez l'adresse si elle est fausse.",
    ),
    NoticeKind.HELD_BACK: Words(
        "Un message est peut-être arrivé, peut-être pas",
        "Demandez au destinataire, puis waiting release, avec --as-delivered s'il est arrivé.",
    ),
    NoticeKind.LATE_SHIPPED: Words(
        "Un document est envoyé pour une demande terminée",
        "Prévenez le personnel du prêteur, et attendez le colis.",
    ),
    NoticeKind.DOUBLE_SUPPLY: Words(
        "Un même document vient de deux prêteurs",
        "Prévenez l'un d'eux, ou renvoyez l'un des deux.",
    ),
    NoticeKind.UNREADABLE: Words(
        "Un message reçu est illisible",
        "S'il vient d'un partenaire, prévenez son personnel. D'un inconnu, c'est le plus souvent un robot.",
    ),
    NoticeKind.DISPOSED_OF: Words(
        "Un message est venu pour une demande supprimée",
        "Demandez à l'expéditeur de quoi il s'agit; la passerelle ne le sait plus.",
    ),
    NoticeKind.UNCLASSIFIED: Words(
        "La passerelle ne sait que faire d'un message",
        "Regardez le message et le journal : il est conservé, et rien n'a été fait.",
    ),
    NoticeKind.NOT_CONFIGURED: Words(
        "Des demandes sont chez un partenaire qui n'est pas configuré",
        "Remettez son fichier, ou donnez son nouveau nom à la passerelle (partners rename).",
    ),
    NoticeKind.REQUEST: Words(
        "Une demande attend une décision",
        "Regardez la demande, et faites ce qu'elle attend.",
    ),
    NoticeKind.WEBHOOK: Words(
        "Un webhook ne prend pas ce qu'on lui dit",
        "Prévenez qui l'exploite. Rien n'est perdu : tout lui sera dit plus tard.",
    ),
}

#: What is said of each kind, by language.
WORDS: Final[Mapping[Language, Mapping[NoticeKind, Words]]] = MappingProxyType(
    {Language.ENGLISH: _ENGLISH, Language.FRENCH: _FRENCH}
)

_REQUEST: Final = {Language.ENGLISH: "request", Language.FRENCH: "demande"}
_UNITS: Final = {
    Language.ENGLISH: {"minute": "minute", "hour": "hour", "day": "day"},
    Language.FRENCH: {"minute": "minute", "hour": "heure", "day": "jour"},
}


def about(partner: str | None, request: int | None, language: Language) -> str:
    """Whom and what something is about, as `SFU, request 3`; empty where it is about neither."""
    named = () if partner is None else (partner,)
    numbered = () if request is None else (f"{_REQUEST[language]} {request}",)
    return ", ".join((*named, *numbered))


def age(since: datetime, now: datetime, language: Language) -> str:
    """How long ago something was: in minutes, then in hours, from two days on in days."""
    passed = max(now - since, timedelta())
    if passed < _HOUR:
        number, unit = passed // timedelta(minutes=1), "minute"
    elif passed < 2 * _DAY:
        number, unit = passed // _HOUR, "hour"
    else:
        number, unit = passed // _DAY, "day"
    # In French nothing is singular, too.
    one = number == 1 or (number == 0 and language is Language.FRENCH)
    return f"{number} {_UNITS[language][unit]}{'' if one else 's'}"


def moment(at: datetime, zone: ZoneInfo, language: Language) -> str:
    """A moment as people write it, by the clock of a place."""
    there = at.astimezone(zone)
    return f"{in_words(there.date(), language)}, {there:%H:%M}"
