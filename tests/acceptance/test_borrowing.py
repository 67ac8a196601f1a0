"""A borrower's and a lender's gateway over TCP, each with its staff at the command."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.daemon import ONE_WAY, Installation, PartnerListener, RunningDaemon

#: Days to come, whenever this runs.
DUE, LATER = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days) for days in (70, 98))
LOAN: Final = Path(__file__).parents[2] / "examples" / "request-loan.toml"


class Library:
    """A library: its gateway, and its staff at a terminal."""

    def __init__(self, gateway: RunningDaemon) -> None:
        self.gateway = gateway

    def do(self, *arguments: object) -> str:
        """Have the staff do something about requests, and give what the command said."""
        done = self.gateway.installation.command("requests", *arguments)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode()

    def is_refused(self, *arguments: object) -> str:
        """Have the staff try what is not possible, and give what the command said."""
        done = self.gateway.installation.command("requests", *arguments)
        assert (done.returncode, done.stdout) == (1, b"")
        return done.stderr.decode()

    def await_apdu(self, apdu_type: str) -> None:
        """Return once a message of this type has had its effect here."""
        self.gateway.await_line("apdu.processed", apdu_type=apdu_type, verdict="applied")


@pytest.fixture
def way_back() -> Iterator[PartnerListener]:
    """Where the lender sends to."""
    with PartnerListener().listen() as listener:
        yield listener


def test_a_loan_on_its_way_and_nothing_of_it_twice(tmp_path: Path, way_back: PartnerListener) -> None:
    lending = Installation(tmp_path / "lender", yaz_port=way_back.port)
    lending.become_the_partner()
    with lending.running() as lent:
        borrowing = Installation(tmp_path / "borrower", yaz_port=lent.ports[ONE_WAY])
        with borrowing.running() as borrowed:
            borrower, lender = Library(borrowed), Library(lent)

            said = borrower.do("new", LOAN, "--to", "YAZ")
            assert "request 1 is now Pending" in said
            lender.await_apdu("ILL-Request")
            assert "asks YAZ for the same" in borrower.is_refused("new", LOAN, "--to", "YAZ")

            lender.do("act", 1, "ship", "--due", DUE, "--via", "courier")
            borrowed.exchange(ONE_WAY, way_back.octets())
            borrower.await_apdu("Shipped")
            assert "done already" in lender.is_refused("act", 1, "ship", "--due", LATER)
            borrower.do("act", 1, "receive")
            lender.await_apdu("Received")

            assert "Received" in borrower.do("list", "--as", "borrower")
            assert f"due {DUE}, renewable; via courier" in " ".join(borrower.do("show", 1).split())
        assert way_back.is_quiet(), "nothing was sent twice"
