"""Mail in the configuration: how it is read, and what is refused."""

from datetime import timedelta
from pathlib import Path

import pytest

from config.loading import load, read
from config.senders import comparable
from config.settings import Mail, MailTls, MailTransport
from tests.support.authority import Authority
from tests.unit.config.conftest import GATEWAY, Problems, Site
from tests.unit.config.conftest import PARTNER as TCP_PARTNER

MAIL = "\n[mail]\n"
WAY_IN = 'lmtp_host = "127.0.0.1"\n'
LOCAL = 'public_mail = "ill@bex.example"\n'
PARTNER = 'name = "AAA"\nsymbols = ["A"]\n[transport]\nkind = "mail"\naddress = "ILL@aaa.example"\n'


def test_mail_is_read_with_absolute_paths(site: Site, tmp_path: Path) -> None:
    Authority(tmp_path)
    (tmp_path / "secret").write_text("hush\n", encoding="ascii")
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
        (
            'password_file = "hush"',
            "mail.user: is missing; expected both user and password_file, or neither",
        ),
        (
            'user = "x"\npassword_file = "y"',
            "mail.password_file: 'y' cannot be read: No such file or directory; expected a file with the pas",
        ),
        (
            'user = "x"\npassword_file = "."',
            "mail.password_file: '.' cannot be read: Is a directory; expected a file with the password on o",
        ),
        (
            'user = "x"\npassword_file = "nothing"',
            "mail.password_file: 'nothing' is empty; expected",
        ),
        (
            'user = "x"\npassword_file = "gateway.toml"',
            "mail.password_file: 'gateway.toml' holds more than one line, or a character that is not seen",
        ),
        (
            'user = "x"\npassword_file = "marked"',
            "mail.password_file: 'marked' holds more than one line, or a character that is not seen",
        ),
        (
            'user = "x"\npassword_file = "latin"',
            "mail.password_file: 'latin' is not UTF-8; expected",
        ),
        (
            'relay_host = "mx.example"\nuser = "x"\npassword_file = "hush"',
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
            'lmtp_host = "::1"\nlmtp_port = 1611',
            "mail.lmtp_port: listeners[0] listens on port 1611 too; expected a port of its own",
        ),
        (
            f'lmtp_socket = "/{"x" * 107}"',
            "mail.lmtp_socket: the whole path has 108 octets, and a Unix socket's has 107 at most; expected",
        ),
        (
            'lmtp_socket = "hush"',
            "mail.lmtp_socket: 'hush' is there, and is no socket; expected a path at which nothing is",
        ),
        ('maildir = "hush"', "mail.maildir: 'hush' is no directory; expected a Maildir"),
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
    files = {"hush": "hush\n", "nothing": "\r\n", "marked": "\ufeffhush", "latin": "\udce9t\udce9"}
    [line] = problems(files | {"gateway.toml": GATEWAY + MAIL + mail})
    assert line.startswith(f"gateway.toml: {expected}")


def test_no_listener_has_the_name_of_that_for_mail(problems: Problems) -> None:
    gateway = GATEWAY.replace('name = "one-way"', 'name = "lmtp"')
    [line] = problems({"gateway.toml": gateway + MAIL + WAY_IN})
    assert line == (
        "gateway.toml: listeners[0].name: 'lmtp' is the name of the listener of [mail];"
        " expected a name of its own"
    )
    assert problems({"gateway.toml": gateway + MAIL + "relay_port = 0"}) != [line]


def test_a_maildir_may_be_made_later(site: Site) -> None:
    assert load(site({"gateway.toml": GATEWAY + MAIL + 'maildir = "later"'})).mail is not None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.9", "::1"])
def test_a_password_may_go_to_this_machine_itself(host: str, site: Site) -> None:
    login = f'relay_host = "{host}"\nlmtp_host = "{host}"\nuser = "x"\npassword_file = "x"'
    assert load(site({"gateway.toml": GATEWAY + MAIL + login, "x": "hush"})).mail is not None


def test_a_partner_by_mail_needs_a_mail_server_and_our_address(problems: Problems) -> None:
    [line] = problems({"partners/aaa.toml": PARTNER})
    assert line == (
        "partners/aaa.toml: transport.kind: gateway.toml has no [mail], so nothing can be sent by mail;"
        " expected a table [mail] there"
    )
    [line] = problems({"gateway.toml": GATEWAY + MAIL + WAY_IN, "partners/aaa.toml": PARTNER})
    assert line == (
        "gateway.toml: local[0].public_mail: is missing, and 'AAA' is reached by mail;"
        " expected the address of its ILL software"
    )


def test_a_partner_by_mail_needs_a_way_by_which_its_answers_come(problems: Problems) -> None:
    [line] = problems({"gateway.toml": GATEWAY + LOCAL + MAIL, "partners/aaa.toml": PARTNER})
    assert line == (
        "gateway.toml: mail: no mail can come in, and 'AAA' is reached by mail: its answers would be lost;"
        " expected one of lmtp_host, lmtp_socket, maildir (docs/mail.md)"
    )


@pytest.mark.parametrize(
    ("gateway", "partner", "expected"),
    [
        (
            "",
            "",
            "mail: is missing, so no link to a document is mailed to the document_email of 'AAA'; expected a",
        ),
        (
            MAIL + WAY_IN,
            "",
            "local[0].public_mail: is missing, so it mails no link to a document to the document_email of",
        ),
        (
            LOCAL + MAIL,
            "",
            "mail: no mail can come in, so nobody learns that a link did not reach 'AAA'; expected one of lm",
        ),
        (LOCAL + MAIL + WAY_IN, "", None),
        ("", "illume_login = true\n", None),
    ],
)
def test_links_that_cannot_be_mailed_are_a_warning(
    gateway: str, partner: str, expected: str | None, site: Site
) -> None:
    partner = f'document_email = "desk@aaa.example"\n{partner}{TCP_PARTNER}'
    reading = read(site({"gateway.toml": GATEWAY + gateway, "partners/aaa.toml": partner}))
    assert reading.errors == ()
    assert [f"{one.key}: {one.problem}"[:60] for one in reading.warnings] == (
        [] if expected is None else [expected[:60]]
    )


@pytest.mark.parametrize("sender", ["@", "aaa.example", "a@b, c@d", "@a b", "a@b@c"])
def test_a_sender_is_an_address_or_a_domain(sender: str, problems: Problems) -> None:
    [line] = problems(
        {
            "partners/aaa.toml": f'allowed_senders = ["{sender}"]\n{PARTNER}',
            "gateway.toml": GATEWAY + LOCAL + MAIL + WAY_IN,
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
