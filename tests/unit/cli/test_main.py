"""The root of the command: `serve`, `init`, `check`, `partners`, and how it fails."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from iso_gateway import daemon
from iso_gateway.cli import main
from iso_gateway.failure import Failure
from iso_gateway.request import primitives
from iso_gateway.store.records import BreakerState, PartnerStateRecord
from tests.support import apdus
from tests.support.authority import Authority
from tests.support.site import Installation
from tests.unit.cli.conftest import Command


class TestInit:
    def test_it_writes_what_check_accepts_and_says_what_next(self, tmp_path: Path) -> None:
        directory = tmp_path / "new place"
        said = Command(None).text("init", directory).splitlines()
        config = directory / "gateway.toml"
        assert f"iso-gateway serve --config '{config}'" in said[1]
        assert f"iso-gateway check --config '{config}'" in said[2]
        assert Command(None).text("check", "--config", config).endswith("nothing is wrong\n")

    def test_a_service_is_started_by_systemd(self, tmp_path: Path) -> None:
        said = Command(None).text("init", "--service", tmp_path)
        assert "start the gateway:        systemctl start iso-gateway\n" in said

    def test_it_overwrites_nothing(self, tmp_path: Path) -> None:
        Command(None)("init", tmp_path)
        error = Command(None).error("init", tmp_path, code=2)
        assert "exists already" in error
        assert len(error.splitlines()) == 8


class TestCheck:
    def test_what_was_read(self, command: Command) -> None:
        warning, said = command.text("check").splitlines()
        assert said == f"{command.config}: 2 listeners, 1 local symbol, 7 partners, 1 route; nothing is wrong"
        assert warning.startswith(f"warning: {command.config}: mail: is missing, so no link to a document ")
        assert warning.endswith("; expected a table [mail] (docs/mail.md)")
        found = command.json("check")
        [told] = found.pop("warnings")
        assert (told["key"], told["expected"]) == ("mail", "a table [mail] (docs/mail.md)")
        assert found == {
            "source": str(command.config),
            "errors": [],
            "listeners": 2,
            "local": 1,
            "partners": 7,
            "routes": 1,
        }

    def test_everything_that_is_wrong_is_said_one_a_line(self, place: Installation, command: Command) -> None:
        text = place.config.read_text(encoding="utf-8")
        text = text.replace("port = 1611", 'port = "x"').replace("max_depth", "max_dpeth")
        place.config.write_text(text, encoding="utf-8")
        lines = command.error("check", code=2).splitlines()
        assert len(lines) == 2
        assert all(line.startswith(str(place.config)) for line in lines)
        errors = command.json("check", code=2)["errors"]
        assert {error["key"] for error in errors} == {"listeners[0].port", "limits.max_dpeth"}
        assert command.error("partners", "list", code=2).splitlines() == lines

    def test_a_certificate_that_ends_soon_is_a_warning(self, place: Installation, command: Command) -> None:
        directory = place.config.parent
        Authority(directory).identity("soon", lifetime=timedelta(days=20))
        text = place.config.read_text(encoding="utf-8")
        lines = 'tls = true\ncertificate_file = "soon.pem"\nkey_file = "soon.key"'
        place.config.write_text(text.replace("port = 1611", f"port = 1611\n{lines}"), encoding="utf-8")
        *_, warning, said = command.text("check").splitlines()
        day = (datetime.now(UTC) + timedelta(days=20)).date()
        assert warning == f"warning: {directory}/soon.pem: the certificate ends {day}; expected a renewed one"
        assert said.endswith("nothing is wrong")
        assert command.json("check")["warnings"][-1]["file"] == f"{directory}/soon.pem"

    def test_a_rule_that_there_is_not_is_a_mistake(self, place: Installation, command: Command) -> None:
        partner = place.config.parent / "partners" / "sfu.toml"
        text = partner.read_text(encoding="utf-8")
        partner.write_text(f'{text}\n[rules]\nno-such-rule = "error"\n', encoding="utf-8")
        assert "no-such-rule" in command.error("check", code=2)


class TestConfiguration:
    def test_the_option_of_the_command_goes_before_that_of_the_root(
        self, place: Installation, tmp_path: Path
    ) -> None:
        nowhere = Command(tmp_path / "nowhere.toml")
        assert "nowhere.toml" in nowhere.error("check", code=2)
        assert "7 partners" in nowhere.text("check", "--config", place.config)
        assert "7 partners" in nowhere.text("--config", place.config, "check")

    def test_without_any_the_one_here_is_read(
        self, place: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert "there is no ./gateway.toml here" in " ".join(Command(None).error("check", code=2).split())
        monkeypatch.chdir(place.config.parent)
        assert "7 partners" in Command(None).text("check")


class TestPartners:
    def test_list(self, command: Command) -> None:
        rows = command.json("partners", "list")
        assert [row["name"] for row in rows] == ["KPU", "RRU", "SFU", "TRU", "UBC", "UVIC", "YAZ"]
        yaz = rows[-1]
        assert yaz["symbols"] == ["ILLUME:YAZ"]
        assert yaz["transport"] == {
            "kind": "tcp",
            "host": "127.0.0.1",
            "port": 1612,
            "mode": "one-way",
            "reuse": None,
            "idle_timeout": 60.0,
            "max_age": 3600.0,
            "tls": False,
            "server_name": None,
            "ca_file": None,
            "certificate_file": None,
            "key_file": None,
        }
        listed = command.text("partners", "list")
        assert "tcp one-way" in listed
        assert "127.0.0.1:1612" in listed

    def test_lists_fit_a_terminal_of_eighty_columns(self, place: Installation, command: Command) -> None:
        """No word is broken, nothing is wider, and what stands in the way of sending is said."""
        place.receive(apdus.ill_request())
        place.deliver_all()
        shipped = place.act(1, primitives.Ship())
        place.fail(shipped.message_id, "cannot connect to a.partner.example:1611")
        command("partners", "suspend", "YAZ", "--reason", "a rehearsal", "--yes")
        command.columns = 80
        lists = [command.text(name, "list") for name in ("partners", "messages", "waiting")]
        assert max(len(line.rstrip()) for listed in lists for line in listed.splitlines()) <= 80
        partners, messages, waiting = lists
        assert "ill.uvic.example:1611" in partners
        assert "suspended" in partners
        assert "Status-Or-Error-Report" in messages
        assert "2026-11-20 20:00:" in messages
        assert "partners resume YAZ goes on" in " ".join(waiting.split())

    def test_show_says_how_delivery_stands_in_words(self, place: Installation, command: Command) -> None:
        place.receive(apdus.ill_request())
        place.deliver_all()
        assert "    nothing failed last time\n    waiting: none\n" in command.text("partners", "show", "YAZ")
        place.act(1, primitives.Ship())
        with place.site.store.unit_of_work() as uow:
            uow.partners.set_breaker(
                PartnerStateRecord(
                    partner="YAZ",
                    breaker=BreakerState.OPEN,
                    failures=3,
                    retry_at=place.clock.now,
                    failing_since=place.clock.now,
                    failure=Failure.REFUSED,
                    last_error="connection refused",
                )
            )
        said = command.text("partners", "show", "YAZ")
        assert "attempts: 3\n    the last: connection refused\n    what can be done: ask the partner" in said
        assert "nothing is sent until one message has been tried for all: " in said
        assert "    waiting: 1, the oldest since " in said
        assert "takes nothing" in command.text("partners", "list")
        command("partners", "suspend", "YAZ", "--reason", "a rehearsal", "--yes")
        said = command.text("partners", "show", "YAZ")
        assert ": a rehearsal\n    to send again: iso-gateway partners resume YAZ\n" in said

    def test_a_partner_may_be_named_in_any_case_and_a_misspelt_one_is_told(
        self, place: Installation, command: Command
    ) -> None:
        place.receive(apdus.ill_request())
        assert [row["partner"] for row in command.json("requests", "list", "--partner", "yaz")] == ["YAZ"]
        for name in ("requests", "messages", "waiting"):
            result = command(name, "list", "--partner", "YAS")
            assert "note: no partner 'YAS' is configured now; partners list shows" in result.stderr

    def test_show(self, command: Command) -> None:
        shown = command.text("partners", "show", "yaz")
        assert shown.startswith("YAZ: yaz-illclient, for rehearsal\n")
        assert "  acknowledge: status-report\n" in shown
        assert "    host: 127.0.0.1\n" in shown
        data = command.json("partners", "show", "YAZ")
        assert "    idle_timeout: 1m\n" in shown
        assert "  route:\n    local: BEX\n" in shown
        assert data["routes"] == [{"local": "BEX", "partner": "*", "mode": "serve"}]
        assert data["allowed_sources"] == ["127.0.0.0/8", "::1/128"]

    def test_no_such_partner(self, command: Command) -> None:
        assert command.error("partners", "show", "\x1b[31mX").startswith("error: there is no partner '")

    def test_none(self, place: Installation, command: Command) -> None:
        for file in (place.config.parent / "partners").iterdir():
            file.unlink()
        assert command.text("partners", "list") == "no partners are configured\n"


class TestServe:
    def test_a_port_that_is_taken(self, place: Installation, command: Command) -> None:
        place.site.close()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            text = place.config.read_text(encoding="utf-8").replace("port = 1611", f"port = {port}")
            place.config.write_text(text, encoding="utf-8")
            error = command.error("serve", code=1)
        assert f"error: cannot listen on 127.0.0.1:{port} (listener 'one-way')" in error

    def test_a_wrong_configuration(self, place: Installation, command: Command) -> None:
        place.config.write_text("unknown = 1\n", encoding="utf-8")
        assert "unknown" in command.error("serve", code=2)

    def test_sigterm_ends_it_well(
        self, place: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place.site.close()
        text = place.config.read_text(encoding="utf-8").replace("1611", "0").replace("4990", "0")
        place.config.write_text(text, encoding="utf-8")
        run = daemon.Daemon.run

        async def run_and_be_stopped(self: daemon.Daemon, _ready: object = None) -> None:
            def stop(_addresses: Mapping[str, tuple[str, int]]) -> None:
                os.kill(os.getpid(), signal.SIGTERM)

            await run(self, stop)

        monkeypatch.setattr(daemon.Daemon, "run", run_and_be_stopped)
        result = command("serve")
        assert result.stdout == ""


class TestRoot:
    def test_help_cuts_no_sentence(self) -> None:
        command = Command(None)
        for group in ((), *((one.name,) for one in main.app.registered_groups)):
            listed = command.text(*group, "--help").partition("Commands:")[2]
            assert listed
            assert "..." not in listed

    def test_help_says_what_options_mean_and_nothing_of_types(self) -> None:
        shown = Command(None).text("requests", "list", "--help")
        assert "--limit N" in shown
        assert "[default: 50]" in shown
        assert "<=" not in shown
        shown = Command(None).text("requests", "act", "--help")
        assert re.search(r"  ID +The request, as requests list numbers it\.\s+\[required\]", shown)
        assert re.search(r"  WHAT +What to do\. As lender: answer, ship", shown)
        assert "range" not in shown

    def test_a_file_that_cannot_be_used_is_named(
        self, place: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device", "/somewhere")

        monkeypatch.setattr("iso_gateway.upkeep.back_up", full)
        said = command.error("db", "backup", place.config.parent / "backup.db")
        assert said == "error: cannot use '/somewhere': No space left on device\n"

    def test_another_fault_is_told_in_full(
        self, place: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise OSError("a fault of ours")

        monkeypatch.setattr("iso_gateway.upkeep.back_up", broken)
        result = command("db", "backup", place.config.parent / "backup.db", code=1)
        assert str(result.exception) == "a fault of ours"

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("events", "--after", "-1"), "it has to be at least 0"),
            (("apdu", "listen", "--port", "65536"), "it has to be at most 65535"),
            (("requests", "show", "one"), "it is no whole number"),
            (
                ("requests", "act", "1", "ship", "--due", "tomorrow"),
                "'tomorrow' is no date",
            ),
            (("messages", "list", "--from", "8:30"), "write 2026-11-20 or '2026-11-20 08:30'"),
        ],
    )
    def test_values_are_refused_in_our_words(
        self, command: Command, arguments: tuple[str, ...], said: str
    ) -> None:
        assert said in " ".join(command(*arguments, code=2).stderr.split())

    def test_it_says_which_version_it_is(self) -> None:
        assert Command(None).text("--version") == f"iso-gateway {version('iso-gateway')}\n"

    def test_without_a_database_it_says_how_to_get_one(self, tmp_path: Path) -> None:
        Command(None)("init", tmp_path)
        command = Command(tmp_path / "gateway.toml")
        assert "start the gateway once with 'iso-gateway serve'" in command.error("requests", "list")

    def test_help_imports_nothing_heavy(self) -> None:
        script = (
            "import sys\n"
            "from iso_gateway.cli.main import app\n"
            "app(['--help'], standalone_mode=False)\n"
            "heavy = {'sqlalchemy', 'alembic', 'pyasn1', 'cryptography', 'asyncio', 'pydantic'}\n"
            "heavy &= set(sys.modules)\n"
            "sys.exit(repr(heavy) if heavy else 0)\n"
        )
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)

    def test_a_terminal_without_unicode_is_no_failure(self, place: Installation) -> None:
        config = place.config.parent / "partners" / "yaz.toml"
        text = config.read_text(encoding="utf-8").replace('for rehearsal"', 'for r\u00e9p\u00e9tition"')
        config.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", "from iso_gateway.cli.main import run; run()", "partners", "show", "YAZ"],
            env={**os.environ, "PYTHONIOENCODING": "ascii", "ISO_GATEWAY_CONFIG": str(place.config)},
            capture_output=True,
            check=True,
        )
        assert rb"for r\xe9p\xe9tition" in done.stdout

    def test_the_entry_point_names_the_command(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["anything", "requests", "show", "--help"])
        with pytest.raises(SystemExit) as ended:
            main.run()
        assert ended.value.code == 0
        assert "iso-gateway requests show" in capsys.readouterr().out
