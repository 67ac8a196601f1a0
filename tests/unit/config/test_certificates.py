"""The keys for TLS: which belong together, that their files can be used, and when a certificate ends."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config import certificates
from config.loading import load
from config.settings import TcpTransport
from tests.support.authority import Authority
from tests.unit.config.conftest import GATEWAY, PARTNER, Problems, Site

PAIR = 'certificate_file = "tls/gateway.pem"\nkey_file = "tls/gateway.key"\n'


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A CA, and the certificate `tls/gateway.pem` with its key `tls/gateway.key`."""
    directory = tmp_path / "tls"
    directory.mkdir()
    authority = Authority(directory)
    authority.identity("gateway")
    return authority


def gateway(lines: str) -> dict[str, str]:
    """A gateway.toml whose listener has these lines too."""
    return {"gateway.toml": GATEWAY.replace("port = 1611\n", f"port = 1611\n{lines}\n")}


def partner(lines: str) -> dict[str, str]:
    """A partner file whose transport has these lines too."""
    return {"partners/aaa.toml": f"{PARTNER}{lines}\n"}


@pytest.mark.usefixtures("authority")
class TestWhatIsRight:
    def test_paths_are_from_the_file_that_names_them(self, site: Site, tmp_path: Path) -> None:
        lines = f'tls = true\nclient_ca_file = "tls/ca.pem"\n{PAIR}'
        other = 'tls = true\nca_file = "../tls/ca.pem"\nserver_name = "ill.aaa.example"'
        settings = load(site(gateway(lines) | partner(other)))
        (listener,) = settings.listeners
        assert listener.tls
        assert listener.certificate_file == str(tmp_path / "tls/gateway.pem")
        assert listener.key_file == str(tmp_path / "tls/gateway.key")
        assert listener.client_ca_file == str(tmp_path / "tls/ca.pem")
        transport = settings.partners[0].transport
        assert isinstance(transport, TcpTransport)
        assert transport.ca_file == str(tmp_path / "partners/../tls/ca.pem")
        assert transport.server_name == "ill.aaa.example"

    def test_a_path_of_a_profile_is_from_the_profile(self, site: Site, tmp_path: Path) -> None:
        profile = '[transport]\ntls = true\nca_file = "../tls/ca.pem"\n'
        files = {"profiles/safe.toml": profile, "partners/aaa.toml": f'base = "safe"\n{PARTNER}'}
        transport = load(site(files)).partners[0].transport
        assert isinstance(transport, TcpTransport)
        assert transport.ca_file == str(tmp_path / "profiles/../tls/ca.pem")

    def test_a_partner_needs_no_certificate_of_ours(self, site: Site) -> None:
        transport = load(site(partner("tls = true"))).partners[0].transport
        assert isinstance(transport, TcpTransport)
        assert (transport.tls, transport.certificate_file) == (True, None)


@pytest.mark.usefixtures("authority")
class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            (
                gateway(PAIR),
                "listeners[0].certificate_file: certificate_file means something with TLS only, and tls is f",
            ),
            (
                partner('server_name = "x"'),
                "partners/aaa.toml: transport.server_name: server_name means something with TLS only",
            ),
            (
                gateway("tls = true"),
                "gateway.toml: listeners[0].certificate_file: is missing; expected a path",
            ),
            (
                gateway('tls = true\ncertificate_file = "tls/gateway.pem"'),
                "gateway.toml: listeners[0].key_file: is missing",
            ),
            (partner('tls = true\nkey_file = "x"'), "transport.certificate_file: is missing"),
            (
                gateway(f"tls = true\n{PAIR}".replace("gateway.key", "other.key")),
                "listeners[0].key_file: 'tls/other.key' cannot be read: No such file",
            ),
            (
                gateway(f"tls = true\n{PAIR}".replace("gateway.key", "ca.pem")),
                "listeners[0].key_file: 'tls/ca.pem' is not the private key of the cert",
            ),
            (
                gateway(f'tls = true\n{PAIR}client_ca_file = "gateway.toml"'),
                "listeners[0].client_ca_file: 'gateway.toml' holds no certificate",
            ),
            (
                partner('tls = true\nca_file = "a\\u0000b"'),
                "transport.ca_file: 'a\\x00b' is no path; expected a path",
            ),
            (partner("tls = true\nca_file = 5"), "transport.ca_file: 5 cannot stand here; expected a path"),
            (partner('tls = "yes"'), "transport.tls: 'yes' cannot stand here; expected true or false"),
        ],
    )
    def test_it_is_said_where_it_stands(
        self, problems: Problems, files: dict[str, str], expected: str
    ) -> None:
        lines = problems(files)
        assert any(expected in line for line in lines), lines


class TestExpiries:
    def test_only_what_ends_soon_is_named_the_first_to_end_first(
        self, site: Site, authority: Authority, tmp_path: Path
    ) -> None:
        authority.identity("soon", lifetime=timedelta(days=10))
        authority.identity("over", lifetime=timedelta(days=-1))
        one = PAIR.replace("gateway", "soon")
        files = gateway(f"tls = true\n{one}")
        for name, shown in (("aaa", "over"), ("bbb", "gateway"), ("ccc", "soon")):
            text = PARTNER.replace("AAA", name).replace("aaa", name)
            files[f"partners/{name}.toml"] = (
                text + "tls = true\n" + PAIR.replace("gateway", shown).replace("tls/", f"{tmp_path}/tls/")
            )
        found = certificates.expiries(load(site(files)), now=datetime.now(UTC))
        assert [one.file.name for one in found] == ["over.pem", "soon.pem"]
        assert found[0].at < datetime.now(UTC) < found[1].at

    def test_nothing_is_shown_without_tls(self, site: Site) -> None:
        assert certificates.expiries(load(site({})), now=datetime.now(UTC)) == ()
