"""The command beside a daemon on PostgreSQL: what it loses to another process, it does again by itself."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from asn1.codec import encode
from config.settings import NoticeKind
from iso_gateway.request import primitives
from tests.support import apdus
from tests.support.command import run
from tests.support.postgresql import Cluster
from tests.support.site import Installation, installation

#: The first row that is written to the audit is refused as PostgreSQL refuses what loses to another process.
#: A sequence counts on although the transaction is undone.
LOSES_ONCE: Final = """
CREATE SEQUENCE losses;
CREATE FUNCTION lose_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('losses') = 1 THEN
        RAISE EXCEPTION 'another transaction was faster' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lose_once BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION lose_once();
"""
WHY: Final = ("--reason", "rehearsed", "--yes")


class Unlucky:
    """The command, each time with a new conflict in its way."""

    def __init__(self, place: Installation) -> None:
        self._place = place
        with place.site.store.engine.begin() as connection:
            connection.exec_driver_sql(LOSES_ONCE)

    def __call__(self, *arguments: object) -> str:
        """Run it, and hold it to have met its conflict and to have done all the same what it was asked to."""
        with self._place.site.store.engine.begin() as connection:
            connection.exec_driver_sql("ALTER SEQUENCE losses RESTART")
        result = run("--config", self._place.config, *arguments)
        assert result.exit_code == 0, (arguments, result.output)
        with self._place.site.store.engine.connect() as connection:
            assert connection.execute(text("SELECT last_value FROM losses")).scalar_one() >= 2, arguments
        return result.stdout


@pytest.fixture
def place(tmp_path: Path, postgresql_cluster: Cluster) -> Iterator[Installation]:
    with (
        postgresql_cluster.database("command_conflicts") as url,
        installation(tmp_path / "gateway", database_url=url) as made,
    ):
        yield made


@pytest.mark.postgresql
def test_what_every_command_that_is_audited_loses_is_done_again(place: Installation, tmp_path: Path) -> None:
    place.receive(apdus.ill_request())
    place.deliver_all()
    place.act(1, primitives.Ship())
    junk = place.receive(b"junk").message_id
    with place.site.store.unit_of_work() as uow:
        uow.attention.raise_(
            key="k", kind=NoticeKind.UNREADABLE, reason="junk", since=place.clock(), at=place.clock()
        )
    unlucky = Unlucky(place)
    assert unlucky("attention", "clear", 1, "--reason", "seen").startswith("cleared: 1;")
    assert "nothing is sent" in unlucky("db", "hold", "--reason", "rehearsed")
    assert "sending" in unlucky("db", "resume", *WHY)
    assert unlucky("partners", "suspend", "YAZ", *WHY).startswith("YAZ is suspended")
    assert unlucky("partners", "resume", "YAZ", *WHY).startswith("YAZ is resumed")
    assert unlucky("waiting", "hold", "--all", *WHY) == "held back: 1\n"
    assert unlucky("waiting", "release", "--all", *WHY) == "released: 1\n"
    exported = tmp_path / "messages.jsonl"
    assert "wrote" in unlucky("messages", "export", exported, "--with-patron-data", "--reason", "rehearsed")
    line = json.loads(exported.read_text(encoding="ascii").splitlines()[0])
    line["octets"] = encode(apdus.ill_request(transaction="elsewhere")).hex()
    exported.write_text(json.dumps(line), encoding="ascii")
    assert unlucky("messages", "import", exported, *WHY).startswith("1 imported")
    assert unlucky("replay", junk, "--again", *WHY).endswith("1 unchanged\n")
    with place.site.store.reading() as uow:
        assert len(uow.messages.processings(junk)) == 2
        audited = [one.action for one in uow.audit.list()]
    assert len(audited) == len(set(audited)) == 11
