"""`iso-gateway requests` as a borrower and its lender use it: two installations, with real stores."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asn1.codec import decode
from asn1.ill import ILLRequest, Shipped
from config.settings import Settings
from iso_gateway.site import Site
from iso_gateway.store.records import Direction, HalfId, MessageId
from tests.support import apdus
from tests.support.site import Installation, installation
from tests.unit.cli.conftest import Command

LOAN = Path(__file__).parents[3] / "examples" / "request-loan.toml"
CONTACT = "ring Ottoline at 555-0199"


class Library:
    """A library with its gateway and its terminal."""

    def __init__(self, place: Installation) -> None:
        self.place = place
        self.command = Command(place.config)
        self.command.columns = 80

    def act(self, *arguments: object) -> str:
        """Do something about request 1."""
        return self.command.text("requests", "act", 1, *arguments)

    def show(self, *options: str) -> str:
        """Show request 1."""
        return self.command.text("requests", "show", 1, *options)

    def sent(self) -> list[str]:
        """The types of what was sent, oldest first."""
        with self.place.site.store.reading() as uow:
            return [
                one.processing.apdu_type or "?"
                for one in reversed(uow.messages.list(limit=1000))
                if one.message.direction is Direction.SENT and one.processing is not None
            ]


@pytest.fixture(autouse=True)
def _one_clock(place: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command goes by the clock of the installations, which both share."""

    @contextmanager
    def opened(settings: Settings) -> Iterator[Site]:
        site = Site.open(settings, clock=place.clock)
        try:
            yield site
        finally:
            site.close()

    monkeypatch.setattr("iso_gateway.site.opened", opened)


@pytest.fixture
def borrower(place: Installation) -> Library:
    return Library(place)


@pytest.fixture
def lender(place: Installation, tmp_path: Path) -> Iterator[Library]:
    with installation(tmp_path / "lender", mirrored=True, clock=place.clock) as made:
        yield Library(made)


@pytest.fixture
def asked(borrower: Library, lender: Library) -> None:
    """The borrower has asked the lender for a loan."""
    ask(borrower, lender)


def ask(borrower: Library, lender: Library) -> None:
    """Let the borrower ask the lender for a loan."""
    borrower.command.text("requests", "new", LOAN, "--to", "YAZ")
    borrower.place.carry(lender.place)
    lender.place.deliver_all()


def write(directory: Path, content: str, name: str = "request.toml") -> Path:
    """Write a request file."""
    path = directory / name
    path.write_text(content, encoding="utf-8")
    return path


