"""How a library and a partner speak to each other: addresses, optional messages, links to documents."""

import pytest

from config.loading import load
from config.settings import DocumentLink, LocalSymbol, OptionalMessages, Wish
from tests.unit.config.conftest import GATEWAY, PARTNER, Problems, Site


def with_keys(text: str) -> str:
    """Give the gateway's file with more in the entry of its local symbol."""
    before, local, after = GATEWAY.partition("[[local]]\n")
    assert local
    return before + local + text + "\n" + after


def local_of(site: Site, text: str) -> LocalSymbol:
    (local,) = load(site({"gateway.toml": with_keys(text)})).local
    return local


def test_without_them_everything_is_desired_and_no_address_told(site: Site) -> None:
    local = local_of(site, "")
    assert local.optional_messages == OptionalMessages(
        sends_received=True,
        sends_returned=True,
        sends_shipped=True,
        sends_checked_in=True,
        shipped=Wish.DESIRES,
        checked_in=Wish.DESIRES,
        received=Wish.DESIRES,
        returned=Wish.DESIRES,
    )
    assert (local.public_address, local.public_mail) == (None, None)


def test_optional_messages_are_set_one_by_one(site: Site) -> None:
    local = local_of(site, 'optional_messages = { sends_received = false, shipped = "requires" }')
    assert local.optional_messages == OptionalMessages(sends_received=False, shipped=Wish.REQUIRES)


def test_a_wish_that_there_is_not_is_refused(problems: Problems) -> None:
    [problem] = problems({"gateway.toml": with_keys('optional_messages = { received = "demands" }')})
    assert problem.endswith(
        "local[0].optional_messages.received: 'demands' cannot stand here; expected one of 'requires',"
        " 'desires', 'neither'"
    )


@pytest.mark.parametrize(
    "address", ["ill.bex.example:1611", "192.0.2.7:1", "[2001:db8::7]:65535", "localhost:499"]
)
def test_an_address_from_outside_is_a_host_and_a_port(site: Site, address: str) -> None:
    assert local_of(site, f'public_address = "{address}"').public_address == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ill.bex.example",
        "ill.bex.example:",
        ":1611",
        "ill.bex.example:0",
        "ill.bex.example:65536",
        "ill.bex.example:\u0661",
        "ill.bex.example:-1",
        "2001:db8::7:1611",
        "[]:1611",
        "tcp://ill.bex.example:1611",
        "ill bex:1611",
        "[[::1]]:1611",
    ],
)
def test_what_is_no_host_and_port_is_refused(problems: Problems, address: str) -> None:
    [problem] = problems({"gateway.toml": with_keys(f'public_address = "{address}"')})
    assert "local[0].public_address: " in problem
    assert "; expected a host" in problem


def test_a_partner_sees_links_in_the_note_unless_it_says_otherwise(site: Site) -> None:
    (partner,) = load(site({})).partners
    assert partner.document_link is DocumentLink.NOTE
    other = 'document_link = "electronic-delivery"\n' + PARTNER
    (partner,) = load(site({"partners/aaa.toml": other})).partners
    assert partner.document_link is DocumentLink.ELECTRONIC_DELIVERY
