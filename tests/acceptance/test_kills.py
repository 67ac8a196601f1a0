"""The kill harness in its short form; docs/durability.md has the long one and its figures."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.kill_harness import Plan, Play
from tests.support.postgresql import Cluster

# Some ten seconds each on an idle machine; a busy one is no reason to fail.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SHORT = Plan(kills=3, seed=5, longest=0.6, every=0.5, lease=dt.timedelta(seconds=3))


def assert_kept(plan: Plan, directory: Path, database_url: str | None) -> None:
    """Fail unless every promise was kept, and there was something to keep it for."""
    result = Play(plan, directory, database_url).run()
    assert result.judgement.broken == []
    assert result.kills + result.stops >= plan.kills
    assert result.judgement.requests > 0


def test_nothing_is_lost_or_done_twice_on_sqlite(tmp_path: Path) -> None:
    assert_kept(SHORT, tmp_path, None)


@pytest.mark.postgresql
def test_nothing_is_lost_or_done_twice_on_postgresql(tmp_path: Path, postgresql_cluster: Cluster) -> None:
    with postgresql_cluster.database("kills") as url:
        assert_kept(SHORT, tmp_path, url)


@pytest.mark.postgresql
def test_nothing_is_lost_or_done_twice_by_two_gateways(tmp_path: Path, postgresql_cluster: Cluster) -> None:
    with postgresql_cluster.database("kills of two") as url:
        assert_kept(replace(SHORT, seed=3, gateways=2), tmp_path, url)


def test_an_acknowledgement_that_comes_too_early_is_seen(tmp_path: Path) -> None:
    """The harness can fail."""
    plan = replace(SHORT, broken="acknowledge-before-commit", patience=2.0)
    result = Play(plan, tmp_path, None).run()
    assert any("was acknowledged and is lost" in one for one in result.judgement.broken)
