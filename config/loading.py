"""Reads a configuration: gateway.toml, the base profiles and the partner files, and checks all of it at once.

Imports nothing of ours outside `config`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, with_config

from config import certificates, credentials, mailing, places, secrets
from config.documents import Document, Findings, Layer, beginning_of, read_table, texts, valid_items
from config.errors import ConfigError, ConfigErrors, shown
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A configuration as it was read, right or wrong.

    Args:
        settings: what it says, without what is wrong in partners' files; None where gateway.toml itself is
            wrong.
        errors: everything that is wrong in all of the files. None of them holds a database URL.
        warnings: what can be used, and hardly is what was meant.
        state_dir, master_key_file, document_templates, daily_templates: the paths that gateway.toml names,
            absolute, as far as they can be read; what is in them is for the gateway to look at.
    """

    settings: Settings | None = None
    errors: tuple[ConfigError, ...] = ()
    warnings: tuple[ConfigError, ...] = ()
    state_dir: Path | None = None
    master_key_file: Path | None = None
    document_templates: Path | None = None
    daily_templates: Path | None = None


def load(path: Path, *, rules: Collection[str] | None = None) -> Settings:
    """Reads the configuration whose gateway.toml is at the path, with every file it names.

    Args:
        path: the file.
        rules: the rules beyond syntax that there are; None: any name is taken for one.

    Raises:
        ConfigErrors: with everything that is wrong in all of the files. No message holds a database URL.
    """
    reading = read(path, rules=rules)
    if reading.settings is None or reading.errors:
        raise ConfigErrors(reading.errors)
    return reading.settings


def read(path: Path, *, rules: Collection[str] | None = None) -> Reading:
    """Reads a configuration as `load` does, and returns what it says with everything that is wrong."""
    findings, doubts = Findings(), Findings()
    table = read_table(path, findings)
    if table is None:
        # Why: where the partners are mostly stands above the mistake, and theirs can be said in the same run.
        _read_files(path, beginning_of(path), rules, findings)
        return Reading(errors=findings.errors)
    document = Document(layers=(Layer(file=path, table=table),))
    gateway = document.read(GatewayFile, findings)
    files, all_read = _read_files(path, table, rules, findings)
    _check_listeners(document, findings)
    _check_webhooks(document, findings)
    _check_routes(path, table, files, findings, all_read=all_read)
    _check_retry(document, findings)
    partners = [file.document for file in files]
    mailing.check(document, partners, findings)
    _check_daily_mails(path, table, files, findings, all_read=all_read)
    certificates.check_mail(document, findings)
    _check_state_dir(path, table, findings)
    for key in ("documents", "noticing"):
        _check_template_dir(path, table, key, findings)
    mailing.doubt(document, partners, doubts)
    _doubt_names(path, table, doubts)
    _doubt_symbols(path, table, partners, doubts)
    _doubt_emptiness(path, table, files, doubts)
    settings: Settings | None = None
    if gateway is not None:
        listeners = tuple(
            certificates.with_absolute_files(listener, document, ("listeners", place))
            for place, listener in enumerate(gateway.listeners)
        )
        settings = _settings(
            path,
            replace(gateway, listeners=listeners),
            tuple(file.partner for file in files if file.partner is not None),
        )
    state_dir = _path_at(path, table, "state_dir")
    return Reading(
        settings=settings,
        errors=findings.errors,
        warnings=doubts.errors,
        state_dir=state_dir,
        master_key_file=None
        if state_dir is None
        else _master_key_file(state_dir, _path_at(path, table, "master_key_file")),
        document_templates=_path_at(path, _table_at(table, "documents"), "template_dir"),
        daily_templates=_path_at(path, _table_at(table, "noticing"), "template_dir"),
    )


def _read_files(
    path: Path, table: Mapping[str, Any], rules: Collection[str] | None, findings: Findings
) -> tuple[tuple[PartnerFile, ...], bool]:
    """Reads and checks the partners and their base profiles, as far as they do not depend on the gateway."""
    profiles = _read_profiles(path, table, rules, findings)
    files, all_read = _read_partners(path, table, profiles, findings)
    _check_names(path, table, files, findings)
    _check_symbols(path, table, files, findings)
    for file in files:
        _check_retry(file.document, findings)
        _check_transport(file.document, findings)
        _check_rules(file.document, rules, findings)
    return files, all_read


