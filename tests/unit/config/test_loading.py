"""Loading: what a right configuration becomes, and that everything wrong is said at once, where it stands."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from config.errors import ConfigErrors
from config.keys import keys_of
from config.loading import GatewayFile, load, read
from config.settings import (
    ANY_PARTNER,
    Capabilities,
    Listener,
    Partner,
    RetryPolicy,
    Route,
    RouteMode,
    TcpTransport,
)
from config.symbols import Symbol
from tests.unit.config.conftest import GATEWAY, PARTNER, Problems, Site

BBB = PARTNER.replace("AAA", "BBB").replace("aaa", "bbb")


def test_the_smallest_configuration_has_the_defaults(site: Site, tmp_path: Path) -> None:
    settings = load(site({}))
    assert settings.source == tmp_path / "gateway.toml"
    assert settings.state_dir == tmp_path / "state"
    assert settings.database_url == f"sqlite:///{tmp_path}/state/gateway.db"
    assert settings.master_key_file == tmp_path / "state/master.key"
    assert settings.retry == RetryPolicy()
    assert settings.routes == (Route(local="BEX", partner=ANY_PARTNER, mode=RouteMode.SERVE),)
    (partner,) = settings.partners
    assert partner.symbols == (Symbol("ILLUME", "AAA"),)
    assert partner.transport == TcpTransport(host="aaa.example", port=1611)
    assert partner.capabilities == Capabilities()
    assert partner.allowed_sources == ()


def test_paths_are_absolute_and_from_the_directory_of_the_file(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 'database_url = "sqlite:///data/x.db?timeout=5"\nmaster_key_file = "/keys/k"\n'
    site({"gateway.toml": written + GATEWAY})
    monkeypatch.chdir(tmp_path.parent)
    settings = load(Path(tmp_path.name) / "gateway.toml")
    assert settings.state_dir == tmp_path / "state"
    assert settings.database_url == f"sqlite:///{tmp_path}/data/x.db?timeout=5"
    assert settings.master_key_file == Path("/keys/k")


@pytest.mark.parametrize(
    ("credential", "expected"), [("master-key", "passed/master-key"), ("another", "state/master.key")]
)
def test_a_master_key_that_systemd_passes_goes_before_the_file(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, credential: str, expected: str
) -> None:
    (tmp_path / "passed").mkdir()
    (tmp_path / "passed" / credential).touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "passed"))
    assert load(site({})).master_key_file == tmp_path / expected


def test_an_absolute_database_is_left_as_it_is_and_kept_out_of_the_repr(site: Site) -> None:
    for url in ("postgresql+psycopg://gate:hush@db/ill", "sqlite:////srv/x.db"):
        settings = load(site({"gateway.toml": f'database_url = "{url}"\n' + GATEWAY}))
        assert settings.database_url == url
        assert url not in repr(settings)


def test_the_partner_comes_before_its_profile_and_that_before_the_gateway(site: Site) -> None:
    settings = load(
        site(
            {
                "gateway.toml": GATEWAY + '[retry]\nfirst_delay = "1s"\nmax_delay = "2h"\nfactor = 3\n',
                "profiles/house.toml": 'days_to_respond = 9\ntest = true\n[retry]\nmax_delay = "3h"\n'
                '[transport]\nkind = "tcp"\nport = 499\nmode = "two-way"\n',
                "partners/aaa.toml": 'name = "AAA"\nsymbols = ["A:A"]\nbase = "house"\ntest = false\n'
                'allowed_sources = ["192.0.2.7", "2001:db8::/32"]\n'
                '[retry]\nlifetime = "1d"\n[transport]\nhost = "h"\n',
            }
        )
    )
    partner = settings.partners[0]
    assert partner.days_to_respond == 9
    assert partner.test is False
    assert partner.allowed_sources == (ip_network("192.0.2.7"), ip_network("2001:db8::/32"))
    assert isinstance(partner.transport, TcpTransport)
    assert (partner.transport.host, partner.transport.port) == ("h", 499)
    assert partner.retry == RetryPolicy(
        first_delay=timedelta(seconds=1),
        factor=3.0,
        max_delay=timedelta(hours=3),
        lifetime=timedelta(days=1),
    )
    assert settings.retry.max_delay == timedelta(hours=2)


def test_a_transport_of_another_kind_inherits_nothing(problems: Problems) -> None:
    mail = (
        'name = "AAA"\nsymbols = ["A"]\nbase = "relais"\ntransport = {kind = "mail", address = "a@b.example"}'
    )
    (line,) = problems({"partners/aaa.toml": mail})
    assert line == (
        "partners/aaa.toml: transport.kind: gateway.toml has no [mail], so nothing can be sent by mail;"
        " expected a table [mail] there"
    )


def test_hidden_and_other_files_are_no_partners(site: Site) -> None:
    settings = load(site({"partners/.#aaa.toml": "?", "partners/aaa.toml~": "?", "partners/README": "?"}))
    assert [partner.name for partner in settings.partners] == ["AAA"]


def wrong(key: str, value: str) -> str:
    """Returns the right gateway.toml with a top-level key put before everything else."""
    return f"{key} = {value}\n" + "\n".join(line for line in GATEWAY.split("\n") if not line.startswith(key))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"gateway.toml": "x = = 1"}, "gateway.toml: is not TOML: Invalid value (at line 1, column 5);"),
        ({"gateway.toml": "x = '\udcff'"}, "gateway.toml: is not UTF-8: line 1, octet ff;"),
        ({"gateway.toml": "x = " + "9" * 5000}, "gateway.toml: is not TOML: Exceeds the limit"),
        ({"gateway.toml": "x = " + "[" * 5000}, "gateway.toml: is not TOML: maximum recursion"),
        ({"gateway.toml": "listener = 1\n" + GATEWAY}, "listener: unknown key; expected 'listeners'"),
        ({"gateway.toml": "zzz = 1\n" + GATEWAY}, "zzz: unknown key; expected one of 'state_dir', "),
        ({"gateway.toml": '"\\u001b[2J" = 1\n' + GATEWAY}, "gateway.toml: '\\\\x1b[2J': unknown key;"),
        (
            {"gateway.toml": wrong("state_dir", "0x" + "f" * 5000)},
            "state_dir: a huge number cannot stand here",
        ),
        ({"gateway.toml": wrong("state_dir", '" "')}, "state_dir: ' ' is no path; expected a path"),
        ({"gateway.toml": wrong("state_dir", '"a?b"')}, "state_dir: the path of the database would hold a q"),
        (
            {"gateway.toml": wrong("partner_dirs", '["none"]')},
            "partner_dirs[0]: 'none' cannot be read: No su",
        ),
        (
            {"gateway.toml": wrong("partner_dirs", '["\\u0000"]')},
            "partner_dirs[0]: '\\\\x00' is no path; expec",
        ),
        (
            {"gateway.toml": wrong("partner_dirs", '"x"')},
            "partner_dirs: 'x' cannot stand here; expected a li",
        ),
        (
            {"gateway.toml": 'local = []\nlisteners = []\nstate_dir = "s"'},
            "local: is empty; expected a list of tables, ",
        ),
        (
            {"gateway.toml": 'state_dir = "s"'},
            "gateway.toml: local: is missing; expected a list of tables, each",
        ),
        (
            {"gateway.toml": 'database_url = "sqlite://"\n' + GATEWAY},
            "database_url: it names no database that",
        ),
        (
            {"gateway.toml": 'database_url = "sqlite:///"\n' + GATEWAY},
            "database_url: a database in memory wou",
        ),
        (
            {"gateway.toml": "database_url = 5\n" + GATEWAY},
            "database_url: it is no URL of a database; expected",
        ),
        ({"gateway.toml": "limits = 5\n" + GATEWAY}, "limits: 5 cannot stand here; expected a table"),
        ({"gateway.toml": "retry = []\n" + GATEWAY}, "retry: a list cannot stand here; expected a table"),
        (
            {"gateway.toml": GATEWAY + "[limits]\nmax_depth = 7\n"},
            "limits.max_depth: 7 cannot stand here; expected a whole number from 8 to 100",
        ),
        (
            {"gateway.toml": GATEWAY + '[limits]\nmax_depth = "9"\n'},
            "limits.max_depth: '9' cannot stand here; expected a whole number from 8 to 100",
        ),
        (
            {"gateway.toml": GATEWAY + "[limits]\nmax_depth = 9.0\n"},
            "limits.max_depth: 9.0 cannot stand here; expected a whole number from 8 to 100",
        ),
        (
            {"gateway.toml": GATEWAY + "[retry]\nfactor = nan\n"},
            "retry.factor: nan cannot stand here; expected a number from 1 to 100",
        ),
        (
            {"gateway.toml": GATEWAY + 'partner_dirs = ["x"]\n'},
            "local[0].partner_dirs: unknown key; expected it above the first [table] of the file, or one of",
        ),
        (
            {"gateway.toml": GATEWAY + '[documents]\ntemplate_dir = "none"\n'},
            "documents.template_dir: 'none' is not there, or may not be read; expected a directory",
        ),
        (
            {"gateway.toml": GATEWAY + '[documents]\ntemplate_dir = "gateway.toml"\n'},
            "documents.template_dir: 'gateway.toml' is no directory; expected a directory with templates",
        ),
        (
            {"partners/aaa.toml": PARTNER + 'allowed_sources = ["192.0.2.7"]'},
            "aaa.toml: transport.allowed_sources: unknown key; expected it above the first [table] of the fi",
        ),
        ({"gateway.toml": GATEWAY + "[retry]\njitter = 1.5\n"}, "retry.jitter: 1.5 cannot stand here; expec"),
        (
            {"gateway.toml": GATEWAY + '[retry]\nfirst_delay = "2h"\n'},
            "gateway.toml: retry.first_delay: max_delay is shorter than first_delay; expected first_delay no",
        ),
        (
            {"gateway.toml": GATEWAY + '[retry]\nlifetime = "5m"\n'},
            "gateway.toml: retry.lifetime: lifetime is shorter than max_delay; expected max_delay no longer",
        ),
        (
            {"gateway.toml": GATEWAY + '[logging]\nformat = "xml"\n'},
            "logging.format: 'xml' cannot stand here; expected one of 'json', 'console'",
        ),
        (
            {"gateway.toml": GATEWAY + '[[routes]]\nlocal = "BEY"\npartner = "*"\n'},
            "routes[0].local: no local symbol has the name 'BEY'; expected one of 'BEX'",
        ),
        (
            {"gateway.toml": GATEWAY + '[[routes]]\nlocal = "BEX"\npartner = "AAB"\n'},
            "routes[0].partner: no partner has the name 'AAB'; expected one of 'AAA', '*'",
        ),
        (
            {"gateway.toml": GATEWAY + '[[routes]]\nlocal = "BEX"\npartner = "*"\n' * 2},
            "routes[1]: routes[0] is between the same two; expected one route",
        ),
        (
            {"gateway.toml": GATEWAY + '[[routes]]\nlocal = "BEX"\npartner = "*"\nmode = "relay"\n'},
            "routes[0].mode: this version of the gateway does not relay yet; expected 'serve'",
        ),
        (
            {"gateway.toml": GATEWAY + '[[local]]\nname = "bex"\nsymbol = "illume:BEX"\n'},
            "local[1].name: local[0] has the name 'bex' too; expected a name of its own",
        ),
        (
            {"gateway.toml": GATEWAY + '[[local]]\nname = "TWO"\nsymbol = "X:T"\naliases = ["illume:BEX"]\n'},
            "local[1].aliases[0]: 'illume:BEX' is a symbol of local[0] in gateway.toml too; exp",
        ),
        (
            {
                "gateway.toml": GATEWAY
                + '[[listeners]]\nname="one-way"\nmode="two-way"\nhost="::1"\nport=4990'
            },
            "listeners[1].name: listeners[0] has the name 'one-way' too; expected a name of its own",
        ),
        (
            {"gateway.toml": GATEWAY + '[[listeners]]\nname="x"\nmode="two-way"\nhost="0.0.0.0"\nport=1611'},
            "listeners[1].port: listeners[0] listens on port 1611 too; expected a port of its own",
        ),
        (
            {"gateway.toml": GATEWAY + '[[listeners]]\nname="x"\nmode="two-way"\nhost="h:1/"\nport=1'},
            "listeners[1].host: 'h:1/' is no host; expected a host name or an address, without port",
        ),
        ({"partners/aaa.toml": "["}, "partners/aaa.toml: is not TOML: "),
        (
            {"gateway.toml": GATEWAY.replace('"127.0.0.1"', "“::1”")},
            "; expected TOML (https://toml.io): texts in straight quotation marks, each table once, one of",
        ),
        (
            {"gateway.toml": GATEWAY.replace('"127.0.0.1"', '"localhost:1611"')},
            "listeners[0].host: 'localhost:1611' is no host and no address of IPv6; expected a host name",
        ),
        (
            {"gateway.toml": GATEWAY.replace('"127.0.0.1"', '"[::1]"')},
            "listeners[0].host: '[::1]' is no host; expected a host name or an address, without port",
        ),
        (
            {"gateway.toml": GATEWAY.replace("[[local]]", "[local]")},
            "local: a table cannot stand here; expected a list of tables, each under its name in",
        ),
        (
            {"gateway.toml": wrong("state_dir", '"~/state"')},
            "state_dir: '~/state' begins with a '~', which means no home directory here; expected a path",
        ),
        (
            {"gateway.toml": 'database_url = "postgresql://gate:hu/sh@db/ill"\n' + GATEWAY},
            "database_url: its host and port cannot be told apart; expected ",
        ),
        (
            {"partners/aaa.toml": PARTNER.replace("\nport", "\nprt")},
            "aaa.toml: transport.port: is missing; expect",
        ),
        (
            {"partners/aaa.toml": PARTNER.replace("\nport", "\nprt")},
            "transport.prt: unknown key; expected 'port'",
        ),
        (
            {"partners/aaa.toml": PARTNER.replace("kind", "knd")},
            "transport.kind: is missing; expected a table ",
        ),
        (
            {"partners/aaa.toml": PARTNER.replace('"tcp"', '"post"')},
            "transport: a table cannot stand here; ex",
        ),
        (
            {"partners/aaa.toml": "transport = 5"},
            "transport: 5 cannot stand here; expected a table with kind 't",
        ),
        ({"partners/aaa.toml": "bas = 5\n" + PARTNER}, "aaa.toml: bas: unknown key; expected 'base'"),
        (
            {"partners/aaa.toml": "base = []\n" + PARTNER},
            "aaa.toml: base: a list is no base profile; expected ",
        ),
        (
            {"partners/aaa.toml": 'base = "vdx"\n' + PARTNER},
            "base: 'vdx' is no base profile; expected one of 'alma', 'relais'",
        ),
        ({"profiles/x.toml": "base = 'alma'"}, "profiles/x.toml: base: unknown key; expected "),
        (
            {"profiles/alma.toml": ""},
            "profiles/alma.toml: there is a base profile 'alma' already; expected a n",
        ),
        ({"profiles/x.toml": "]"}, "profiles/x.toml: is not TOML: "),
        (
            {"profiles/x.toml": "test = 1", "partners/aaa.toml": 'base = "x"\n' + PARTNER},
            "profiles/x.toml: test: 1 cannot stand here; expected true or false",
        ),
        (
            {"partners/bbb.toml": PARTNER.replace("AAA", "aaa").replace("ILLUME:", "X:")},
            "partners/bbb.toml: name: the partner in partners/aaa.toml has the name 'aaa' too; exp",
        ),
        (
            {"partners/bbb.toml": BBB.replace("ILLUME:BBB", "illume:AAA")},
            "bbb.toml: symbols[0]: 'illume:AAA' is a symbol of the partner in partners/aaa.toml too; exp",
        ),
        (
            {"partners/bbb.toml": 'aliases = ["ILLUME:BEX"]\n' + BBB},
            "partners/bbb.toml: aliases[0]: 'ILLUME:BEX' is a symbol of local[0] in gateway.toml too; exp",
        ),
        (
            {"partners/aaa.toml": PARTNER + '[retry]\nmax_delay = "1s"'},
            "partners/aaa.toml: retry.max_delay: max_delay is shorter than first_delay; exp",
        ),
        (
            {"partners/aaa.toml": "retry = 5\n" + PARTNER},
            "aaa.toml: retry: 5 cannot stand here; expected a tab",
        ),
    ],
)
def test_what_is_wrong_is_said_with_file_key_and_what_was_expected(
    problems: Problems, files: dict[str, str], expected: str
) -> None:
    lines = problems(files)
    assert any(expected.replace("\\\\", "\\") in line for line in lines), lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'time_zone = "America"',
            "time_zone: no time zone 'America' is known on this machine; expected the nam",
        ),
        ('time_zone = "../../etc/passwd"', "time_zone: no time zone '../../etc/passwd' is known"),
        ("time_zone = 5", "time_zone: 5 is no text; expected the name of a time zone"),
        (
            'allowed_sources = ["10.0.0.1/8"]',
            "allowed_sources[0]: '10.0.0.1/8' has bits set beyond its prefix; ",
        ),
        ('allowed_sources = ["10.0.0.1/8"]', "expected '10.0.0.0/8'"),
        (
            'allowed_sources = ["host"]',
            "allowed_sources[0]: 'host' is no address and no network; expected an ",
        ),
        ("allowed_sources = [7]", "allowed_sources[0]: 7 is no text; expected an address"),
        (
            'document_email = "a@b.example, c@d.example"',
            "document_email: 'a@b.example, c@d.example' is no e-ma",
        ),
        (
            'document_email = "a@b.example\\nBcc: c@d"',
            "document_email: 'a@b.example\\nBcc: c@d' is no e-mail a",
        ),
        (
            'display_name = "\\u001b[31mred"',
            "display_name: '\\x1b[31mred' is blank or holds a control characte",
        ),
        ("aliases = [5]", "aliases[0]: 5 is no text; expected a symbol"),
        ('aliases = ["A:"]', "aliases[0]: 'A:' lacks the symbol or the authority; expected a symbol"),
        ('aliases = [":A"]', "aliases[0]: ':A' lacks the symbol or the authority; expected a symbol"),
        (
            'aliases = ["A "]',
            "aliases[0]: 'A ' begins or ends with a space, or holds a control character; exp",
        ),
        ("days_to_respond = true", "days_to_respond: True cannot stand here; expected a whole number from 1"),
        ('test = "yes"', "test: 'yes' cannot stand here; expected true or false"),
        ('side = "left"', "side: 'left' cannot stand here; expected one of 'partner', 'illume'"),
        ('contact = ""', "contact: '' is blank or holds a control character; expected one line of text"),
        (
            "capabilities.sends = ['Ship']",
            "capabilities.sends[0]: 'Ship' cannot stand here; expected one of ",
        ),
        (
            "contact = 2026-11-22T10:15:00",
            "contact: 2026-11-22T10:15:00 cannot stand here; expected one line",
        ),
        ("capabilities.send = []", "capabilities.send: unknown key; expected 'sends'"),
        ("retry.lifetime = 5", "retry.lifetime: 5 is no duration; expected a duration above zero"),
        (
            "retry.lifetime = '5 days'",
            "retry.lifetime: '5 days' is no duration; expected a duration above zero",
        ),
        ("retry.lifetime = '0s'", "retry.lifetime: '0s' is no time at all; expected a duration above zero"),
        (
            "retry.lifetime = '999999999d'",
            "retry.lifetime: '999999999d' is longer than ten years; expected a",
        ),
        ("retry.lifetime = '" + "x" * 90 + "'", "retry.lifetime: '" + "x" * 63 + "... is no duration;"),
    ],
)
def test_a_value_of_a_partner_that_will_not_do(problems: Problems, line: str, expected: str) -> None:
    lines = problems({"partners/aaa.toml": f"{line}\n{PARTNER}"})
    assert len(lines) == 1, lines
    assert lines[0].startswith("partners/aaa.toml: ")
    assert expected in lines[0]


@pytest.mark.parametrize("name", ["A B", "", "-a", "*", "a" * 65, "é"])
def test_a_name_that_is_none(problems: Problems, name: str) -> None:
    (line,) = problems({"partners/aaa.toml": PARTNER.replace('"AAA"', f'"{name}"')})
    assert line.startswith(f"partners/aaa.toml: name: {name[:63]!r}"[:60])
    assert "is no name; expected 1 to 64 letters" in line


def test_a_list_that_holds_only_what_is_wrong_is_not_called_empty(problems: Problems) -> None:
    (line,) = problems({"partners/aaa.toml": PARTNER.replace('["ILLUME:AAA"]', "[5]")})
    assert line.startswith("partners/aaa.toml: symbols[0]: 5 is no text; expected")


def test_a_gateway_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path / "gateway.toml")
    (error,) = caught.value.errors
    assert (error.file, error.key) == (tmp_path / "gateway.toml", "")
    assert error.problem == "cannot be read: No such file or directory"


def test_everything_in_all_files_is_said_at_once_and_each_thing_once(problems: Problems) -> None:
    lines = problems(
        {
            "gateway.toml": wrong("state_dir", "5")
            + '[retry]\njitter = 2\n[[routes]]\nlocal = "NO"\npartner = "*"\n'
            + '[[listeners]]\nname = "x"\nmode = "two-way"\nhost = "127.0.0.1"\nport = 1611\n',
            "profiles/house.toml": 'tables = "loose"\nretry.factor = 0\n',
            "partners/aaa.toml": 'base = "house"\n' + PARTNER + 'mode = "both"\n',
            "partners/bbb.toml": 'base = "house"\ntest = 1\n' + BBB.replace("ILLUME:BBB", "ILLUME:BEX"),
            "partners/ccc.toml": "name = ",
        }
    )
    assert [line.split(": ")[:2] for line in lines] == [
        ["gateway.toml", "state_dir"],
        ["gateway.toml", "retry.jitter"],
        ["gateway.toml", "listeners[1].port"],
        ["gateway.toml", "routes[0].local"],
        ["profiles/house.toml", "tables"],
        ["profiles/house.toml", "retry.factor"],
        ["partners/aaa.toml", "transport.mode"],
        ["partners/bbb.toml", "test"],
        ["partners/bbb.toml", "symbols[0]"],
        ["partners/ccc.toml", "is not TOML"],
    ]


def test_what_is_wrong_in_partners_is_said_although_the_gateways_file_is_no_toml(problems: Problems) -> None:
    files = {
        "gateway.toml": GATEWAY + "[limits\n",
        "profiles/house.toml": 'rules = {month = "off"}\n',
        "partners/aaa.toml": 'base = "house"\n' + PARTNER + 'mode = "both"\n',
        "partners/bbb.toml": BBB.replace("ILLUME:BBB", "ILLUME:BEX"),
        "partners/ccc.toml": 'aliases = ["ILLUME:AAA"]\nname = "aaa"\n',
    }
    lines = problems(files)
    assert [line.split(": ")[:2] for line in lines] == [
        ["gateway.toml", "is not TOML"],
        ["partners/aaa.toml", "transport.mode"],
        ["partners/ccc.toml", "symbols"],
        ["partners/ccc.toml", "transport"],
        ["partners/ccc.toml", "name"],
        ["partners/ccc.toml", "aliases[0]"],
        ["partners/bbb.toml", "symbols[0]"],
    ]
    # Where the mistake is the first line, nobody knows where the partners are.
    [line] = problems(files | {"gateway.toml": "[limits\n" + GATEWAY})
    assert line.startswith("gateway.toml: is not TOML: ")


def test_a_byte_order_mark_means_nothing(site: Site) -> None:
    marked = {
        "gateway.toml": "\ufeff" + GATEWAY,
        "partners/aaa.toml": "\ufeff" + PARTNER.replace("\n", "\r\n"),
    }
    assert [one.name for one in load(site(marked)).partners] == ["AAA"]


def test_a_rule_is_known_by_name_where_names_are_given(site: Site) -> None:
    path = site(
        {
            "profiles/house.toml": 'rules = {month = "off"}\n',
            "partners/aaa.toml": 'base = "house"\nrules = {spaces = "off", dates = "error"}\n' + PARTNER,
        }
    )
    assert read(path).errors == ()
    errors = read(path, rules=("space", "dates")).errors
    assert [f"{one.file.name}: {one.key}: {one.problem}; {one.expected}" for one in errors] == [
        "house.toml: rules.month: there is no such rule; one of dates, space",
        "aaa.toml: rules.spaces: there is no such rule; 'space'",
    ]
    with pytest.raises(ConfigErrors, match="no such rule"):
        load(path, rules=())


def test_what_a_profile_that_there_is_not_may_hold_is_not_missed(problems: Problems) -> None:
    [line] = problems({"partners/aaa.toml": 'base = "vdx"\nname = "AAA"\nsymbols = ["ILLUME:AAA"]\n'})
    assert line == "partners/aaa.toml: base: 'vdx' is no base profile; expected one of 'alma', 'relais'"


def test_a_blank_where_a_colon_was_meant_is_a_warning(site: Site) -> None:
    path = site(
        {
            "gateway.toml": GATEWAY.replace("ILLUME:BEX", "ILLUME BEX"),
            "partners/aaa.toml": 'aliases = ["A A A", "Big Library:X"]\n' + PARTNER,
        }
    )
    assert [f"{one.file.name}: {one.key}: {one.problem}; {one.expected}" for one in read(path).warnings] == [
        "gateway.toml: local[0].symbol: 'ILLUME BEX' has a blank, and no authority; 'ILLUME:BEX'",
        "aaa.toml: aliases[0]: 'A A A' has a blank, and no authority; 'A:A A'",
    ]


def test_a_file_that_looks_like_a_partners_is_a_warning(site: Site) -> None:
    names = ["bbb.toml.txt", "ccc.TOML", "ddd.txt", "README", "aaa.toml~", "aaa.toml.bak", ".aaa.toml.swp"]
    warnings = read(site({f"partners/{name}": "?" for name in names})).warnings
    assert [one.file.name for one in warnings] == ["bbb.toml.txt", "ccc.TOML", "ddd.txt"]
    assert {one.expected for one in warnings} == {"a name that ends in .toml"}


def test_nobody_to_serve_is_a_warning(site: Site, tmp_path: Path) -> None:
    path = site({})
    (tmp_path / "partners" / "aaa.toml").unlink()
    [warning] = read(path).warnings
    assert str(warning) == (
        f"{path}: partner_dirs: there is no partner, so nobody is served;"
        " expected a *.toml file for each in 'partners'"
    )
    [warning] = read(site({"gateway.toml": wrong("partner_dirs", "[]")})).warnings
    assert warning.expected == "a directory of *.toml files, one each"


def test_a_route_is_not_blamed_for_a_partner_whose_file_cannot_be_read(problems: Problems) -> None:
    route = '[[routes]]\nlocal = "BEX"\npartner = "AAA"\n'
    (line,) = problems({"gateway.toml": GATEWAY + route, "partners/aaa.toml": "["})
    assert line.startswith("partners/aaa.toml: is not TOML")


def test_a_password_in_a_database_url_is_in_no_message(problems: Problems) -> None:
    for url in ("mysql://gate:hush@db/ill", "postgresql+psycopg://gate:hush@db/\\n", "sqlite://hush"):
        assert "hush" not in "".join(problems({"gateway.toml": f'database_url = "{url}"\n' + GATEWAY}))


def test_ports_that_do_not_collide(site: Site) -> None:
    more = "".join(
        f'[[listeners]]\nname = "{name}"\nmode = "two-way"\nhost = "{host}"\nport = {port}\n'
        for name, host, port in (("a", "127.0.0.2", 1611), ("b", "::", 0), ("c", "::", 0))
    )
    assert len(load(site({"gateway.toml": GATEWAY + more})).listeners) == 4


def test_the_same_symbol_twice_in_one_partner_is_harmless(site: Site) -> None:
    settings = load(site({"partners/aaa.toml": 'aliases = ["illume:AAA", "AAA"]\n' + PARTNER}))
    assert settings.partner_for(Symbol.parse("ILLUME:AAA")) is settings.partners[0]


KEYS = st.sampled_from(
    [
        *(
            key.name
            for table in (GatewayFile, Partner, Listener, Route, TcpTransport)
            for key in keys_of(table)
        ),
        "base",
        "\x1b",
    ]
)
VALUES = st.recursive(
    st.one_of(
        st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("tcp"), st.just("relay")
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(table=st.dictionaries(KEYS, VALUES, max_size=5))
def test_whatever_a_file_holds_only_config_errors_come_of_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, table: dict[str, object]
) -> None:
    path = site({"partners/aaa.toml": "# any", "gateway.toml": GATEWAY + "# any"})
    with monkeypatch.context() as patch:
        patch.setattr("config.documents.tomllib.loads", lambda text: table if "any" in text else {})
        with pytest.raises(ConfigErrors) as caught:
            load(path)
    assert caught.value.errors
    assert all(str(error).isprintable() for error in caught.value.errors)