class TestNew:
    def test_it_sends_the_request_and_says_what_next(self, borrower: Library) -> None:
        said = borrower.command.text("requests", "new", LOAN, "--to", "yaz").splitlines()
        assert said[0] == "ILL-REQUEST queued for YAZ as message 1; request 1 is now Pending"
        assert said[1].startswith("  ILL number: 20261120/")
        assert said[2:] == [
            "  answer expected by 2026-11-27",
            "what becomes of it: iso-gateway requests show 1",
            "what can be done:   iso-gateway requests act 1",
        ]
        assert borrower.sent() == ["ILL-Request"]

    def test_as_data_with_the_day_by_which_an_answer_is_expected(self, borrower: Library) -> None:
        borrower.place.configure("days_to_respond = 9")
        told = borrower.command.json("requests", "new", LOAN, "--to", "YAZ", "--from", "bex")
        assert (told["request_id"], told["message_id"], told["state"]) == (1, 1, "PENDING")
        assert told["request_number"].startswith("20261120/")
        assert list(told["deadlines"]) == ["no-answer"]
        assert "answer expected by 2026-11-29" in borrower.command.text("requests", "list")
        assert "answer expected by 2026-11-29" in borrower.show()

    def test_our_number_is_told_to_both(self, borrower: Library) -> None:
        borrower.command.text("requests", "new", LOAN, "--to", "YAZ", "--number", " 4711 ")
        assert "our reference: 4711" in borrower.show()
        with borrower.place.site.store.reading() as uow:
            (one,) = uow.messages.list()
            apdu = decode(uow.messages.raw(one.message.id))
        assert isinstance(apdu, ILLRequest)
        assert b"4711" in borrower_reference(apdu)

    @pytest.mark.parametrize("number", ["", "  ", "4\n7"])
    def test_a_number_that_is_none(self, borrower: Library, number: str) -> None:
        error = borrower.command.error("requests", "new", LOAN, "--to", "YAZ", "--number", number, code=2)
        assert "--number" in error
        assert borrower.sent() == []

    def test_all_mistakes_in_the_file_are_said_and_nothing_is_sent(
        self, borrower: Library, tmp_path: Path
    ) -> None:
        file = write(tmp_path, 'expires = "soon"\nauthor = "Ada"\n[item]\ntitle = 7\n')
        error = borrower.command.error("requests", "new", file, "--to", "YAZ", code=2)
        lines = error.splitlines()
        assert all(line.startswith(f"{file}: ") for line in lines)
        assert {line.removeprefix(f"{file}: ").partition(":")[0] for line in lines} == {
            "author",
            "expires",
            "item.title",
        }
        assert all("; expected " in line for line in lines if "author" not in line)
        assert borrower.sent() == []

    def test_what_cannot_be_said_to_this_partner_is_a_mistake_in_the_file(
        self, borrower: Library, tmp_path: Path
    ) -> None:
        borrower.place.configure('character_set = "latin-1"')
        file = write(tmp_path, '{"item": {"title": "図書館"}}', "request.json")
        error = borrower.command.error("requests", "new", file, "--to", "YAZ", code=2)
        assert error.startswith(f"{file}: ")
        assert borrower.sent() == []

    def test_no_such_file(self, borrower: Library, tmp_path: Path) -> None:
        error = borrower.command.error("requests", "new", tmp_path / "none.toml", "--to", "YAZ", code=2)
        assert "cannot be read" in error

    def test_whom_it_is_for_has_to_be_known(self, borrower: Library) -> None:
        error = borrower.command.error("requests", "new", LOAN, code=2)
        assert "--to" in error
        error = borrower.command.error("requests", "new", LOAN, "--to", "NOBODY")
        assert error == "error: there is no partner 'NOBODY'; partners list shows those there are\n"
        error = borrower.command.error("requests", "new", LOAN, "--to", "YAZ", "--from", "NOBODY")
        assert error == "error: there is no library of ours 'NOBODY'; there are BEX\n"
        assert "FILE" in borrower.command.error("requests", "new", "--to", "YAZ", code=2)

    def test_for_which_of_several_libraries(self, borrower: Library) -> None:
        config = borrower.place.config
        second = '[[local]]\nname = "CEX"\nsymbol = "ILLUME:CEX"\ntime_zone = "America/Vancouver"\n'
        content = config.read_text(encoding="utf-8")
        config.write_text(content.replace("[[listeners]]", f"{second}\n[[listeners]]", 1), encoding="utf-8")
        error = borrower.command.error("requests", "new", LOAN, "--to", "YAZ", code=2)
        assert "BEX, CEX" in error
        borrower.command.text("requests", "new", LOAN, "--to", "YAZ", "--from", "CEX")
        assert "borrower CEX" in borrower.command.text("requests", "list")

    def test_the_same_is_not_asked_for_twice_by_a_double_click(self, borrower: Library) -> None:
        borrower.command.text("requests", "new", LOAN, "--to", "YAZ")
        error = borrower.command.error("requests", "new", LOAN, "--to", "YAZ")
        assert error.splitlines() == [
            "error: request 1 asks YAZ for the same, and is Pending; nothing was sent",
            "to see it: iso-gateway requests show 1",
            "to ask once more all the same: the same command with --again",
        ]
        assert borrower.sent() == ["ILL-Request"]
        assert len(borrower.command.json("requests", "list")) == 1
        borrower.command.text("requests", "new", LOAN, "--to", "YAZ", "--again")
        assert borrower.sent() == ["ILL-Request", "ILL-Request"]

    def test_what_differs_is_another_request(self, borrower: Library, tmp_path: Path) -> None:
        for content in (
            '[item]\ntitle = "T"\n',
            '[item]\ntitle = "U"\n',
            'note = "soon"\n[item]\ntitle = "T"\n',
            'patron_contact = "Ada"\n[item]\ntitle = "T"\n',
            '[item]\ntitle = "T"\n[client]\nname = "Ada"\n',
        ):
            borrower.command.text("requests", "new", write(tmp_path, content), "--to", "YAZ")
        assert len(borrower.sent()) == 5

    @pytest.mark.usefixtures("asked")
    def test_what_was_refused_may_be_asked_for_again(self, borrower: Library, lender: Library) -> None:
        lender.act("answer", "--result", "unfilled", "--reason", "lost")
        lender.place.carry(borrower.place)
        borrower.command.text("requests", "new", LOAN, "--to", "YAZ")
        assert borrower.sent() == ["ILL-Request", "ILL-Request"]


