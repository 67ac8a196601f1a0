"""A Maildir: each file once, nothing lost, and what cannot be read hinders nothing."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from adapters.mail_inbox import MailInbox
from adapters.maildir import Maildir
from config.settings import Limits, Mail
from tests.integration.adapters.mails import MailRecorder, carrying
from tests.integration.adapters.peers import APDUS, ids


@pytest.fixture
def receiver() -> MailRecorder:
    return MailRecorder()


@pytest.fixture
def box(tmp_path: Path) -> Path:
    for name in ("tmp", "new"):
        (tmp_path / name).mkdir()
    return tmp_path


def drop(box: Path, name: str, octets: bytes) -> Path:
    """Delivers a file as a mail server does."""
    (box / "tmp" / name).write_bytes(octets)
    return (box / "tmp" / name).rename(box / "new" / name)


def maildir(box: Path, receiver: MailRecorder, **settings: Any) -> Maildir:
    mail = Mail(maildir=str(box), maildir_interval=timedelta(seconds=7), **settings)
    return Maildir(mail, MailInbox(mail, Limits(), [], receiver, ids()))


def names(box: Path, where: str) -> list[str]:
    return sorted(path.name for path in (box / where).iterdir()) if (box / where).exists() else []


async def test_each_file_is_taken_once_oldest_name_first(box: Path, receiver: MailRecorder) -> None:
    drop(box, "2.M2.mx", carrying(APDUS[1]))
    drop(box, "1.M1.mx:2,", carrying(APDUS[0]))
    watched = maildir(box, receiver)
    assert await watched.look() == 2
    assert await watched.look() == 0
    assert receiver.elements == list(APDUS[:2])
    assert (names(box, "new"), names(box, "cur")) == ([], ["1.M1.mx:2,S", "2.M2.mx:2,S"])
    assert {envelope.listener for envelope in receiver.envelopes} == {"maildir"}


async def test_it_is_looked_at_again_and_again(box: Path, receiver: MailRecorder) -> None:
    pauses: list[float] = []

    async def rest(seconds: float) -> None:
        pauses.append(seconds)
        drop(box, f"{len(pauses)}", carrying(APDUS[0]))
        await asyncio.sleep(0)

    mail = Mail(maildir=str(box), maildir_interval=timedelta(seconds=7))
    watched = Maildir(mail, MailInbox(mail, Limits(), [], receiver, ids()), rest=rest)
    watching = asyncio.create_task(watched.watch())
    await receiver.until(lambda: len(receiver.elements) == 3)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert set(pauses) == {7.0}


async def test_whatever_goes_wrong_it_is_looked_at_again(
    box: Path, receiver: MailRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    async def look(_: Maildir) -> int:
        nonlocal looks
        looks += 1
        raise ZeroDivisionError

    async def rest(_: float) -> None:
        if looks == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(Maildir, "look", look)
    mail = Mail(maildir=str(box))
    watched = Maildir(mail, MailInbox(mail, Limits(), [], receiver, ids()), rest=rest)
    with structlog.testing.capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await watched.watch()
    assert [line["error"] for line in lines] == ["ZeroDivisionError"] * 3


async def test_what_cannot_be_stored_stays_and_others_are_served(box: Path, receiver: MailRecorder) -> None:
    drop(box, "1", carrying(APDUS[0]))
    watched = maildir(box, receiver)
    receiver.failure = OSError("disk full")
    assert await watched.look() == 0
    assert names(box, "new") == ["1"]
    receiver.failure = None
    assert await watched.look() == 1
    assert receiver.elements == [APDUS[0]]


async def test_a_crash_before_the_file_is_moved_has_it_received_again(
    box: Path, receiver: MailRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(box, "1", carrying(APDUS[0]))

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Maildir, "_put_away", crash)
        with pytest.raises(KeyboardInterrupt):
            await maildir(box, receiver).look()
    assert names(box, "new") == ["1"]
    assert await maildir(box, receiver).look() == 1
    assert receiver.elements == [APDUS[0]] * 2


async def test_what_is_refused_is_kept_flagged_and_visible(box: Path, receiver: MailRecorder) -> None:
    drop(box, "1", b"x" * 5_000)
    drop(box, "2", carrying(*[b"x"] * 101))
    drop(box, "3", carrying(APDUS[0]))
    assert await maildir(box, receiver, max_mail_octets=16_384, max_header_octets=2_000).look() == 3
    drop(box, "4", b"y" * 20_000)
    assert await maildir(box, receiver, max_mail_octets=16_384).look() == 1
    assert [reason for _, reason in receiver.kept] == [
        "a mail that was not read: a header is longer than 2000 octets",
        "a mail that was not read: it has more than 100 parts",
        "a mail that was not read: it is longer than 16384 octets",
    ]
    assert names(box, "cur") == ["1:2,FS", "2:2,FS", "3:2,S", "4:2,FS"]
    assert receiver.elements == [APDUS[0]]


async def test_a_refusal_that_cannot_be_stored_stays(box: Path, receiver: MailRecorder) -> None:
    drop(box, "1", b"x" * 5_000)
    receiver.failure = OSError("disk full")
    assert await maildir(box, receiver, max_header_octets=2_000).look() == 0
    assert names(box, "new") == ["1"]


async def test_what_is_no_file_of_ours_is_left_alone(box: Path, receiver: MailRecorder) -> None:
    secret = box / "secret"
    secret.write_bytes(carrying(APDUS[0]))
    (box / "new" / "0.link").symlink_to(secret)
    (box / "new" / "1.directory").mkdir()
    os.mkfifo(box / "new" / "2.pipe")
    (box / "new" / ".hidden").write_bytes(b"")
    drop(box, "3", carrying(APDUS[1]))
    with structlog.testing.capture_logs() as lines:
        watched = maildir(box, receiver)
        assert await watched.look() == 1
        assert await watched.look() == 0
    assert receiver.elements == [APDUS[1]]
    assert names(box, "new") == [".hidden", "0.link", "1.directory", "2.pipe"]
    assert [line["count"] for line in lines if line["event"] == "maildir.unreadable"] == [1], "said once"


async def test_a_directory_that_is_not_there_is_said(tmp_path: Path, receiver: MailRecorder) -> None:
    with structlog.testing.capture_logs() as lines:
        assert await maildir(tmp_path / "none", receiver).look() == 0
    assert [line["error"] for line in lines] == ["no such file or directory"]


@pytest.mark.parametrize(
    ("header", "kept", "tokens"),
    [
        (b"Return-Path: <ill@sfu.example>\nReturn-Path: <forged@x.example>\n", "@sfu.example", []),
        (b"Return-Path: <>\nDelivered-To: ill+17-abcdefghijklmnop@bex.example\n", "(none)", ["17"]),
        (b"Return-Path: <>\nX-Original-To: <ill+18-abcdefghijklmnop@bex.example>\n", "(none)", ["18"]),
        (b"", "(none)", []),
    ],
)
async def test_the_envelope_is_what_the_server_wrote_on_top(
    header: bytes, kept: str, tokens: list[str], box: Path, receiver: MailRecorder
) -> None:
    drop(box, "1", header + b"X-Failed-Recipients: x\n\nSorry.\n")
    await maildir(box, receiver).look()
    assert receiver.envelopes[0].peer_address.split()[0] == kept
    assert [notice.tokens[0][:2] for notice in receiver.notices] == tokens
