"""What is noticed, and who is told: the tables `[noticing]` and `[[webhooks]]`."""

import datetime as dt
from pathlib import Path

import pytest

from config import secrets
from config.loading import load
from config.settings import DailyMail, Language, NoticeKind, Noticing, Webhook
from tests.unit.config.conftest import GATEWAY, PARTNER, Problems, Site

HOOK = '[[webhooks]]\nname = "ils"\nurl = "{url}"\nsecret_file = "hook.secret"\n'
SECRET = "correct horse battery staple\n"


def test_left_out_it_is_the_default(site: Site) -> None:
    settings = load(site({}))
    assert settings.noticing == Noticing()
    assert settings.webhooks == ()


def test_everything_can_be_written(site: Site) -> None:
    written = (
        '[noticing]\ninterval = "1m"\nholidays = "CA-AB"\nclosed_days = [2026-12-28, "2026-12-29"]\n'
        'answer_warning_days = 0\nsilence_days = 5\nunreachable_after = "1h"\nlook_back = "7d"\n'
        "status_queries = false\n"
    )
    assert load(site({"gateway.toml": GATEWAY + written})).noticing == Noticing(
        interval=dt.timedelta(minutes=1),
        holidays="CA-AB",
        closed_days=(dt.date(2026, 12, 28), dt.date(2026, 12, 29)),
        answer_warning_days=0,
        silence_days=5,
        unreachable_after=dt.timedelta(hours=1),
        look_back=dt.timedelta(days=7),
        status_queries=False,
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('holidays = "BC"', "the holidays of 'BC' are not known"),
        ('holidays = "CA-XX"', "the holidays of 'CA-XX' are not known"),
        ('holidays = "British Columbia"', "'British Columbia' is no region"),
        ("holidays = 7", "7 is no region"),
        ('closed_days = ["Christmas"]', "'Christmas' is no day"),
        ("closed_days = [2026-12-28T08:00:00Z]", "is no day"),
        ("closed_days = [7]", "7 is no day"),
    ],
)
def test_what_is_refused(problems: Problems, line: str, problem: str) -> None:
    [found] = problems({"gateway.toml": f"{GATEWAY}[noticing]\n{line}\n"})
    assert problem in found


def test_a_webhook_and_its_secret(site: Site, tmp_path: Path) -> None:
    path = site({"gateway.toml": GATEWAY + HOOK.format(url="https://ils.example/hook?token=7")})
    (tmp_path / "hook.secret").write_text(SECRET)
    [webhook] = load(path).webhooks
    assert webhook == Webhook(
        name="ils",
        url="https://ils.example/hook?token=7",
        secret_file=str(tmp_path / "hook.secret"),
        timeout=dt.timedelta(seconds=10),
    )
    assert "token" not in repr(webhook)
    assert secrets.read(Path(webhook.secret_file)) == SECRET.strip().encode()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://localhost/", "http://[::1]:80/"])
def test_in_the_clear_to_this_machine_only(site: Site, tmp_path: Path, url: str) -> None:
    path = site({"gateway.toml": GATEWAY + HOOK.format(url=url)})
    (tmp_path / "hook.secret").write_text(SECRET)
    assert load(path).webhooks[0].url == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://ils.example/", "what is told would go out in the clear"),
        ("ftp://ils.example/", "what is told would go out in the clear"),
        ("https:///path", "it names no host, or holds a user or a fragment"),
        ("https://me:secret@ils.example/", "it names no host, or holds a user or a fragment"),
        ("https://ils.example/#top", "it names no host, or holds a user or a fragment"),
        ("https://ils.example:99999/", "it is no URL"),
        ("https://ils.example/a b", "it is no URL"),
        ("https://ílš.example/", "it is no URL"),
    ],
)
def test_addresses_that_are_refused_and_not_repeated(problems: Problems, url: str, problem: str) -> None:
    [found] = problems({"gateway.toml": GATEWAY + HOOK.format(url=url), "hook.secret": SECRET})
    assert problem in found
    assert "secret@" not in found


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        (None, "'hook.secret' cannot be read: No such file or directory"),
        ("short\n", "holds a secret of 5 octets"),
    ],
)
def test_secrets_that_are_refused(problems: Problems, secret: str | None, problem: str) -> None:
    files = {} if secret is None else {"hook.secret": secret}
    [found] = problems({"gateway.toml": GATEWAY + HOOK.format(url="https://ils.example/"), **files})
    assert problem in found