def borrower_reference(apdu: ILLRequest) -> bytes:
    """Everything that a request says, to look for our number in."""
    return repr(apdu).encode()


class TestRetry:
    @pytest.fixture(autouse=True)
    def _not_now(self, borrower: Library, lender: Library) -> None:
        ask(borrower, lender)
        lender.act("answer", "--result", "retry", "--date", "2026-12-01")
        lender.place.carry(borrower.place)

    def test_without_a_file_the_same_is_asked_of_the_same_library(self, borrower: Library) -> None:
        assert "retry on 2026-12-01" in borrower.show()
        said = borrower.command.text("requests", "new", "--retry-of", 1)
        assert "request 2 is now Pending" in said
        assert "tries again: request 1\n" in borrower.command.text("requests", "show", 2)
        assert "asks YAZ for the same" in borrower.command.error(
            "requests", "new", "--retry-of", 1, "--to", "YAZ"
        )

    def test_with_a_file_it_says_something_else(self, borrower: Library, tmp_path: Path) -> None:
        file = write(tmp_path, '[item]\ntitle = "Another edition"\n')
        borrower.command.text("requests", "new", file, "--to", "YAZ", "--retry-of", 1)
        shown = borrower.command.text("requests", "show", 2)
        assert "tries again: request 1" in shown
        with borrower.place.site.store.reading() as uow:
            apdu = decode(uow.messages.raw(uow.messages.list(limit=1)[0].message.id))
        assert isinstance(apdu, ILLRequest)
        assert apdu.retry_flag is True

    def test_only_what_we_asked_for_can_be_tried_again(self, borrower: Library, lender: Library) -> None:
        error = lender.command.error("requests", "new", LOAN, "--to", "BEX", "--retry-of", 1)
        assert "we are its lender" in error
        assert "there is no request 9" in borrower.command.error("requests", "new", "--retry-of", 9)
        error = borrower.command.error("requests", "new", "--retry-of", 1, "--number", "7", code=2)
        assert "FILE" in error


