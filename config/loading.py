"""Reads a configuration: gateway.toml, the base profiles and the partner files, and checks all of it at once.

Imports nothing of ours outside `config`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from importlib.resources.abc import Traversable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, with_config

from config import certificates, credentials, secrets
from config.documents import Document, Findings, Layer, read_table, texts, valid_items
from config.errors import ConfigErrors, shown
from config.fields import DatabaseUrl, PathText
from config.keys import Location
from config.senders import comparable
from config.settings import (
    ANY_PARTNER,
    DailyMail,
    Documents,
    Limits,
    Listener,
    LocalSymbol,
    Logging,
    Mail,
    MailTls,
    Noticing,
    Partner,
    RetryPolicy,
    Route,
    RouteMode,
    Settings,
    Sharing,
    Webhook,
)
from config.symbols import Symbol

PROFILES: Final = "profiles"
"""The directory of the packaged base profiles, in this package."""

#: The most characters of the address of a daily mail; it is a part of keys in the database.
_LONGEST_ADDRESS: Final = 200

_EVERY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayFile:
    """What gateway.toml holds."""

    state_dir: PathText
    """Where the gateway keeps what it has to remember: the database and the master key."""
    database_url: DatabaseUrl | None = None
    """The database; left out, it is the SQLite file `gateway.db` in `state_dir`."""
    master_key_file: PathText | None = None
    """The key that encrypts patron data; left out, it is `master.key` in `state_dir`. Where systemd passes a
    credential `master-key` to the process (`LoadCredential=`), that is read instead."""
    partner_dirs: tuple[PathText, ...] = ()
    """Directories whose `*.toml` files are the partners, one each."""
    profile_dirs: tuple[PathText, ...] = ()
    """Directories of base profiles besides those that come with the gateway."""
    listeners: Annotated[tuple[Listener, ...], Field(min_length=1)]
    """Ports on which partners reach the gateway."""
    local: Annotated[tuple[LocalSymbol, ...], Field(min_length=1)]
    """The libraries that the gateway speaks for."""
    routes: tuple[Route, ...] = ()
    """How it stands between them and the partners; left out, every local symbol serves every partner."""
    limits: Limits = field(default_factory=Limits)
    """What one peer may cost the gateway."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    """When an APDU that could not be delivered is tried again; a partner may differ."""
    sharing: Sharing = field(default_factory=Sharing)
    """What gateways that share one PostgreSQL database have to agree on."""
    noticing: Noticing = field(default_factory=Noticing)
    """What the gateway notices by itself."""
    webhooks: tuple[Webhook, ...] = ()
    """Who is told of events as they happen, by HTTP."""
    logging: Logging = field(default_factory=Logging)
    """What is logged, and how."""
    mail: Mail | None = None
    """How APDUs travel by mail; left out, they do not."""
    documents: Documents = field(default_factory=Documents)
    """What the mails with links to documents say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerFile:
    """A partner's document, and the partner if there is nothing wrong with it."""

    document: Document
    partner: Partner | None


def load(path: Path) -> Settings:
    """Reads the configuration whose gateway.toml is at the path, with every file it names.

    Raises:
        ConfigErrors: with everything that is wrong in all of the files. No message holds a database URL.
    """
    findings = Findings()
    table = read_table(path, findings)
    if table is None:
        raise ConfigErrors(findings.errors)
    document = Document(layers=(Layer(file=path, table=table),))
    gateway = document.read(GatewayFile, findings)
    profiles = _read_profiles(path, table, findings)
    files, all_read = _read_partners(path, table, profiles, findings)
    _check_listeners(document, findings)
    _check_webhooks(document, findings)
    _check_names(path, table, files, findings)
    _check_symbols(path, table, files, findings)
    _check_routes(path, table, files, findings, all_read=all_read)
    _check_retry(document, findings)
    for file in files:
        _check_retry(file.document, findings)
        _check_transport(file.document, findings)
    _check_mail(path, table, files, findings)
    _check_daily_mails(path, table, files, findings, all_read=all_read)
    certificates.check_mail(document, findings)
    _check_state_dir(path, table, findings)
    if gateway is None or findings.errors:
        raise ConfigErrors(findings.errors)
    listeners = tuple(
        certificates.with_absolute_files(listener, document, ("listeners", place))
        for place, listener in enumerate(gateway.listeners)
    )
    return _settings(
        path,
        replace(gateway, listeners=listeners),
        tuple(file.partner for file in files if file.partner is not None),
    )


