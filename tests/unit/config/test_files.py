"""The files that ship: the configuration that runs as it is, the examples, what `init` writes, the docs."""

import dataclasses
import tomllib
from ipaddress import ip_address
from pathlib import Path

import pytest

from config import documents, reference, starter
from config.errors import ConfigErrors
from config.loading import load
from config.settings import (
    Acknowledge,
    ApduName,
    DailyMail,
    Mail,
    MailTransport,
    Partner,
    TcpTransport,
    TransactionResults,
)
from config.symbols import Symbol

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = {"KPU", "RRU", "SFU", "TRU", "UBC", "UVIC", "YAZ"}


def test_the_configuration_at_the_root_runs_as_it_is() -> None:
    settings = load(ROOT / "gateway.toml")
    assert settings.state_dir == ROOT / "var"
    assert [(one.mode.value, one.host, one.port) for one in settings.listeners] == [
        ("one-way", "127.0.0.1", 1611),
        ("two-way", "127.0.0.1", 4990),
    ]
    assert [(local.name, str(local.symbol)) for local in settings.local] == [("BEX", "ILLUME:BEX")]
    assert {partner.name for partner in settings.partners} == SHIPPED


def test_the_values_written_out_in_the_starting_configuration_are_the_defaults(tmp_path: Path) -> None:
    starter.write(tmp_path)
    written = (tmp_path / "gateway.toml").read_text()
    kept = written.split("# What one peer may cost")[0]
    (tmp_path / "short.toml").write_text(kept)
    settings = load(tmp_path / "gateway.toml")
    short = load(tmp_path / "short.toml")
    assert kept != written
    assert dataclasses.replace(short, source=settings.source) == settings


def test_what_is_commented_out_in_the_starting_configuration_can_be_used(tmp_path: Path) -> None:
    starter.write(tmp_path)
    text = (tmp_path / "gateway.toml").read_text()
    keys = ("# database", "# master", "# profile", "# [[routes", "# local", "# partner", "# mode")
    lines = [line[2:] if line.startswith(keys) else line for line in text.split("\n")]
    before = load(tmp_path / "gateway.toml")
    (tmp_path / "gateway.toml").write_text("\n".join(lines))
    assert "routes" in tomllib.loads("\n".join(lines))
    assert load(tmp_path / "gateway.toml") == before


def test_so_can_its_mail(tmp_path: Path) -> None:
    starter.write(tmp_path)
    text = (tmp_path / "gateway.toml").read_text()
    keys = ("# [mail]", "# relay_", "# lmtp_", "# [[noticing", "# to", "# at", "# language")
    lines = [line[2:] if line.startswith(keys) else line for line in text.split("\n")]
    text = "\n".join(lines).replace(
        "# public_address", 'public_mail = "ill@bex.example"\n# public_address', 1
    )
    (tmp_path / "gateway.toml").write_text(text)
    settings = load(tmp_path / "gateway.toml")
    assert settings.mail == Mail(lmtp_host="127.0.0.1")
    assert settings.noticing.mail == (DailyMail(to="ill-desk@bex.example"),)


@pytest.mark.parametrize("name", sorted(SHIPPED - {"YAZ"}))
def test_an_example_partner_reaches_nobody(name: str) -> None:
    file = ROOT / f"config/partners/{name.lower()}.toml"
    assert file.read_text().startswith("# EXAMPLE")
    partner = load(ROOT / "gateway.toml").partner(name)
    assert partner is not None
    assert partner.symbols == (Symbol("ILLUME", name),)
    assert partner.aliases == (Symbol(None, name),)
    assert isinstance(partner.transport, TcpTransport)
    assert partner.transport.host.endswith(".example")
    assert str(partner.document_email).endswith(".example")
    assert [str(network) for network in partner.allowed_sources] == ["192.0.2.0/24"]
    assert not partner.illume_login
    assert 7 <= partner.days_to_respond <= 10
    assert TransactionResults.WILL_SUPPLY not in partner.capabilities.sends_results


def test_an_alma_library_says_only_what_alma_can() -> None:
    partner = load(ROOT / "gateway.toml").partner("SFU")
    assert partner is not None
    missing = set(ApduName) - partner.capabilities.sends
    assert {name.value for name in missing} == {
        "Forward-Notification",
        "Conditional-Reply",
        "Recall",
        "Overdue",
        "Lost",
        "Damaged",
        "Status-Query",
        "Status-Or-Error-Report",
    }


def test_the_rehearsal_partner_is_this_machine_only() -> None:
    partner = load(ROOT / "gateway.toml").partner("YAZ")
    assert partner is not None
    assert partner.test
    assert partner.acknowledge is Acknowledge.STATUS_REPORT
    assert partner.transport == TcpTransport(host="127.0.0.1", port=1612)
    assert any(ip_address("127.0.0.1") in network for network in partner.allowed_sources)
    assert all(network.is_loopback for network in partner.allowed_sources)


def test_what_init_writes_is_what_the_repository_holds(tmp_path: Path) -> None:
    gateway, *partners = starter.write(tmp_path / "new")
    assert gateway == tmp_path / "new/gateway.toml"
    root = (ROOT / "gateway.toml").read_text()
    here = '["config/partners", "examples/partners"]'
    assert root.count(here) == 1
    assert gateway.read_text() == root.replace(here, '["partners"]').replace('"var"', '"state"').replace(
        "var/", "state/"
    )
    for file in partners:
        source = "examples/partners" if file.name == "yaz.toml" else "config/partners"
        assert file.read_bytes() == (ROOT / source / file.name).read_bytes()
    assert {file.stem.upper() for file in partners} == SHIPPED


def test_what_init_writes_runs(tmp_path: Path) -> None:
    starter.write(tmp_path)
    settings = load(tmp_path / "gateway.toml")
    assert settings.state_dir == tmp_path / "state"
    assert {partner.name for partner in settings.partners} == SHIPPED


def test_init_overwrites_nothing_and_says_all_that_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "partners").mkdir()
    (tmp_path / "partners/sfu.toml").write_text("mine")
    (tmp_path / "gateway.toml").symlink_to("nowhere")
    with pytest.raises(ConfigErrors) as caught:
        starter.write(tmp_path)
    assert [error.file.name for error in caught.value.errors] == ["gateway.toml", "sfu.toml"]
    assert all("exists already" in str(error) for error in caught.value.errors)
    assert [file.name for file in (tmp_path / "partners").iterdir()] == ["sfu.toml"]
    assert (tmp_path / "partners/sfu.toml").read_text() == "mine"


def test_init_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigErrors, match=r"gateway\.toml: cannot be written: File exists; expected"):
        starter.write(tmp_path / "file")
    with pytest.raises(ConfigErrors, match=r"gateway\.toml: cannot be written: File name too long; expected"):
        starter.write(tmp_path / ("x" * 300))


def test_the_reference_is_fresh() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == reference.render(), (
        "run: python -m config.reference docs/configuration.md"
    )


def test_a_mail_transport_has_its_type_already() -> None:
    findings = documents.Findings()
    table = {"name": "M", "symbols": ["M"], "transport": {"kind": "mail", "address": "ill@library.example"}}
    document = documents.Document(layers=(documents.Layer(file=Path("m.toml"), table=table),))
    partner = document.read(Partner, findings)
    assert partner is not None
    assert partner.transport == MailTransport(address="ill@library.example")
    assert findings.errors == ()