@pytest.mark.usefixtures("asked")
class TestALoan:
    def test_from_the_request_to_the_check_in(self, borrower: Library, lender: Library) -> None:
        def to_borrower(*arguments: object) -> None:
            lender.act(*arguments)
            lender.place.carry(borrower.place)

        def to_lender(*arguments: object) -> None:
            borrower.act(*arguments)
            borrower.place.carry(lender.place)

        to_borrower("answer", "--result", "conditional", "--reason", "charges", "--date", "2026-11-25")
        assert "the condition is to be answered by 2026-11-25" in borrower.act()
        to_lender("accept-condition", "--note", "Fine")
        to_borrower("answer", "--result", "will-supply")
        to_borrower(
            "ship", "--due", "2026-12-20", "--via", "courier", "--cost", "5.00 CAD", "--insured-for", "100",
            "--return-insurance", "80 CAD", "--units", "printed=2", "--charged-units", "1",
            "--conditions", "library-use-only", "--supplier", "ILLUME:SFU", "--not-renewable",
        )  # fmt: skip
        assert "expected back by 2026-12-20" in lender.command.text("requests", "list")
        to_lender("receive", "--date", "2026-11-24")
        to_lender("renew", "--due", "2027-01-20")
        to_borrower("renew-answer", "--yes", "--due", "2027-01-20")
        to_borrower("recall", "--note", "Needed here")
        to_lender("damaged", "--note", "A torn page")
        to_lender("return", "--via", "post", "--insured-for", "80.00 CAD", "--date", "2026-12-01")
        to_borrower("check-in")
        shown = borrower.show()
        assert shown.startswith("Request 1: Returned, we are the borrower; times in America/Vancouver\n")
        assert all(len(line) <= 80 for line in shown.splitlines())
        whole = " ".join(shown.split())
        for said in (
            "condition charges; reply by 2026-11-25",
            "loan; due 2026-12-20, not renewable; lent under library-use-only; cost 5.00 CAD; via courier;",
            "insured for 100; insure its return for 80 CAD",
            "wanted until 2027-01-20",
            "due 2027-01-20, renewable",
            '"A torn page"',
            "via post; insured for 80.00 CAD",
        ):
            assert said in whole
        ours = [line for line in shown.splitlines() if "->|" in line]
        theirs = [line for line in shown.splitlines() if "|<-" in line]
        assert (len(ours), len(theirs)) == (6, 6)
        assert borrower.command.json("requests", "list")[0]["state"] == "RETURNED"
        assert lender.show().startswith("Request 1: Checked in, we are the lender")
        with borrower.place.site.store.reading() as uow:
            [shipped] = [
                apdu
                for one in uow.messages.list()
                if isinstance(apdu := decode(uow.messages.raw(one.message.id)), Shipped)
            ]
        assert shipped.supply_details.chargeable_units == 1
        assert shipped.supply_details.no_of_units_per_medium is not None
        assert shipped.supplier_id is not None

    def test_the_other_ways_that_it_can_go(self, borrower: Library, lender: Library) -> None:
        lender.act(
            "answer", "--result", "conditional", "--reason", "proposed-delivery-service", "--proposed", "van"
        )
        lender.place.carry(borrower.place)
        borrower.act("refuse-condition")
        borrower.place.carry(lender.place)
        assert "Not supplied" in borrower.command.text("requests", "list", "--as", "borrower")
        assert "no requests" in borrower.command.text("requests", "list", "--as", "lender")
        assert "Not supplied" in lender.command.text("requests", "list", "--as", "lender")

    def test_a_copy_arrives_by_network(self, borrower: Library, lender: Library) -> None:
        lender.act("ship", "--service-type", "copy-non-returnable", "--link", "https://lender.example/d/7")
        lender.place.carry(borrower.place)
        borrower.act("receive", "--service-type", "copy-non-returnable")
        assert "document: https://lender.example/d/7" in borrower.show()
        [link] = borrower.command.json("requests", "show", 1)["links"]
        assert (link["url"], link["place"]) == ("https://lender.example/d/7", "responder-note")

    def test_a_cancellation(self, borrower: Library, lender: Library) -> None:
        borrower.act("cancel", "--note", "Found it here")
        borrower.place.carry(lender.place)
        assert "requests act 1 cancel-reply --yes" in lender.act().splitlines()[2]
        lender.act("cancel-reply", "--yes")
        lender.place.carry(borrower.place)
        assert "Cancelled" in borrower.command.text("requests", "list")

    def test_the_three_verbs(self, borrower: Library, lender: Library) -> None:
        said = borrower.command.text("requests", "query", 1, "--note", "Hello?")
        assert said == "STATUS-QUERY queued for YAZ as message 2; request 1 stays Pending\n"
        borrower.place.carry(lender.place)
        lender.place.carry(borrower.place)
        assert "status: IN-PROCESS (3)" in borrower.show()
        borrower.command.text("requests", "message", 1, "Any edition will do")
        said = borrower.command.text("requests", "repeat", 1)
        assert said == "MESSAGE queued once more for YAZ as message 5; request 1 stays Pending\n"
        borrower.place.carry(lender.place)
        assert lender.show().count('"Any edition will do"') == 2
        assert "MESSAGE again [" in lender.show()
        assert borrower.command.json("requests", "repeat", 1)["type"] == "Message"

    def test_there_may_be_nothing_to_repeat(self, lender: Library) -> None:
        error = lender.command.error("requests", "repeat", 1)
        assert error == "error: nothing that was sent about request 1 can be repeated in IN-PROCESS\n"


