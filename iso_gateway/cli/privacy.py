"""What of a message the command shows only when it is asked to: the Client-Id, which names the patron."""

import dataclasses

from asn1.ill import APDUS, ILLApdu, ILLRequest, Shipped
from iso_gateway.cli.reading import Contents

#: The component that is hidden, by its name in JSON.
CLIENT_ID = "client-id"

_FORM = 0xE0
_APPLICATION_CONSTRUCTED = 0x60
_WITH_CLIENT_ID = (ILLRequest, Shipped)
_WITHOUT_CLIENT_ID = frozenset(
    _APPLICATION_CONSTRUCTED | apdu.apdu_tag.number for apdu in APDUS if apdu not in _WITH_CLIENT_ID
)


def names_patron(contents: Contents) -> bool:
    """Whether the octets hold a Client-Id, or may do so because they cannot be read.

    Octets that do not begin like an APDU, or like one of a type without Client-Id, can be shown: what is
    wrong with a message is often seen in them alone.
    """
    if contents.apdu is not None:
        return isinstance(contents.apdu, _WITH_CLIENT_ID) and contents.apdu.client_id is not None
    if not contents.octets:
        return False
    first = contents.octets[0]
    return first & _FORM == _APPLICATION_CONSTRUCTED and first not in _WITHOUT_CLIENT_ID


def without_client_id(apdu: ILLApdu) -> ILLApdu:
    """The APDU as it is shown without being asked for patron data."""
    return dataclasses.replace(apdu, client_id=None) if isinstance(apdu, _WITH_CLIENT_ID) else apdu
