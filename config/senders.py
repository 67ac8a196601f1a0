"""How addresses of mail are compared, wherever a partner is known by one.

Imports nothing of ours.
"""


def comparable(address: str) -> str:
    """Returns an address as it is compared: without a sub-address, in lower case.

    `Ill+17-abc@Library.example` is `ill@library.example`; `@library.example`, a whole domain, stays as it is.
    The local part could be told apart by case, says RFC 5321; nobody does.
    """
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"