def _table_at(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = table.get(key)
    return found if isinstance(found, dict) else {}


def _path_at(path: Path, table: Mapping[str, Any], key: str) -> Path | None:
    """Returns a path that gateway.toml names, absolute; None where it names none that can be one."""
    name = table.get(key)
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        return None
    return path.absolute().parent / name


def _master_key_file(state_dir: Path, named: Path | None) -> Path:
    return credentials.passed(credentials.MASTER_KEY) or named or state_dir / "master.key"


def _settings(path: Path, gateway: GatewayFile, partners: tuple[Partner, ...]) -> Settings:
    here = path.absolute().parent
    state_dir = here / gateway.state_dir
    named = None if gateway.master_key_file is None else here / gateway.master_key_file
    key_file = _master_key_file(state_dir, named)
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
            findings.add(
                path, (key, place), f"{shown(name)} cannot be read: {reason}", "a directory to be read"
            )
            continue
        yield from (file for file in found if not file.name.startswith("."))


def _read_profiles(
    path: Path, table: Mapping[str, Any], rules: Collection[str] | None, findings: Findings
) -> dict[str, Layer | None]:
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
            document = Document(layers=(layer,))
            document.read(Partner, findings, complete=False)
            _check_rules(document, rules, findings)
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
        # What is missing may stand in the profile that nobody knows.
        partner = document.read(Partner, findings, complete="base" not in held or profile is not None)
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
        wrong = secrets.problem_with(path.absolute().parent / webhook.secret_file)
        if wrong is not None:
            problem = f"{shown(webhook.secret_file)} {wrong}"
            findings.add(path, ("webhooks", place, "secret_file"), problem, secrets.EXPECTED)


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


def _check_rules(document: Document, rules: Collection[str] | None, findings: Findings) -> None:
    for name in _table_at(document.table, "rules"):
        if rules is not None and name not in rules:
            location: Location = ("rules", name)
            near = get_close_matches(name, rules, n=1)
            expected = shown(near[0]) if near else "one of " + ", ".join(sorted(rules))
            findings.add(document.file_of(location), location, "there is no such rule", expected)


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


def _check_state_dir(path: Path, table: Mapping[str, Any], findings: Findings) -> None:
    # Why: in a database URL a question mark ends the path.
    name = table.get("state_dir")
    if "database_url" not in table and isinstance(name, str) and "?" in str(path.absolute().parent / name):
        problem = "the path of the database would hold a question mark"
        findings.add(path, ("state_dir",), problem, "a path without, or a database_url")


def _check_template_dir(path: Path, table: Mapping[str, Any], key: str, findings: Findings) -> None:
    directory = _path_at(path, _table_at(table, key), "template_dir")
    if directory is not None and not places.is_directory(directory):
        what = "is no directory" if places.exists(directory) else "is not there, or may not be read"
        problem = f"{shown(_table_at(table, key)['template_dir'])} {what}"
        findings.add(path, (key, "template_dir"), problem, "a directory with templates")


def _doubt_names(path: Path, table: Mapping[str, Any], doubts: Findings) -> None:
    """Notes files beside those of partners whose names are all that keeps them from being one."""
    for _, name in texts(table.get("partner_dirs")):
        for file in places.listed(path.parent / name):
            if file.suffix != ".toml" and file.suffix.lower() in {".toml", ".txt", ".tml"}:
                doubts.add(file, (), "is not read, because of its name", "a name that ends in .toml")


def _doubt_symbols(
    path: Path, table: Mapping[str, Any], partners: Iterable[Document], doubts: Findings
) -> None:
    """Notes symbols with a blank, which mostly stands where a colon was meant."""
    found: list[tuple[Path, Location, str]] = []
    for place, local in valid_items(LocalSymbol, table.get("local")):
        found.append((path, ("local", place, "symbol"), str(local.symbol)))
        found += [
            (path, ("local", place, "aliases", number), str(one)) for number, one in enumerate(local.aliases)
        ]
    for document in partners:
        for key in ("symbols", "aliases"):
            for number, text in texts(document.table.get(key)):
                found.append((document.file_of((key, number)), (key, number), text))
    for file, location, symbol in found:
        if " " in symbol and ":" not in symbol:
            expected = shown(":".join(symbol.split(" ", 1)))
            doubts.add(file, location, f"{shown(symbol)} has a blank, and no authority", expected)


def _doubt_emptiness(
    path: Path, table: Mapping[str, Any], files: Sequence[PartnerFile], doubts: Findings
) -> None:
    if not files:
        named = ", ".join(shown(name) for _, name in texts(table.get("partner_dirs")))
        problem = "there is no partner, so nobody is served"
        expected = f"a *.toml file for each in {named}" if named else "a directory of *.toml files, one each"
        doubts.add(path, ("partner_dirs",), problem, expected)