def _settings(path: Path, gateway: GatewayFile, partners: tuple[Partner, ...]) -> Settings:
    here = path.absolute().parent
    state_dir = here / gateway.state_dir
    key_file = credentials.passed(credentials.MASTER_KEY)
    if key_file is None:
        key_file = here / (gateway.master_key_file or state_dir / "master.key")
    url = f"sqlite:///{state_dir / 'gateway.db'}" if gateway.database_url is None else gateway.database_url
    sqlite = "sqlite:///"
    if url.startswith(sqlite):
        url = f"{sqlite}{here / url.removeprefix(sqlite)}"
    return Settings(
        source=path.absolute(),
        state_dir=state_dir,
        database_url=url,
        master_key_file=key_file,
        listeners=gateway.listeners,
        limits=gateway.limits,
        retry=gateway.retry,
        sharing=gateway.sharing,
        noticing=_noticing_with_absolute_directory(here, gateway.noticing),
        webhooks=tuple(replace(one, secret_file=str(here / one.secret_file)) for one in gateway.webhooks),
        local=gateway.local,
        routes=gateway.routes,
        partners=partners,
        logging=gateway.logging,
        mail=None if gateway.mail is None else _with_absolute_paths(here, gateway.mail),
        documents=_with_absolute_directory(here, gateway.documents),
    )


def _with_absolute_directory(here: Path, documents: Documents) -> Documents:
    name = documents.template_dir
    return documents if name is None else replace(documents, template_dir=str(here / name))


def _noticing_with_absolute_directory(here: Path, noticing: Noticing) -> Noticing:
    name = noticing.template_dir
    return noticing if name is None else replace(noticing, template_dir=str(here / name))


def _with_absolute_paths(here: Path, mail: Mail) -> Mail:
    return replace(
        mail,
        ca_file=None if mail.ca_file is None else str(here / mail.ca_file),
        password_file=None if mail.password_file is None else str(here / mail.password_file),
        lmtp_socket=None if mail.lmtp_socket is None else str(here / mail.lmtp_socket),
        maildir=None if mail.maildir is None else str(here / mail.maildir),
    )


def _files_in(path: Path, table: Mapping[str, Any], key: str, findings: Findings) -> Iterator[Path]:
    """Yields the *.toml files of the directories that a key of gateway.toml names, hidden ones left out."""
    for place, name in texts(table.get(key)):
        directory = path.parent / name
        try:
            found = sorted(file for file in directory.iterdir() if file.suffix == ".toml")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no path at all"
            findings.add(path, (key, place), f"{shown(name)} cannot be read: {reason}", "a directory")
            continue
        yield from (file for file in found if not file.name.startswith("."))


