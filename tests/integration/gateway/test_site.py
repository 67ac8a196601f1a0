"""An installation: made once, opened by its owner, and closed to others."""

import os
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import Capabilities, Settings
from iso_gateway.errors import GatewayError, StoreError
from iso_gateway.half.record import digest_of
from iso_gateway.site import NotInitializedError, Site, WrongUserError, exclusive, opened, utc_now
from tests.support import apdus, gateway
from tests.support.gateway import Desk, settings_in

REQUEST = apdus.ill_request()


class TestMaking:
    def test_the_first_start_makes_all_there_is_for_its_owner_alone(self, tmp_path: Path) -> None:
        settings = settings_in(tmp_path / "new" / "state")
        site = Site.create_or_open(settings)
        with closing(site), site.store.reading() as uow:
            assert uow.messages.list() == ()
        for path, mode in ((settings.state_dir, 0o700), (settings.master_key_file, 0o600)):
            assert stat.S_IMODE(path.stat().st_mode) == mode

    def test_the_next_start_finds_it_again(self, settings: Settings) -> None:
        with Desk.open(settings) as desk:
            half = desk.receive(REQUEST).half_id
            key = settings.master_key_file.read_bytes()
        with Desk.open(settings) as desk:
            assert desk.half(half).state == "IN-PROCESS"
        assert settings.master_key_file.read_bytes() == key

    def test_a_lost_key_is_not_replaced_by_another(self, settings: Settings) -> None:
        settings.master_key_file.unlink()
        with pytest.raises(StoreError, match="is missing; put it back"):
            Site.create_or_open(settings)
        assert not settings.master_key_file.exists()

    def test_a_key_that_is_there_first_is_used(self, settings: Settings, tmp_path: Path) -> None:
        fresh = replace(
            settings_in(tmp_path / "fresh"),
            master_key_file=settings.master_key_file,
        )
        key = settings.master_key_file.read_bytes()
        with Desk.open(fresh) as desk:
            desk.receive(REQUEST)
        assert settings.master_key_file.read_bytes() == key

    def test_another_installations_key_opens_nothing(self, settings: Settings, tmp_path: Path) -> None:
        other = settings_in(tmp_path / "other")
        with Desk.open(other):
            pass
        with pytest.raises(StoreError, match="was sealed by master key"):
            Site.create_or_open(replace(settings, master_key_file=other.master_key_file))

    def test_a_directory_that_cannot_be_made_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        settings = settings_in(tmp_path / "file" / "state")
        said = r"cannot make the directory .*: Not a directory; make it"
        with pytest.raises(GatewayError, match=said):
            Site.create_or_open(settings)
        with pytest.raises(GatewayError, match=said), exclusive(settings):
            pass

    def test_a_lock_that_cannot_be_opened_is_said(self, tmp_path: Path) -> None:
        settings = settings_in(tmp_path / "state")
        (settings.state_dir / "gateway.lock").mkdir(parents=True)
        said = r"cannot open .*gateway\.lock': Is a directory; see whose"
        with pytest.raises(GatewayError, match=said), exclusive(settings):
            pass


class TestOpening:
    def test_a_command_makes_nothing(self, tmp_path: Path) -> None:
        settings = settings_in(tmp_path)
        with pytest.raises(NotInitializedError, match="start the gateway once with 'iso-gateway serve'"):
            Site.open(settings)
        assert list(tmp_path.iterdir()) == []

    def test_it_opens_what_there_is(self, settings: Settings) -> None:
        with opened(settings) as site, site.store.reading() as uow:
            assert uow.messages.list() == ()
            assert site.clock is utc_now

    def test_another_user_is_told_whose_it_is(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        with pytest.raises(
            WrongUserError, match=f"belongs to user id {owner}, and this is user id {owner + 1}"
        ):
            Site.open(settings)
        with pytest.raises(WrongUserError):
            Site.create_or_open(settings)

    def test_another_user_who_cannot_even_see_it_is_told_so(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def kept(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "stat", kept)
        with pytest.raises(WrongUserError, match="is kept from user id"):
            Site.open(settings)

    def test_its_clock_knows_its_zone(self) -> None:
        assert utc_now().utcoffset() is not None


class TestProfileDigest:
    def test_it_is_the_same_in_every_process(self) -> None:
        # Sets of words come in another order in every process, unless one sees to it.
        code = (
            "from tests.support.gateway import SFU; from iso_gateway.half.record import digest_of;"
            "print(repr(SFU.capabilities.sends)); print(digest_of(SFU))"
        )
        root = Path(__file__).parents[3]
        printed = [
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "PYTHONHASHSEED": seed},
                cwd=root,
                capture_output=True,
                text=True,
                check=True,
            ).stdout.splitlines()
            for seed in ("1", "2")
        ]
        assert printed[0][0] != printed[1][0]
        assert printed[0][1] == printed[1][1] == digest_of(gateway.SFU)

    def test_it_tells_profiles_apart(self) -> None:
        fewer = replace(gateway.SFU.capabilities, sends=frozenset(list(Capabilities().sends)[:3]))
        profiles = [
            gateway.SFU,
            gateway.UBC,
            replace(gateway.SFU, tables=gateway.UBC.tables),
            replace(gateway.SFU, retry=replace(gateway.SFU.retry, factor=3.0)),
            replace(gateway.SFU, capabilities=fewer),
        ]
        assert len({digest_of(profile) for profile in profiles}) == len(profiles)