def test_two_of_one_name(problems: Problems) -> None:
    written = 2 * HOOK.format(url="https://ils.example/")
    [found] = problems({"gateway.toml": GATEWAY + written, "hook.secret": SECRET})
    assert "webhooks[0] has the name 'ils' too" in found


#: A gateway that can send mail.
MAILING = f'{GATEWAY}public_mail = "ill@bex.example"\n[mail]\nrelay_port = 2525\n'


def daily(**lines: str) -> str:
    """A recipient, with these keys besides."""
    return "".join(["[[noticing.mail]]\n", *(f"{key} = {value}\n" for key, value in lines.items())])


def test_a_daily_mail_by_default_and_with_everything_written(site: Site, tmp_path: Path) -> None:
    written = (
        '[noticing]\ntemplate_dir = "own"\n'
        + daily(to='"desk@bex.example"')
        + daily(
            to='"anna@bex.example"',
            at='"06:05"',
            local='["BEX"]',
            partners='["AAA"]',
            kinds='["silent", "no-answer"]',
            language='"fr"',
            always="true",
        )
        + daily(to='"late@bex.example"', at="23:59:00")
    )
    noticing = load(site({"gateway.toml": MAILING + written, "own/README": ""})).noticing
    assert noticing.template_dir == str(tmp_path / "own")
    assert noticing.mail == (
        DailyMail(to="desk@bex.example"),
        DailyMail(
            to="anna@bex.example",
            at=dt.time(6, 5),
            local=("BEX",),
            partners=("AAA",),
            kinds=frozenset({NoticeKind.SILENT, NoticeKind.NO_ANSWER}),
            language=Language.FRENCH,
            always=True,
        ),
        DailyMail(to="late@bex.example", at=dt.time(23, 59)),
    )
    assert noticing.mail[0].at == dt.time(7, 30)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ({"at": '"7:30"'}, "noticing.mail[0].at: '7:30' is no time of day; expected a time of day"),
        ({"at": '"24:00"'}, "'24:00' is no time of day"),
        ({"at": "7"}, "7 is no time of day"),
        ({"at": "07:30:30"}, "'07:30:30' is no whole minute"),
        ({"kinds": "[]"}, "noticing.mail[0].kinds: names nothing, so nothing would ever be sent"),
        ({"kinds": '["quiet"]'}, "'quiet' cannot stand here"),
        ({"local": '["UBC"]'}, "noticing.mail[0].local[0]: no local symbol has the name 'UBC'; expected"),
        ({"partners": '["UBC"]'}, "noticing.mail[0].partners[0]: no partner has the name 'UBC'; expected"),
        ({"to": '"ill+7@BEX.example"'}, "what comes to 'ill+7@BEX.example' is read by the gateway itself"),
        ({"to": '"a@b.example, c@d.example"'}, "is no e-mail address"),
        (
            {"to": '"a@' + 245 * "b" + '.example"'},
            "it has 255 characters; expected an address of at most 200",
        ),
        ({"language": '"de"'}, "'de' cannot stand here"),
    ],
)
def test_daily_mails_that_are_refused(problems: Problems, lines: dict[str, str], problem: str) -> None:
    [found] = problems({"gateway.toml": MAILING + daily(**{"to": '"desk@bex.example"', **lines})})
    assert problem in found


def test_two_daily_mails_to_one_address(problems: Problems) -> None:
    written = daily(to='"desk@bex.example"') + daily(to='"Desk@BEX.example"', at='"12:00"')
    [found] = problems({"gateway.toml": MAILING + written})
    assert "noticing.mail[1].to: noticing.mail[0] goes to 'Desk@BEX.example' too" in found


def test_a_daily_mail_needs_a_mail_server_and_an_address_to_come_from(problems: Problems) -> None:
    [found] = problems({"gateway.toml": GATEWAY + daily(to='"desk@bex.example"')})
    assert "noticing.mail[0].to: gateway.toml has no [mail], so nothing can be sent" in found
    [found] = problems({"gateway.toml": GATEWAY + "[mail]\n" + daily(to='"desk@bex.example"')})
    assert "local[0].public_mail: is missing, and the mails of noticing.mail[0] come from there" in found


def test_a_partner_whose_file_cannot_be_read_may_be_meant(problems: Problems) -> None:
    written = MAILING + daily(to='"desk@bex.example"', partners='["BBB"]')
    [found] = problems({"gateway.toml": written, "partners/bbb.toml": PARTNER.replace("AAA", "BBB") + "x x"})
    assert "bbb.toml: is not TOML" in found
