"""The one pass of intake says what its parts say."""

import json

import pytest

from engine.sandbox.population import Discharge, generate
from engine.settlement import (
    BodyRefused,
    HospitalRegister,
    IdentityMissing,
    Settlement,
    SettlementInvalid,
    content_digest,
    identity_of,
    minimise,
    parse_body,
    read_submission,
    validate,
)

_AS_PARSED = (
    *("hospital_code", "setl_id", "visit_type", "main_diagnosis", "admitted_on", "discharged_on"),
    "settled_at",
)
SENT = list(generate().settlements())


@pytest.mark.parametrize("sent", SENT, ids=[f"{n}-{sent.scenario}" for n, sent in enumerate(SENT)])
def test_one_pass_and_many_agree(sent: Discharge, register: HospitalRegister) -> None:
    raw = json.dumps(sent.body, ensure_ascii=False).encode()
    native = parse_body(raw)
    if sent.outcome == "refused":
        with pytest.raises(SettlementInvalid) as caught:
            read_submission(raw, register)
        assert list(caught.value.violations) == validate(native)
        return
    submission = read_submission(raw, register)
    settlement = Settlement.parse(native, register)
    for name in _AS_PARSED:
        assert getattr(submission, name) == getattr(settlement, name), name
    assert submission.categories == {line.category for line in settlement.lines}
    assert submission.document == minimise(native, register)
    assert submission.digest == content_digest(native)
    assert submission.warnings == ()
    if submission.identity is None:
        with pytest.raises(IdentityMissing, match=str(submission.identity_missing)):
            identity_of(native)
    else:
        assert submission.identity == identity_of(native)


def test_bytes_that_are_no_body_are_refused(register: HospitalRegister) -> None:
    with pytest.raises(BodyRefused):
        read_submission(b"[]", register)
