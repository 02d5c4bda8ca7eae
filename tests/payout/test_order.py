"""An order is checked before it can leave, and is the same bytes on every retry."""

import hashlib
import json
from pathlib import Path

import pytest

from engine.payout.port import TransferStatus
from engine.payout.signing import BankCredentials
from tests.payout.bank_process import order


def test_the_body_is_canonical_and_its_digest_is_of_those_bytes() -> None:
    body = order().body()
    assert (
        body
        == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )
    assert order().body_digest() == hashlib.sha256(body).digest()
    assert order().body_digest() != order(amount_fen=1).body_digest()


@pytest.mark.parametrize("amount", [0, -1, 10**15 + 1, 1.0, True, "100"])
def test_an_amount_that_is_not_a_positive_number_of_fen_is_refused(amount: object) -> None:
    with pytest.raises(ValueError, match="amount_fen"):
        order(amount_fen=amount)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("payout_id", "a b"),
        ("payout_id", ""),
        ("payee_name", "  "),
        ("payee_account", "1" * 35),
        ("purpose", "a\nb"),
    ],
)
def test_a_field_out_of_bounds_is_named(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=field):
        order(**{field: value})


def test_an_error_about_a_payee_does_not_repeat_the_personal_value() -> None:
    with pytest.raises(ValueError, match="payee_name") as error:
        order(payee_name="张三\n")
    assert "张三" not in str(error.value)


def test_only_decided_transfers_are_final() -> None:
    final = {status for status in TransferStatus if status.is_final}
    assert final == {TransferStatus.SETTLED, TransferStatus.REFUSED, TransferStatus.RETURNED}


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("{", "not JSON"),
        ("[]", "api_key"),
        ('{"api_key": "k", "request_secret": "zz"}', "request_secret"),
        ('{"api_key": "k", "request_secret": "%s", "callback_secret": "00"}' % ("0" * 64), "callback_secret"),
    ],
)
def test_a_broken_secrets_file_says_what_is_wrong(tmp_path: Path, document: str, named: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(document)
    with pytest.raises(ValueError, match=named):
        BankCredentials.load(path)


def test_credentials_show_no_secret() -> None:
    assert "hush" not in repr(BankCredentials("hush", b"hush" * 4, b"hush" * 4))