@pytest.mark.usefixtures("asked")
class TestTwice:
    """A double click, or two people at two terminals: nothing is sent twice, and the second is told."""

    def test_what_the_tables_do_not_allow_twice(
        self, lender: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SUDO_USER", "ann")
        lender.act("ship", "--due", "2026-12-20")
        sent = lender.sent()
        lines = lender.command.error("requests", "act", 1, "ship", "--due", "2026-12-20").splitlines()
        assert lines[0].startswith("error: that is done already: SHIPPED, 2026-11-20 12:")
        assert "by ann, message 2, and nothing came since; nothing was sent" in lines[0]
        assert lines[1].endswith("iso-gateway requests repeat 1")
        lines = lender.command.error("requests", "act", 1, "ship", "--due", "2026-12-24").splitlines()
        assert lines[0] == "error: ship: it is not possible in Shipped; nothing was sent"
        assert lines[1].startswith("it was done already: SHIPPED, 2026-11-20 12:")
        assert "  iso-gateway requests act 1 check-in" in lines
        assert lender.sent() == sent

    def test_what_the_tables_allow_twice(self, lender: Library) -> None:
        for words in (
            ("answer", "--result", "will-supply"),
            ("message", "--text", "We look for it"),
            ("query",),
        ):
            lender.act(*words)
            sent = lender.sent()
            error = lender.command.error("requests", "act", 1, *words)
            assert error.startswith("error: that is done already: ")
            assert lender.sent() == sent
        lender.act("query", "--again")
        assert lender.sent()[-2:] == ["Status-Query", "Status-Query"]
        lender.act("message", "--text", "We look for it")
        lender.act("message", "--text", "We found it")

    def test_a_repeat_in_between_is_nothing_new(self, borrower: Library) -> None:
        borrower.command.text("requests", "message", 1, "Any edition")
        borrower.command.text("requests", "repeat", 1)
        assert "done already" in borrower.command.error("requests", "message", 1, "Any edition")

    def test_once_the_partner_has_answered_the_same_can_be_said_again(
        self, borrower: Library, lender: Library
    ) -> None:
        borrower.command.text("requests", "query", 1)
        assert "done already" in borrower.command.error("requests", "query", 1)
        borrower.place.carry(lender.place)
        lender.place.carry(borrower.place)
        borrower.command.text("requests", "query", 1)


@pytest.mark.usefixtures("asked")
class TestRefused:
    def test_what_is_the_other_sides(self, borrower: Library, lender: Library) -> None:
        (first, *_) = borrower.command.error("requests", "act", 1, "ship").splitlines()
        assert first == "error: ship: that is for the lender, and we are the borrower; nothing was sent"
        (first, *_) = lender.command.error("requests", "act", 1, "receive").splitlines()
        assert first == "error: receive: that is for the borrower, and we are the lender; nothing was sent"

    def test_what_the_partners_software_cannot_take(self, lender: Library) -> None:
        lender.place.configure('base = "alma"')
        lines = lender.command.error(
            "requests", "act", 1, "answer", "--result", "conditional", "--reason", "charges"
        ).splitlines()
        assert lines.pop(0) == (
            "error: answer --result conditional: BEX does not understand ILL-ANSWER conditional,"
            " says its profile; nothing was sent"
        )
        assert lines == [
            "what works instead:",
            "  iso-gateway requests act 1 answer --result unfilled --reason REASON",
            '  iso-gateway requests message 1 "TEXT"',
        ]
        assert "conditional" not in lender.act()

    def test_where_nothing_works_instead(self, borrower: Library) -> None:
        borrower.place.configure("capabilities.accepts = ['ILL-Request']")
        lines = borrower.command.error("requests", "query", 1).splitlines()
        assert lines[1:] == ["nothing that it understands says the same: reach its staff another way"]

    def test_a_partner_that_takes_no_requests(self, lender: Library) -> None:
        lender.place.configure("capabilities.accepts = ['Message']")
        error = lender.command.error("requests", "new", LOAN, "--to", "BEX")
        assert "does not understand ILL-REQUEST" in error

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (("ship", "--cost", "five"), "--cost is no amount: write '12.50' or '12.50 CAD'"),
            (("ship", "--units", "printed"), "--units says how many of which medium, as 'printed=2'"),
            (("ship", "--units", "stone=1"), "--units knows no 'stone'; it knows printed"),
            (("answer", "--result", "hold-placed", "--medium", "stone"), "--medium knows no 'stone'"),
            (("forward",), "forward needs --to"),
            (("return", "--insured-for", "a lot"), "--insured-for is no amount"),
            (("cancel", "--via", "post"), "cancel does not take --via; it takes --note"),
        ],
    )
    def test_options_that_say_what_cannot_be(
        self, lender: Library, arguments: tuple[str, ...], complaint: str
    ) -> None:
        error = lender.command.error("requests", "act", 1, *arguments, code=2)
        assert complaint in " ".join(error.split())


