"""What each dialect reads of what a foreign library writes, sample by sample."""

import pytest
from hypothesis import HealthCheck, given, settings

from asn1.codec import Dialect, WireError, decode, decode_header, decode_noting, encode
from asn1.dialects import ToleranceKind
from asn1.ill import ILLApdu, ILLRequest
from tests.support import corpus
from tests.support.apdu_strategies import apdus
from tests.support.biblio_ill import written_by_biblio_ill
from tests.support.corpus import Sample

SAMPLES = corpus.samples("yaz") + corpus.samples("yaz-enums")
BIBLIO = {ToleranceKind.MISSING_SEQUENCE, ToleranceKind.EXTRA_SEQUENCE, ToleranceKind.IMPLICIT_TAG}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_what_the_perl_library_would_write_has_the_value_that_it_meant(sample: Sample) -> None:
    apdu = decode(sample.octets)
    octets = written_by_biblio_ill(apdu)
    decoded = decode_noting(octets, dialect=Dialect.BIBLIO_ILL)
    assert decoded.apdu == apdu
    assert decoded.octets == octets
    used = {use.kind for use in decoded.tolerances} & BIBLIO
    if used:
        for other in (Dialect.STRICT, Dialect.STANDARD):
            with pytest.raises(WireError):
                decode(octets, dialect=other)
    else:
        assert isinstance(apdu, ILLRequest)
        assert decode(octets) == apdu


def test_the_samples_show_all_three_departures() -> None:
    octets = [written_by_biblio_ill(decode(sample.octets)) for sample in SAMPLES]
    uses = [use for one in octets for use in decode_noting(one, dialect=Dialect.BIBLIO_ILL).tolerances]
    assert {use.kind for use in uses} >= BIBLIO


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_right_message_has_one_value_in_every_dialect(sample: Sample, dialect: Dialect) -> None:
    decoded = decode_noting(sample.octets, dialect=dialect)
    assert decoded.apdu == decode(sample.octets)
    assert decoded.tolerances == ()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(apdus())
def test_any_value_means_the_same_in_the_perl_library_s_octets(apdu: ILLApdu) -> None:
    octets = written_by_biblio_ill(apdu)
    assert decode(octets, dialect=Dialect.BIBLIO_ILL) == apdu
    assert decode(encode(apdu), dialect=Dialect.BIBLIO_ILL) == apdu
    header = decode_header(octets)
    assert header is not None
    assert (header.apdu_type, header.transaction_id) == (type(apdu), apdu.transaction_id)
