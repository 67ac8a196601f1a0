"""A test that wants a peer skips for a newcomer, and fails where every peer is meant to be."""

import pytest

from tests.support.peers import EVERY_PEER, require

OUTCOMES = {"skipped": pytest.skip.Exception, "failed": pytest.fail.Exception}


def test_what_was_found_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EVERY_PEER, "1")
    assert require("/usr/bin/strace", "strace", "apt-get install strace") == "/usr/bin/strace"


@pytest.mark.parametrize(
    ("value", "outcome"), [(None, "skipped"), ("", "skipped"), ("0", "skipped"), ("1", "failed")]
)
@pytest.mark.parametrize("found", [None, False])
def test_what_is_absent_skips_the_test_or_fails_it(
    value: str | None, outcome: str, *, found: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(EVERY_PEER, raising=False)
    if value is not None:
        monkeypatch.setenv(EVERY_PEER, value)
    with pytest.raises(OUTCOMES[outcome], match="strace is absent: apt-get install strace"):
        require(found, "strace", "apt-get install strace")