class TestWaiting:
    def test_a_message_that_came_too_early_is_shown(self, borrower: Library) -> None:
        request = apdus.ill_request()
        borrower.place.receive(request)
        borrower.place.receive(apdus.returned(request), two_way=False)
        assert "message 3 came too early, and is held until 2026-11-20 12:" in " ".join(
            borrower.command.text("requests", "list").split()
        )
        (row,) = borrower.command.json("requests", "list")
        assert [one["message_id"] for one in row["held"]] == [3]

    @pytest.mark.usefixtures("asked")
    def test_a_notice_stands_until_something_is_done(self, borrower: Library, lender: Library) -> None:
        lender.act("answer", "--result", "unfilled", "--reason", "lost")
        lender.place.carry(borrower.place)
        with lender.place.site.store.unit_of_work() as uow:
            # A lender that ships although it said no.
            half = uow.halves.get(HalfId(1))
            uow.halves.update(half.id, state="IN-PROCESS", flags=half.flags, at=half.updated_at)
        lender.act("ship", "--due", "2026-12-20")
        lender.place.carry(borrower.place)
        standing = (
            "attention: SHIPPED received in NOT-SUPPLIED: the request is closed, and an item is on its way"
        )
        assert standing in " ".join(borrower.show().split())
        assert len(borrower.command.json("requests", "list")[0]["attention"]) == 1
        borrower.command.columns = 40
        assert "attention:" in borrower.show()
        borrower.command.text("requests", "message", 1, "We did not expect it any more")
        shown = borrower.command.json("requests", "show", 1)
        assert shown["attention"] == []
        assert [notice["stands"] for notice in shown["notices"]] == [False]
        borrower.place.dispose(1)
        assert borrower.command.json("requests", "show", 1)["notices"][0]["reason"] is None

    @pytest.mark.usefixtures("asked")
    def test_a_cancellation_that_a_forwarding_outran_can_be_sent_again(
        self, borrower: Library, lender: Library
    ) -> None:
        lender.act("forward", "--to", "SFU")
        with lender.place.site.store.reading() as uow:
            notice = uow.messages.raw(MessageId(3))
        borrower.act("cancel")
        borrower.place.receive(notice, two_way=False)
        assert borrower.command.json("requests", "list")[0]["cancel_wished"] is True
        lines = borrower.act().splitlines()
        assert (
            "  our cancellation is not answered: the request was handed on before; it can be sent again"
        ) in lines
        assert lines[lines.index("What can be done now:") + 1] == "  iso-gateway requests act 1 cancel"

    def test_when_a_request_expires_is_shown(
        self, borrower: Library, lender: Library, tmp_path: Path
    ) -> None:
        file = write(tmp_path, 'expires = "2026-12-01"\n[item]\ntitle = "T"\n')
        borrower.command.text("requests", "new", file, "--to", "YAZ")
        borrower.place.carry(lender.place)
        assert "  expires unless answered by 2026-12-01\n" in lender.show()
        assert "loan; expires after 2026-12-01" in borrower.show()


