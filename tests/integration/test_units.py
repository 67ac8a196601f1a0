"""The units of systemd and the installation that they are for: held against systemd's own tools."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from config import mailing, starter
from config.loading import load
from tests.support.peers import require

ROOT: Final = Path(__file__).parents[2]
UNITS: Final = ROOT / "config" / "systemd"
SERVICE: Final = UNITS / "iso-gateway.service"
SOCKET: Final = UNITS / "iso-gateway.socket"
OF_MAIL: Final = UNITS / "iso-gateway-lmtp.socket"


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze."""
    found = require(shutil.which("systemd-analyze"), "systemd-analyze", "apt-get install systemd")
    return subprocess.run([found, *arguments], capture_output=True, text=True, check=False, timeout=60)


def settings_of(unit: Path, section: str) -> list[tuple[str, str]]:
    """Give the settings of a unit's section, in order; one name may stand several times."""
    found: list[tuple[str, str]] = []
    inside = False
    for line in unit.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            inside = line == f"[{section}]"
        elif inside and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.append((name, value))
    return found


def test_the_exposure_is_at_or_under_1_5() -> None:
    result = analyze("security", "--offline=true", "--threshold=15", SERVICE)
    assert result.returncode == 0, result.stdout
    assert "Overall exposure level for iso-gateway.service: 1.2" in result.stdout


def test_the_threshold_would_notice(tmp_path: Path) -> None:
    """What the test above relies on: a capability alone is over it."""
    unit = tmp_path / SERVICE.name
    old = "CapabilityBoundingSet=\n"
    content = SERVICE.read_text(encoding="utf-8")
    assert content.count(old) == 1
    unit.write_text(content.replace(old, ""), encoding="utf-8")
    assert analyze("security", "--offline=true", "--threshold=15", unit).returncode == 1


def test_systemd_finds_no_mistake_in_the_units(tmp_path: Path) -> None:
    command = tmp_path / "iso-gateway"
    command.write_text("#!/bin/sh\n", encoding="utf-8")
    command.chmod(0o755)
    service = SERVICE.read_text(encoding="utf-8").replace("/opt/iso-gateway/bin/iso-gateway", str(command))
    (tmp_path / SERVICE.name).write_text(
        service.replace("Documentation=", "# Documentation="), encoding="utf-8"
    )
    names = [SERVICE.name, SOCKET.name, OF_MAIL.name]
    for socket in (SOCKET, OF_MAIL):
        shutil.copy(socket, tmp_path)
    result = analyze("verify", "--man=no", *(tmp_path / name for name in names))
    ours = [line for line in result.stderr.splitlines() if "iso-gateway" in line]
    assert ours == []


def test_a_service_has_the_ports_and_folders_of_its_units(tmp_path: Path) -> None:
    gateway, *examples = starter.write(tmp_path, service=True)
    settings = load(gateway)
    ports = [int(value) for name, value in settings_of(SOCKET, "Socket") if name == "ListenStream"]
    assert sorted(ports) == sorted(listener.port for listener in settings.listeners) == [499, 1611]
    service = dict(settings_of(SERVICE, "Service"))
    assert settings.state_dir == Path("/var/lib") / service["StateDirectory"]
    assert service["LoadCredential"] == "master-key:/etc/iso-gateway/master.key"
    assert settings.master_key_file == tmp_path / "master.key"
    assert settings.logging.format.value == "json"
    assert settings.partners == ()
    assert (tmp_path / "partners").is_dir()
    assert {file.parent for file in examples} == {tmp_path / "examples"}


def test_the_socket_for_mail_is_for_postfix_and_as_the_manual_has_it() -> None:
    unit = dict(settings_of(OF_MAIL, "Socket"))
    assert unit["FileDescriptorName"] == mailing.LMTP
    assert unit["Service"] == SERVICE.name
    assert (unit["SocketUser"], unit["SocketMode"]) == ("postfix", "0600")
    manual = (ROOT / "docs" / "mail.md").read_text(encoding="utf-8")
    assert f'lmtp_socket = "{unit["ListenStream"]}"' in manual
    assert unit["ListenStream"] == "/var/spool/postfix/private/iso-gateway"
    assert "lmtp:unix:private/iso-gateway" in manual
    assert f"systemctl enable {OF_MAIL.name}" in manual


@pytest.mark.parametrize("old", [old for old, _ in starter._FOR_A_SERVICE])
def test_what_a_service_changes_stands_in_the_template_once(old: str) -> None:
    template = (ROOT / "config" / "templates" / "gateway.toml").read_text(encoding="utf-8")
    assert template.count(old) == 1


class TestInstallFiles:
    def make(self, target: str, destination: Path) -> str:
        """Run make, without the environment of a make that runs these tests."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        result = subprocess.run(
            ["make", target, f"DESTDIR={destination}"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return result.stdout

    def files(self, directory: Path) -> dict[str, int]:
        """The files below a directory, with their modes."""
        return {
            str(path.relative_to(directory)): path.stat().st_mode & 0o777
            for path in directory.rglob("*")
            if path.is_file()
        }

    def test_files_are_where_systemd_looks_and_again_the_same(self, tmp_path: Path) -> None:
        self.make("install-files", tmp_path)
        once = self.files(tmp_path)
        assert once["usr/local/lib/systemd/system/iso-gateway.service"] == 0o644
        assert once["usr/local/lib/systemd/system/iso-gateway.socket"] == 0o644
        assert once["usr/local/lib/systemd/system/iso-gateway-lmtp.socket"] == 0o644
        assert once["usr/local/lib/sysusers.d/iso-gateway.conf"] == 0o644
        assert once["usr/local/bin/iso-gateway"] == 0o755
        assert once["usr/local/share/doc/iso-gateway/operations.md"] == 0o644
        self.make("install-files", tmp_path)
        assert self.files(tmp_path) == once

    def test_uninstalling_keeps_configuration_and_state(self, tmp_path: Path) -> None:
        kept = [
            "etc/iso-gateway/gateway.toml",
            "etc/iso-gateway/master.key",
            "var/lib/iso-gateway/gateway.db",
        ]
        for name in kept:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("kept", encoding="utf-8")
        (tmp_path / "opt" / "iso-gateway").mkdir(parents=True)
        self.make("install-files", tmp_path)
        assert "kept: /etc/iso-gateway and /var/lib/iso-gateway" in self.make("uninstall", tmp_path)
        assert sorted(self.files(tmp_path)) == sorted(kept)
        assert not (tmp_path / "opt" / "iso-gateway").exists()


def test_the_user_of_the_service_is_the_one_that_is_made() -> None:
    [line] = [
        line
        for line in (UNITS / "iso-gateway.sysusers").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    _, name, *_, home = line.split(" ")
    service = dict(settings_of(SERVICE, "Service"))
    assert name == service["User"] == service["Group"]
    assert home == "/var/lib/iso-gateway"
