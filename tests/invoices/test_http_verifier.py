"""What the invoice platform says is taken as it is said; what it does not say is never taken for good."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine.invoices.errors import VerifierRefused, VerifierUnauthorized, VerifierUnavailable
from engine.invoices.http_verifier import HttpVerifier
from engine.invoices.port import MOST_AT_ONCE, Found, Invoice, InvoiceStatus
from engine.money import Fen
from tests.invoices.platform_process import QUICK, PlatformProcess

ONE, OTHER = Invoice("31062401", "0000000001", "a1b2c3"), Invoice("31062401", "0000000002", "d4e5f6")
NOBODYS = Invoice("31062401", "9999999999", "000000")
ISSUER = "H31010100001"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    process = PlatformProcess(tmp_path_factory.mktemp("platform"))
    for number, invoice in enumerate((ONE, OTHER), start=1):
        issued = {"code": invoice.code, "number": invoice.number, "check_code": invoice.check_code}
        issued |= {"amount_fen": number * 100, "hospital_code": ISSUER}
        process.call("POST", "/v1/invoices", {"invoices": [issued]})
    process.call("POST", "/v1/invoices:red", {"code": OTHER.code, "number": OTHER.number})
    yield process
    process.end()


@pytest.fixture
def platform(process: PlatformProcess) -> PlatformProcess:
    process.faults()
    return process


@pytest.fixture
def verifier(platform: PlatformProcess) -> Iterator[HttpVerifier]:
    verifier = platform.client()
    yield verifier
    verifier.close()


def test_each_invoice_is_answered_in_order(verifier: HttpVerifier) -> None:
    assert verifier.verify([OTHER, NOBODYS, ONE]) == [
        Found(InvoiceStatus.RED, Fen(200), ISSUER),
        Found(InvoiceStatus.UNKNOWN),
        Found(InvoiceStatus.NORMAL, Fen(100), ISSUER),
    ]


def test_an_invoice_under_another_check_code_is_unknown(verifier: HttpVerifier) -> None:
    assert verifier.verify([replace(ONE, check_code="a1b2c4")]) == [Found(InvoiceStatus.UNKNOWN)]


@pytest.mark.parametrize("fault", ["server_error", "silent", "nonsense", "short"])
def test_what_is_no_answer_is_asked_again(
    verifier: HttpVerifier, platform: PlatformProcess, fault: str
) -> None:
    platform.faults(fault)
    assert [found.status for found in verifier.verify([ONE])] == [InvoiceStatus.NORMAL]


@pytest.mark.parametrize("fault", ["server_error", "silent", "nonsense", "short"])
def test_a_platform_that_goes_on_so_leaves_nothing_known(
    verifier: HttpVerifier, platform: PlatformProcess, fault: str
) -> None:
    platform.faults(*[fault] * QUICK.attempts)
    with pytest.raises(VerifierUnavailable) as caught:
        verifier.verify([ONE])
    assert ONE.number not in str(caught.value)


def test_a_platform_that_is_down_leaves_nothing_known_and_remembers_when_it_is_back(
    verifier: HttpVerifier, process: PlatformProcess
) -> None:
    assert process.end() == 0
    with pytest.raises(VerifierUnavailable, match="ConnectError"):
        verifier.verify([ONE])
    process.start()
    assert [found.status for found in verifier.verify([OTHER])] == [InvoiceStatus.RED]


def test_a_key_that_is_not_accepted_is_told_apart(platform: PlatformProcess) -> None:
    verifier = HttpVerifier(platform.url, "another", policy=QUICK)
    with pytest.raises(VerifierUnauthorized):
        verifier.verify([ONE])
    verifier.close()


def test_a_question_that_is_rejected_is_told_apart_and_not_repeated(
    verifier: HttpVerifier, platform: PlatformProcess
) -> None:
    platform.faults()
    with pytest.raises(VerifierRefused, match="422"):
        verifier.verify([replace(ONE, number="")])


def test_no_more_than_the_platform_takes_are_asked_about_at_once(verifier: HttpVerifier) -> None:
    with pytest.raises(ValueError, match="at most"):
        verifier.verify([ONE] * (MOST_AT_ONCE + 1))


def test_an_invoice_shows_nothing_of_itself() -> None:
    assert ONE.number not in repr(ONE)
    assert ONE.check_code not in repr(ONE)


def test_the_platform_cancels_for_good(platform: PlatformProcess, verifier: HttpVerifier) -> None:
    again = {"code": OTHER.code, "number": OTHER.number, "check_code": OTHER.check_code}
    again |= {"amount_fen": 200, "hospital_code": ISSUER}
    assert platform.call("POST", "/v1/invoices", {"invoices": [again]}) == {"issued": 0}
    assert [found.status for found in verifier.verify([OTHER])] == [InvoiceStatus.RED]