class TestPatron:
    @pytest.fixture(autouse=True)
    def request_1(self, borrower: Library, tmp_path: Path) -> None:
        client = '[client]\nname = "Ottoline"\nidentifier = "29000"\n'
        file = write(tmp_path, f'patron_contact = "{CONTACT}"\n[item]\ntitle = "T"\n{client}')
        said = borrower.command.text("requests", "new", file, "--to", "YAZ")
        assert CONTACT not in said

    def test_the_contact_is_shown_on_demand_only(self, borrower: Library) -> None:
        assert CONTACT not in borrower.show()
        assert "patron hidden: --patron shows who it is for" in borrower.show()
        assert "patron: Ottoline, 29000\n" in borrower.show("--patron")
        assert "Ottoline" not in borrower.show()
        assert f"patron contact: {CONTACT}" in borrower.show("--patron")
        assert f"patron contact: {CONTACT}" in borrower.show("--with-patron-data")
        assert CONTACT not in str(borrower.command.json("requests", "show", 1))
        assert CONTACT in str(borrower.command.json("requests", "show", 1, "--patron"))

    def test_it_is_nowhere_else(self, borrower: Library) -> None:
        for arguments in (("requests", "list"), ("requests", "act", 1), ("messages", "list"), ("events",)):
            assert CONTACT not in borrower.command.text(*arguments)
            assert CONTACT not in str(borrower.command.json(*arguments))
        with borrower.place.site.store.reading() as uow:
            assert CONTACT.encode() not in uow.messages.raw(uow.messages.list()[0].message.id)


@pytest.mark.usefixtures("asked")
class TestForwarded:
    def test_the_lender_sees_where_it_went(self, lender: Library) -> None:
        lender.act("forward", "--to", "SFU", "--note", "They have it")
        shown = lender.show()
        assert "Forwarded (FORWARD)" in shown
        [onward] = [line for line in shown.splitlines() if " ILL-REQUEST [2] on to SFU " in line]
        assert ">" not in onward, "it goes neither to the borrower nor to the lender"
        lender.command.columns = 40
        assert "lender YAZ on to SFU" in " ".join(lender.show().split())

    def test_the_command_says_both_messages(self, lender: Library) -> None:
        said = lender.act("forward", "--to", "SFU")
        assert (
            "FORWARD-NOTIFICATION queued for BEX as message 3, and the request handed on as message 2" in said
        )

    def test_the_borrower_sees_with_whom_it_was(self, borrower: Library, lender: Library) -> None:
        lender.act("forward", "--to", "SFU", "--note", "They have it")
        with lender.place.site.store.reading() as uow:
            (notice,) = [
                uow.messages.raw(row.message_id)
                for row in uow.outbox.list()
                if row.message_id is not None and row.partner == "BEX"
            ]
        borrower.place.receive(notice, two_way=False)
        shown = borrower.show()
        assert "it is with ILLUME:SFU now" in shown
        assert "was with YAZ before it was handed on" in shown
        assert "FORWARD-NOTIFICATION [2] of YAZ" in shown
        assert "ILL-REQUEST [1] to YAZ" in shown
        assert borrower.command.json("requests", "show", 1)["former_partners"] == ["YAZ"]


def test_commands_name_the_configuration_that_was_named(borrower: Library) -> None:
    config = borrower.place.config
    assert f"iso-gateway --config {config} requests show 1" in borrower.command.text(
        "requests", "new", LOAN, "--to", "YAZ", "--config", config
    )
    front = borrower.command.text("--config", config, "requests", "act", 1)
    assert f"  iso-gateway --config {config} requests act 1 cancel\n" in front
    assert "  iso-gateway requests act 1 cancel\n" in borrower.command.text("requests", "act", 1)