def _read_profiles(path: Path, table: Mapping[str, Any], findings: Findings) -> dict[str, Layer | None]:
    packaged = resources.files("config") / PROFILES
    files: list[Path | Traversable] = sorted(
        (file for file in packaged.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name
    )
    files += _files_in(path, table, "profile_dirs", findings)
    profiles: dict[str, Layer | None] = {}
    for file in files:
        name = file.name.removesuffix(".toml")
        if name in profiles:
            findings.add(
                Path(str(file)), (), f"there is a base profile {shown(name)} already", "a name of its own"
            )
            continue
        held = read_table(file, findings)
        profiles[name] = None if held is None else Layer(file=Path(str(file)), table=held)
        if held is not None:
            layer = Layer(file=Path(str(file)), table=held)
            Document(layers=(layer,)).read(Partner, findings, complete=False)
            profiles[name] = Layer(file=layer.file, table={key: held[key] for key in held if key != "base"})
    return profiles


def _read_partners(
    path: Path, table: Mapping[str, Any], profiles: Mapping[str, Layer | None], findings: Findings
) -> tuple[tuple[PartnerFile, ...], bool]:
    """Returns the partners' files that are TOML, and whether that is all of them."""
    files: list[PartnerFile] = []
    all_read = True
    retry = table.get("retry")
    defaults = (Layer(file=path, table={"retry": retry}),) if isinstance(retry, dict) else ()
    for file in _files_in(path, table, "partner_dirs", findings):
        held = read_table(file, findings)
        if held is None:
            all_read = False
            continue
        base = held.get("base")
        profile = profiles.get(base) if isinstance(base, str) else None
        if "base" in held and not (isinstance(base, str) and base in profiles):
            expected = "one of " + ", ".join(repr(name) for name in sorted(profiles))
            findings.add(file, ("base",), f"{shown(base)} is no base profile", expected)
        below = () if profile is None else (profile,)
        document = Document(layers=(*defaults, *below, Layer(file=file, table=held)), extra_keys=("base",))
        partner = document.read(Partner, findings)
        if partner is not None:
            transport = certificates.with_absolute_files(partner.transport, document, ("transport",))
            partner = replace(partner, transport=transport)
        files.append(PartnerFile(document=document, partner=partner))
    return tuple(files), all_read


def _check_listeners(document: Document, findings: Findings) -> None:
    path = document.own_file
    known: list[tuple[int, Listener]] = []
    for place, listener in valid_items(Listener, document.table.get("listeners")):
        certificates.check(document, ("listeners", place), findings, shows_one=True)
        for earlier, other in known:
            if other.name == listener.name:
                problem = f"listeners[{earlier}] has the name {shown(other.name)} too"
                findings.add(path, ("listeners", place, "name"), problem, "a name of its own")
            hosts = {listener.host, other.host}
            if listener.port and listener.port == other.port and (len(hosts) == 1 or hosts & _EVERY_ADDRESS):
                problem = f"listeners[{earlier}] listens on port {other.port} too"
                findings.add(path, ("listeners", place, "port"), problem, "a port of its own")
        known.append((place, listener))


def _check_webhooks(document: Document, findings: Findings) -> None:
    path = document.own_file
    known: dict[str, int] = {}
    for place, webhook in valid_items(Webhook, document.table.get("webhooks")):
        earlier = known.setdefault(webhook.name, place)
        if earlier != place:
            problem = f"webhooks[{earlier}] has the name {shown(webhook.name)} too"
            findings.add(path, ("webhooks", place, "name"), problem, "a name of its own")
        wrong: str | None
        try:
            wrong = secrets.problem_with(path.absolute().parent / webhook.secret_file)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no path at all"
            wrong = f"{shown(webhook.secret_file)} cannot be read: {reason}"
        if wrong is not None:
            findings.add(path, ("webhooks", place, "secret_file"), wrong, secrets.EXPECTED)


def _check_names(
    path: Path, table: Mapping[str, Any], files: Iterable[PartnerFile], findings: Findings
) -> None:
    locals_known: dict[str, int] = {}
    for place, local in valid_items(LocalSymbol, table.get("local")):
        earlier = locals_known.setdefault(local.name.casefold(), place)
        if earlier != place:
            problem = f"local[{earlier}] has the name {shown(local.name)} too"
            findings.add(path, ("local", place, "name"), problem, "a name of its own")
    partners_known: dict[str, Path] = {}
    for file in files:
        name = file.document.table.get("name")
        if not isinstance(name, str):
            continue
        own = file.document.own_file
        first = partners_known.setdefault(name.casefold(), own)
        if first is not own:
            problem = f"the partner in {first} has the name {shown(name)} too"
            findings.add(file.document.file_of(("name",)), ("name",), problem, "a name of its own")


def _check_symbols(
    path: Path, table: Mapping[str, Any], files: Iterable[PartnerFile], findings: Findings
) -> None:
    """Refuses a symbol that two of us and our partners have; nobody could tell whom an APDU means."""
    owners: dict[tuple[str | None, str], tuple[object, str]] = {}

    def claim(owner: object, called: str, file: Path, location: Location, symbol: Symbol) -> None:
        first, name = owners.setdefault(symbol.key, (owner, called))
        if first is not owner:
            findings.add(
                file, location, f"{shown(str(symbol))} is a symbol of {name} too", "a symbol of its own"
            )

    for place, local in valid_items(LocalSymbol, table.get("local")):
        called = f"local[{place}] in {path}"
        claim(local, called, path, ("local", place, "symbol"), local.symbol)
        for number, alias in enumerate(local.aliases):
            claim(local, called, path, ("local", place, "aliases", number), alias)
    for file in files:
        for key, symbols in _symbols_of(file.document):
            for number, symbol in symbols:
                location = (key, number)
                claim(
                    file.document,
                    f"the partner in {file.document.own_file}",
                    file.document.file_of(location),
                    location,
                    symbol,
                )


def _symbols_of(document: Document) -> Iterator[tuple[str, list[tuple[int, Symbol]]]]:
    for key in ("symbols", "aliases"):
        yield key, [(place, Symbol.parse(text)) for place, text in texts(document.table.get(key))]


def _check_routes(
    path: Path,
    table: Mapping[str, Any],
    files: Iterable[PartnerFile],
    findings: Findings,
    *,
    all_read: bool,
) -> None:
    local_names = _names(table.get("local"))
    partner_names = [name for file in files for name in _names([file.document.table])]
    known: dict[tuple[str, str], int] = {}
    for place, route in valid_items(Route, table.get("routes")):
        if route.local not in local_names:
            findings.add(
                path,
                ("routes", place, "local"),
                f"no local symbol has the name {shown(route.local)}",
                _one_of(local_names) or "the name of a local symbol",
            )
        # Why not when a file could not be read: the name may well stand in it.
        if route.partner != ANY_PARTNER and route.partner not in partner_names and all_read:
            findings.add(
                path,
                ("routes", place, "partner"),
                f"no partner has the name {shown(route.partner)}",
                _one_of([*partner_names, ANY_PARTNER]),
            )
        earlier = known.setdefault((route.local, route.partner), place)
        if earlier != place:
            findings.add(path, ("routes", place), f"routes[{earlier}] is between the same two", "one route")
        if route.mode is RouteMode.RELAY:
            problem = "this version of the gateway does not relay yet"
            findings.add(path, ("routes", place, "mode"), problem, f"'{RouteMode.SERVE.value}'")


def _names(items: object) -> list[str]:
    listed = items if isinstance(items, list) else []
    named = [item.get("name") for item in listed if isinstance(item, dict)]
    return [name for name in named if isinstance(name, str)]


def _one_of(names: Iterable[str]) -> str:
    listed = ", ".join(shown(name) for name in names)
    return f"one of {listed}" if listed else ""


def _check_retry(document: Document, findings: Findings) -> None:
    table = document.table.get("retry")
    if not isinstance(table, dict):
        return
    for _, policy in valid_items(RetryPolicy, [table]):
        for shorter, longer in (("first_delay", "max_delay"), ("max_delay", "lifetime")):
            if getattr(policy, shorter) > getattr(policy, longer):
                key = longer if longer in table else shorter
                location: Location = ("retry", key)
                problem = f"{longer} is shorter than {shorter}"
                findings.add(
                    document.file_of(location), location, problem, f"{shorter} no longer than {longer}"
                )


def _check_transport(document: Document, findings: Findings) -> None:
    table = document.table.get("transport")
    if not isinstance(table, dict):
        return
    if table.get("kind") != "mail":
        certificates.check(document, ("transport",), findings, shows_one=False)


def _check_mail(
    path: Path, table: Mapping[str, Any], files: Iterable[PartnerFile], findings: Findings
) -> None:
    by_mail = [file.document for file in files if _is_by_mail(file.document)]
    if by_mail and "mail" not in table:
        for document in by_mail:
            location: Location = ("transport", "kind")
            problem = f"{path} has no [mail], so nothing can be sent by mail"
            findings.add(document.file_of(location), location, problem, "a table [mail] there")
    elif by_mail:
        for place, local in valid_items(LocalSymbol, table.get("local")):
            if local.public_mail is None:
                problem = f"is missing, and {shown(by_mail[0].table.get('name'))} is reached by mail"
                findings.add(
                    path, ("local", place, "public_mail"), problem, "the address of its ILL software"
                )
    for _, mail in valid_items(Mail, [table["mail"]] if "mail" in table else []):
        _check_mail_server(path, mail, findings)


def _check_daily_mails(
    path: Path,
    table: Mapping[str, Any],
    files: Iterable[PartnerFile],
    findings: Findings,
    *,
    all_read: bool,
) -> None:
    noticing = table.get("noticing")
    listed = valid_items(DailyMail, noticing.get("mail") if isinstance(noticing, dict) else None)
    local = valid_items(LocalSymbol, table.get("local"))
    ours = {comparable(one.public_mail) for _, one in local if one.public_mail is not None}
    names = {"local": _names(table.get("local")), "partners": _names([one.document.table for one in files])}
    known: dict[str, int] = {}
    for place, mail in listed:
        here: Location = ("noticing", "mail", place)
        earlier = known.setdefault(mail.to.lower(), place)
        if earlier != place:
            problem = f"noticing.mail[{earlier}] goes to {shown(mail.to)} too"
            findings.add(path, (*here, "to"), problem, "an address of its own")
        if comparable(mail.to) in ours:
            problem = f"what comes to {shown(mail.to)} is read by the gateway itself"
            findings.add(path, (*here, "to"), problem, "an address that people read")
        if len(mail.to) > _LONGEST_ADDRESS:
            problem = f"it has {len(mail.to)} characters"
            findings.add(path, (*here, "to"), problem, f"an address of at most {_LONGEST_ADDRESS}")
        if "mail" not in table:
            problem = f"{path} has no [mail], so nothing can be sent by mail"
            findings.add(path, (*here, "to"), problem, "a table [mail]")
        elif not ours and local:
            problem = f"is missing, and the mails of noticing.mail[{place}] come from there"
            findings.add(
                path, ("local", local[0][0], "public_mail"), problem, "the address of its ILL software"
            )
        if not mail.kinds:
            problem = "names nothing, so nothing would ever be sent"
            findings.add(path, (*here, "kinds"), problem, "at least one kind, or no such key")
        for key, meant in (("local", mail.local), ("partners", mail.partners)):
            # Why not when a file could not be read: the name may well stand in it.
            if key == "partners" and not all_read:
                continue
            for number, name in enumerate(meant):
                if name not in names[key]:
                    kind = "local symbol" if key == "local" else "partner"
                    problem = f"no {kind} has the name {shown(name)}"
                    findings.add(path, (*here, key, number), problem, _one_of(names[key]) or "no such key")


def _is_by_mail(document: Document) -> bool:
    transport = document.table.get("transport")
    return isinstance(transport, dict) and transport.get("kind") == "mail"


def _check_mail_server(path: Path, mail: Mail, findings: Findings) -> None:
    if (mail.user is None) != (mail.password_file is None):
        key = "user" if mail.user is None else "password_file"
        findings.add(path, ("mail", key), "is missing", "both user and password_file, or neither")
    elif mail.user is not None and mail.tls is MailTls.NONE and not _is_loopback(mail.relay_host):
        problem = "the password would go to another machine in the clear"
        findings.add(path, ("mail", "tls"), problem, "'starttls' or 'tls'")
    if mail.lmtp_host is not None and not _is_loopback(mail.lmtp_host):
        # Why: LMTP has no authentication, and whoever reaches it can send in any partner's name.
        problem = f"{shown(mail.lmtp_host)} can be reached from other machines"
        findings.add(path, ("mail", "lmtp_host"), problem, "'127.0.0.1' or '::1'")
    if mail.lmtp_host is not None and mail.lmtp_socket is not None:
        findings.add(path, ("mail", "lmtp_socket"), "there is an lmtp_host too", "one of the two")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_state_dir(path: Path, table: Mapping[str, Any], findings: Findings) -> None:
    # Why: in a database URL a question mark ends the path.
    name = table.get("state_dir")
    if "database_url" not in table and isinstance(name, str) and "?" in str(path.absolute().parent / name):
        problem = "the path of the database would hold a question mark"
        findings.add(path, ("state_dir",), problem, "a path without, or a database_url")
