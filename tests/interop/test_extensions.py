"""The extensions that yaz-illclient sends, as OCLC wants them: the Z39.50 prompt, and one of its own."""

from pathlib import Path

import pytest

from asn1.codec import decode
from asn1.extensions import (
    PASSWORD,
    USER_ID,
    EnumeratedPrompt,
    OCLCILLRequestExtension,
    PromptId,
    PromptObject1,
    PromptResponse,
    ResponseUnit,
    extension_of,
    make_extension,
)
from asn1.ill import ILLRequest
from tests.interop.test_yaz_illclient import EXAMPLE, converse

pytestmark = pytest.mark.yaz


def test_what_yaz_illclient_logs_in_with_is_read_and_written_octet_for_octet(tmp_path: Path) -> None:
    login = ["-o", "-u", "ill-user", "-p", "an open secret"]
    _, _, octets = converse(b"", ["-f", str(EXAMPLE), *login], tmp_path)
    request = decode(octets)
    assert isinstance(request, ILLRequest)
    assert request.iLL_request_extensions is not None
    prompt, oclc = map(extension_of, request.iLL_request_extensions)
    assert isinstance(prompt, PromptObject1)
    assert prompt == PromptObject1(
        response=(answer(USER_ID, b"ill-user"), answer(PASSWORD, b"an open secret"))
    )
    assert "secret" not in repr(prompt)
    assert isinstance(oclc, OCLCILLRequestExtension)
    assert oclc == OCLCILLRequestExtension()
    assert (make_extension(prompt), make_extension(oclc)) == request.iLL_request_extensions


def answer(kind: int, text: bytes) -> ResponseUnit:
    """Give the answer to a prompt of one kind."""
    return ResponseUnit(
        promptId=PromptId(enumeratedPrompt=EnumeratedPrompt(type=kind)),
        promptResponse=PromptResponse(string=text),
    )
