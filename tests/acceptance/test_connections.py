"""Connections of partners that the gateway makes more of: what is written on them unasked, and TLS."""

import signal
import socket
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from asn1.codec import decode, encode
from asn1.ill import StatusOrErrorReport
from iso_gateway.request import primitives
from iso_gateway.store.records import HalfId
from tests.support.apdus import ill_request
from tests.support.authority import Authority
from tests.support.daemon import HOST, ONE_WAY, TWO_WAY, Installation, PartnerListener, RunningDaemon

SOURCES: Final = 'allowed_sources = ["127.0.0.0/8"]'
NOTE: Final = primitives.SendMessage(note="On its way")


def half_of(gateway: RunningDaemon, transaction: str) -> HalfId:
    """Give the request with this transaction-qualifier."""
    [half_id] = [
        one.half.id
        for one in gateway.installation.requests()
        if (one.summary or {})["request_number"] == f"INTERLENDING/{transaction}"
    ]
    return half_id


def test_what_a_partner_is_owed_goes_on_the_connection_that_it_keeps_open(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.add_partner("TWO", mode=TWO_WAY, keys=SOURCES)
    request = ill_request(requester="ILLUME:TWO")
    with installation.running() as gateway, gateway.connect(TWO_WAY) as peer:
        peer.send(request)
        gateway.await_line("apdu.processed", verdict="applied", partner="TWO")
        for _ in range(2):
            acted = installation.act(half_of(gateway, "2026-000117"), NOTE)
            assert peer.answer() == encode(acted.apdu)
            gateway.await_line("apdu.delivered", message_id=acted.message_id)


@pytest.mark.parametrize("keys", ["", SOURCES])
def test_nobody_gets_what_is_for_another(tmp_path: Path, keys: str) -> None:
    """Of a partner that may come from anywhere, and of one whose connection another has spoken on too."""
    installation = Installation(tmp_path)
    installation.add_partner("TWO", mode=TWO_WAY, keys=keys)
    installation.add_partner("BEE", mode=TWO_WAY, keys=SOURCES)
    with installation.running() as gateway, gateway.connect(TWO_WAY) as peer:
        peer.send(ill_request(requester="ILLUME:TWO", transaction="1"))
        gateway.await_line("apdu.processed", verdict="applied", partner="TWO")
        if keys:
            peer.send(ill_request(requester="ILLUME:BEE", transaction="2"))
            gateway.await_line("apdu.processed", verdict="applied", partner="BEE")
        acted = installation.act(half_of(gateway, "1"), NOTE)
        gateway.await_line("apdu.deferred", message_id=acted.message_id)
        peer.finish()
        assert peer.rest() == b""


def test_two_apdus_to_a_partner_go_on_one_connection(tmp_path: Path) -> None:
    with PartnerListener().listen() as partner:
        installation = Installation(tmp_path)
        installation.add_partner("TWO", port=partner.port, mode=TWO_WAY, keys=SOURCES)
        with installation.running() as gateway:
            gateway.exchange(ONE_WAY, ill_request(requester="ILLUME:TWO"))
            half_id = half_of(gateway, "2026-000117")
            first = installation.act(half_id, NOTE)
            with partner.accept() as peer:
                assert peer.answer() == encode(first.apdu)
                gateway.await_line("apdu.delivered", message_id=first.message_id)
                second = installation.act(half_id, NOTE)
                assert peer.answer() == encode(second.apdu)
                assert partner.is_quiet()


def protected(directory: Path, authority: Authority, *, lifetime: timedelta) -> Installation:
    """An installation whose two-way listener shows a certificate of the authority."""
    tls = directory / "tls"
    authority.identity("gateway", lifetime=lifetime)
    installation = Installation(directory)
    old = 'mode = "two-way"\nhost = "127.0.0.1"\nport = 0'
    pair = f'certificate_file = "{tls}/gateway.pem"\nkey_file = "{tls}/gateway.key"'
    installation.edit("gateway.toml", old, f"{old}\ntls = true\n{pair}")
    return installation


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    """Where certificates are."""
    directory = tmp_path / "tls"
    directory.mkdir()
    return directory


def test_a_conversation_by_tls(tls: Path, tmp_path: Path) -> None:
    authority = Authority(tls)
    installation = protected(tmp_path, authority, lifetime=timedelta(days=20))
    with installation.running() as gateway:
        warned = gateway.await_line("certificate.expires")
        assert warned["file"] == f"{tls}/gateway.pem"
        context = ssl.create_default_context(cafile=str(authority.file))
        with (
            socket.create_connection((HOST, gateway.ports[TWO_WAY]), 60) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as peer,
        ):
            peer.sendall(encode(ill_request()))
            assert isinstance(decode(peer.recv(65_536)), StatusOrErrorReport)
        with gateway.connect(TWO_WAY) as in_the_clear:
            in_the_clear.send(ill_request(transaction="2"))
            gateway.await_line("connection.closed", ending="no-tls")
    assert len(installation.received()) == 1


def test_a_renewed_certificate_is_shown_after_a_reload_and_nobody_is_cut_off(
    tls: Path, tmp_path: Path
) -> None:
    authority = Authority(tls)
    installation = protected(tmp_path, authority, lifetime=timedelta(days=20))
    context = ssl.create_default_context(cafile=str(authority.file))

    def shown(peer: ssl.SSLSocket) -> bytes:
        return peer.getpeercert(binary_form=True) or b""

    def connected(port: int) -> ssl.SSLSocket:
        return context.wrap_socket(socket.create_connection((HOST, port), 60), server_hostname="localhost")

    def converse(peer: ssl.SSLSocket, transaction: str) -> None:
        peer.sendall(encode(ill_request(transaction=transaction)))
        assert isinstance(decode(peer.recv(65_536)), StatusOrErrorReport)

    with installation.running() as gateway, connected(gateway.ports[TWO_WAY]) as early:
        first = shown(early)
        converse(early, "1")
        # A renewal that is half done: the new key is there, and its certificate is not.
        old = (tls / "gateway.pem").read_bytes()
        authority.identity("gateway")
        new = (tls / "gateway.pem").read_bytes()
        (tls / "gateway.pem").write_bytes(old)
        gateway.tell(signal.SIGHUP)
        refused = gateway.await_line("settings.refused")
        assert "listeners[1].key_file" in refused["problem"]
        assert "is not the private key of the certificate" in refused["problem"]
        with connected(gateway.ports[TWO_WAY]) as peer:
            assert shown(peer) == first
            converse(peer, "2")
        (tls / "gateway.pem").write_bytes(new)
        gateway.tell(signal.SIGHUP)
        gateway.await_line("settings.reloaded")
        with connected(gateway.ports[TWO_WAY]) as peer:
            assert shown(peer) not in {first, b""}
            converse(peer, "3")
        converse(early, "4")
        assert not [line for line in gateway.log if line["event"] == "settings.restart-needed"]
    assert len(installation.received()) == 4
