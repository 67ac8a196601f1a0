"""Mail in the configuration: how it is read, and what is refused."""

from datetime import timedelta
from pathlib import Path

import pytest

from config.loading import load
from config.senders import comparable
from config.settings import Mail, MailTls, MailTransport
from tests.support.authority import Authority
from tests.unit.config.conftest import GATEWAY, Problems, Site

MAIL = "\n[mail]\n"
LOCAL = 'public_mail = "ill@bex.example"\n'
PARTNER = 'name = "AAA"\nsymbols = ["A"]\n[transport]\nkind = "mail"\naddress = "ILL@aaa.example"\n'


def test_mail_is_read_with_absolute_paths(site: Site, tmp_path: Path) -> None:
    Authority(tmp_path)
    settings = load(
        site(
            {
                "gateway.toml": GATEWAY
                + LOCAL
                + MAIL
                + 'relay_host = "mx.bex.example"\nrelay_port = 587\ntls = "starttls"\nuser = "bex"\n'
                + 'password_file = "secret"\nca_file = "ca.pem"\n'
                + 'lmtp_socket = "run/lmtp"\nmaildir = "box"\n'
                + 'maildir_interval = "2s"\nvariable_sender = false\n',
                "partners/aaa.toml": 'allowed_senders = ["desk@b.example", "@C.example"]\n' + PARTNER,
            }
        )
    )
    assert settings.mail == Mail(
        relay_host="mx.bex.example",
        relay_port=587,
        tls=MailTls.STARTTLS,
        user="bex",
        password_file=str(tmp_path / "secret"),
        ca_file=str(tmp_path / "ca.pem"),
        lmtp_socket=str(tmp_path / "run/lmtp"),
        maildir=str(tmp_path / "box"),
        maildir_interval=timedelta(seconds=2),
        variable_sender=False,
    )
    assert settings.local[0].public_mail == "ill@bex.example"
    [partner] = settings.partners
    assert partner.transport == MailTransport(address="ILL@aaa.example")
    assert partner.senders == {"ill@aaa.example", "desk@b.example", "@c.example"}


def test_without_the_table_there_is_no_mail(site: Site) -> None:
    settings = load(site({}))
    assert settings.mail is None
    assert settings.partners[0].senders == frozenset()


def test_an_empty_table_is_a_mail_server_on_this_machine(site: Site) -> None:
    assert load(site({"gateway.toml": GATEWAY + MAIL})).mail == Mail()


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        ('user = "x"', "mail.password_file: is missing; expected both user and password_file, or neither"),
        ('password_file = "x"', "mail.user: is missing; expected both user and password_file, or neither"),
        (
            'relay_host = "mx.example"\nuser = "x"\npassword_file = "x"',
            "mail.tls: the password would go to another machine in the clear; expected 'starttls' or 'tls'",
        ),
        (
            'lmtp_host = "0.0.0.0"',
            "mail.lmtp_host: '0.0.0.0' can be reached from other machines; expected '127.0.0.1' or '::1'",
        ),
        (
            'lmtp_host = "mx.example"',
            "mail.lmtp_host: 'mx.example' can be reached from other machines; expected '127.0.0.1' or '::1'",
        ),
        (
            'lmtp_host = "::1"\nlmtp_socket = "x"',
            "mail.lmtp_socket: there is an lmtp_host too; expected one of the two",
        ),
        (
            'ca_file = "ca.pem"',
            "mail.ca_file: ca_file means something with TLS only, and tls is 'none'; expected tls",
        ),
        (
            'tls = "tls"\nca_file = "ca.pem"',
            "mail.ca_file: 'ca.pem' cannot be read: No such file or directory; expected a PEM file",
        ),
        ("relay_port = 0", "mail.relay_port: 0 cannot stand here; expected a whole number from 1 to 65535"),
    ],
)
def test_what_cannot_work_is_refused(mail: str, expected: str, problems: Problems) -> None:
    [line] = problems({"gateway.toml": GATEWAY + MAIL + mail})
    assert line.startswith(f"gateway.toml: {expected}")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.9", "::1"])
def test_a_password_may_go_to_this_machine_itself(host: str, site: Site) -> None:
    login = f'relay_host = "{host}"\nlmtp_host = "{host}"\nuser = "x"\npassword_file = "x"'
    assert load(site({"gateway.toml": GATEWAY + MAIL + login})).mail is not None


def test_a_partner_by_mail_needs_a_mail_server_and_our_address(problems: Problems) -> None:
    [line] = problems({"partners/aaa.toml": PARTNER})
    assert line == (
        "partners/aaa.toml: transport.kind: gateway.toml has no [mail], so nothing can be sent by mail;"
        " expected a table [mail] there"
    )
    [line] = problems({"gateway.toml": GATEWAY + MAIL, "partners/aaa.toml": PARTNER})
    assert line == (
        "gateway.toml: local[0].public_mail: is missing, and 'AAA' is reached by mail;"
        " expected the address of its ILL software"
    )


@pytest.mark.parametrize("sender", ["@", "aaa.example", "a@b, c@d", "@a b", "a@b@c"])
def test_a_sender_is_an_address_or_a_domain(sender: str, problems: Problems) -> None:
    [line] = problems(
        {
            "partners/aaa.toml": f'allowed_senders = ["{sender}"]\n{PARTNER}',
            "gateway.toml": GATEWAY + LOCAL + MAIL,
        }
    )
    assert line.startswith(
        f"partners/aaa.toml: allowed_senders[0]: '{sender}' is no e-mail address; expected one"
    )


@pytest.mark.parametrize(
    ("address", "compared"),
    [
        ("Ill+17-x@Library.Example", "ill@library.example"),
        ("ill@library.example", "ill@library.example"),
        ("@Library.example", "@library.example"),
        ("+x@library.example", "@library.example"),
    ],
)
def test_addresses_are_compared_without_case_and_sub_address(address: str, compared: str) -> None:
    assert comparable(address) == compared
