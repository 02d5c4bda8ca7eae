"""An invoice cancelled, unknown, another's or used twice stops the claim; a silent platform delays."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from engine.invoices.errors import VerifierUnavailable
from engine.payout.port import TransferStatus
from engine.pipeline import claims, decide, feed, invoices, record
from engine.pipeline.dispatcher import Dispatcher
from engine.pipeline.patrol import Finding, patrol
from tests.invoices.platform_process import PlatformProcess
from tests.payout.bank_process import eventually
from tests.pipeline.conftest import OpenWorld
from tests.pipeline.world import OURS, THEIRS, World

Native = dict[str, Any]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    process = PlatformProcess(tmp_path_factory.mktemp("platform"))
    yield process
    process.end()


@pytest.fixture
def platform(process: PlatformProcess) -> PlatformProcess:
    """The bills of a test are numbered anew in each, so what was issued before is as good as gone."""
    process.faults()
    with sqlite3.connect(process.folder / "invoices.sqlite", timeout=30) as connection:
        connection.execute("DELETE FROM invoice")
    connection.close()
    return process


@pytest.fixture
def checking(world: World, platform: PlatformProcess) -> World:
    """A world that asks the platform."""
    world.ctx.invoices = platform.client()
    return world


def decided(world: World, *claim_ids: str) -> int:
    """Through the line as the workflow goes; how many claims passed the check."""
    batch_id = world.matched(*claim_ids)
    passed = invoices.check_batch(world.ctx, batch_id)
    decide.decide_batch(world.ctx, batch_id)
    return passed


def sent(world: World, native: Native, hospital: str = OURS) -> str:
    return world.send(native, hospital).claim_id


def changed(native: Native, **info: Any) -> Native:
    return {**native, "setlinfo": {**native["setlinfo"], **info}}


def outcome(world: World, claim_id: str) -> Any:
    invoice = claims.get_claim(world.ctx, claim_id)["invoice"]
    return invoice and invoice["outcome"]


def in_review_for(world: World, claim_id: str, reason: str) -> bool:
    assert world.claim(claim_id).decision_sealed is None
    assert outcome(world, claim_id) == reason.removeprefix("invoice.")
    return (world.state(claim_id), world.reasons(claim_id)) == ("review", [reason])


def test_a_claim_with_a_good_invoice_goes_on(checking: World, platform: PlatformProcess) -> None:
    native = checking.native()
    platform.issue(native)
    claim = sent(checking, native)
    assert decided(checking, claim) == 1
    assert (checking.state(claim), outcome(checking, claim)) == ("decided", "good")


def test_a_cancelled_invoice_stops_the_claim(checking: World, platform: PlatformProcess) -> None:
    native = checking.native()
    platform.issue(native)
    platform.cancel(native)
    claim = sent(checking, native)
    assert decided(checking, claim) == 0
    assert in_review_for(checking, claim, "invoice.cancelled")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"number": "0000000000"}, "invoice.unknown"),
        ({"check_code": "zzzzzz"}, "invoice.unknown"),
        ({"amount_fen": 1}, "invoice.other_amount"),
        ({"hospital_code": THEIRS}, "invoice.other_hospital"),
    ],
)
def test_an_invoice_that_is_not_the_settlements_stops_the_claim(
    checking: World, platform: PlatformProcess, changes: dict[str, Any], reason: str
) -> None:
    native = checking.native()
    platform.issue(native, **changes)
    claim = sent(checking, native)
    decided(checking, claim)
    assert in_review_for(checking, claim, reason)


def test_what_stands_behind_a_stopped_claim_waits_for_the_person(
    checking: World, platform: PlatformProcess
) -> None:
    """A stay below the deductible uses it up, so a false one must not count."""
    first = checking.native(admitted=date(2024, 8, 1), self_paid_fen=900_000)
    second = checking.native(admitted=date(2024, 10, 1))
    platform.issue(second)
    stopped, behind = sent(checking, first), sent(checking, second)
    decided(checking, stopped, behind)
    assert in_review_for(checking, stopped, "invoice.unknown")
    assert checking.reasons(behind) == ["history.earlier_undecided"]


def test_put_right_by_the_issuer_it_is_looked_up_again_and_paid(
    checking: World, platform: PlatformProcess
) -> None:
    native = checking.native()
    claim = sent(checking, native)
    decided(checking, claim)
    platform.issue(native)
    checking.again(claim)
    decided(checking, claim)
    assert (checking.state(claim), outcome(checking, claim)) == ("decided", "good")


def test_nobody_can_have_a_stopped_claim_paid_by_a_word(checking: World) -> None:
    claim = sent(checking, checking.native())
    decided(checking, claim)
    with pytest.raises(Exception, match="never adjudicated"):
        claims.decide_claim(checking.ctx, claim, "pay", "looks right", "insurer test", 100)


@pytest.mark.parametrize("looked_up", [True, False])
def test_an_invoice_used_twice_stops_the_second_claim_of_any_hospital(
    world: World, platform: PlatformProcess, looked_up: bool
) -> None:
    """Whoever is insured, and however the number is spelled; without a platform too."""
    first = world.native(0)
    full_width = "".join(chr(ord(digit) + 0xFEE0) for digit in first["setlinfo"]["bill_no"])
    another = changed(first, setl_id="S-TWICE", bill_no=f" {full_width}", **_person_of(world.native(1)))
    hospital = OURS
    if looked_up:
        world.ctx.invoices = platform.client()
        platform.issue(first)
    else:  # looked up, another hospital's would be stopped anyway
        hospital = THEIRS
        another = changed(another, fixmedins_code=THEIRS)
    paid, stopped = sent(world, first), sent(world, another, hospital)
    decided(world, paid)
    decided(world, stopped)
    assert world.state(paid) == "decided"
    assert in_review_for(world, stopped, "invoice.used_twice")


def _person_of(native: Native) -> Native:
    names = ("psn_name", "gend", "brdy", "age", "certno")
    return {name: native["setlinfo"][name] for name in names}


def test_of_two_in_one_batch_the_earlier_settlement_has_the_invoice(world: World) -> None:
    first = world.native(0, admitted=date(2024, 8, 1))
    bill = {name: first["setlinfo"][name] for name in ("bill_code", "bill_no")}
    second = changed(world.native(1, admitted=date(2024, 9, 1)), **bill)
    late, early = sent(world, second), sent(world, first)
    decided(world, late, early)
    assert (world.state(early), world.reasons(late)) == ("decided", ["invoice.used_twice"])


def test_the_database_itself_holds_an_invoice_to_one_settlement(world: World) -> None:
    first, second = sent(world, world.native(0)), sent(world, world.native(1))
    decided(world, first, second)
    with pytest.raises(Exception, match=r"(?i)unique"), world.ctx.database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE invoice_check SET invoice = 'the same'")


@pytest.mark.parametrize("ended", ["reversed", "refused"])
def test_a_settlement_that_is_taken_back_or_refused_frees_its_invoice(world: World, ended: str) -> None:
    first = world.native(0)
    wrong = sent(world, first)
    decided(world, wrong)
    if ended == "reversed":
        world.reverse(wrong)
    else:
        claims.decide_claim(world.ctx, sent_to_review(world, wrong), "refuse", "not theirs", "insurer test")
    right = sent(world, changed(first, setl_id="S-AGAIN"))
    decided(world, right)
    assert world.state(wrong) == ended
    assert (world.state(right), outcome(world, right)) == ("decided", "not_looked_up")


def sent_to_review(world: World, claim_id: str) -> str:
    """By the bank, which refuses the order: then a person may refuse the claim."""
    batch_id = world.claim(claim_id).batch_id
    assert batch_id is not None
    record.record_batch(world.ctx, batch_id)
    feed.read_events(world.ctx)
    world.pay(claim_id)
    world.bank_says(claim_id, TransferStatus.REFUSED, "account_closed")
    return claim_id


def test_one_claim_of_a_settlement_does_not_stop_itself_when_it_is_run_again(world: World) -> None:
    claim = sent(world, world.native(0))
    batch_id = world.matched(claim)
    assert [invoices.check_batch(world.ctx, batch_id) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("missing", [("bill_code", "bill_no", "bill_chk_code"), ("bill_chk_code",)])
def test_a_settlement_without_its_whole_invoice_goes_on_noted(
    checking: World, platform: PlatformProcess, missing: tuple[str, ...]
) -> None:
    native = checking.native()
    for name in missing:
        del native["setlinfo"][name]
    claim = sent(checking, native)
    before = platform.answered()
    decided(checking, claim)
    assert (checking.state(claim), outcome(checking, claim)) == ("decided", "not_named")
    assert platform.answered() == before


def test_where_an_invoice_is_required_one_without_it_is_for_a_person(checking: World) -> None:
    checking.ctx.settings.invoice_required = True
    native = checking.native()
    del native["setlinfo"]["bill_chk_code"]
    claim = sent(checking, native)
    decided(checking, claim)
    assert in_review_for(checking, claim, "invoice.missing")


def test_a_batch_asks_once_about_each_settlement_that_a_policy_answers_for(
    checking: World, platform: PlatformProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    natives = [checking.native(index) for index in (0, 1, 600)]
    platform.issue(*natives)
    sent_ones = [sent(checking, native) for native in natives]
    assert checking.ctx.invoices is not None
    asked: list[int] = []
    verify = checking.ctx.invoices.verify
    monkeypatch.setattr(checking.ctx.invoices, "verify", lambda some: asked.append(len(some)) or verify(some))
    decided(checking, *sent_ones)
    assert [checking.state(claim) for claim in sent_ones] == ["decided", "decided", "uninsured"]
    assert asked == [2]


def test_a_platform_that_is_down_changes_nothing(checking: World, platform: PlatformProcess) -> None:
    claim = sent(checking, checking.native())
    batch_id = checking.matched(claim)
    platform.faults("server_error", "server_error")
    with pytest.raises(VerifierUnavailable):
        invoices.check_batch(checking.ctx, batch_id)
    assert (checking.state(claim), outcome(checking, claim)) == ("matched", None)


def test_a_platform_that_is_down_delays_and_pays_and_refuses_nobody(
    open_world: OpenWorld, quick_bank: Any, platform: PlatformProcess
) -> None:
    world = open_world(quick_bank)
    world.ctx.invoices = platform.client()
    native = world.native()
    platform.issue(native)
    platform.end()
    claim = sent(world, native)
    dispatcher = Dispatcher(world.ctx)
    dispatcher.start()
    try:
        tried = eventually(lambda: batches_of(world, claim), lambda seen: len(seen) >= 2)
        assert (world.state(claim), world.payouts(claim)) == ("matched", [])
        platform.start()
        eventually(lambda: world.state(claim), lambda state: state == "confirmed")
    finally:
        dispatcher.stop()
    assert len(world.debits(claim)) == 1, tried


def paid_then_cancelled(world: World, platform: PlatformProcess) -> tuple[str, str]:
    """Two claims that were paid; the first one's invoice has been cancelled since, and a week has passed."""
    natives = [world.native(0), world.native(1)]
    platform.issue(*natives)
    first, second = (sent(world, native) for native in natives)
    decided(world, first, second)
    record.record_batch(world.ctx, world.batch(first, second))
    feed.read_events(world.ctx)
    world.pay(first, second)
    for claim in (first, second):
        world.bank_says(claim, TransferStatus.SETTLED)
    world.confirm()
    platform.cancel(natives[0])
    world.clock.ahead = timedelta(days=8)
    return first, second


def findings(world: World, days_later: int = 0) -> list[Finding]:
    """Of the patrol on its invoices, so many days from now."""
    with world.ctx.database.reading() as session:
        told = patrol(session, world.ctx.today() + timedelta(days=days_later))
    return [one for one in told if one.code.startswith("patrol.invoice")]


def test_an_invoice_cancelled_after_the_payment_is_found_and_moves_no_money(
    checking: World, platform: PlatformProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = paid_then_cancelled(checking, platform)
    monkeypatch.setattr(invoices, "MOST_AT_ONCE", 1)
    assert [invoices.look_again(checking.ctx) for _ in range(3)] == [1, 1, 0], (
        "each once, wherever it stopped"
    )
    assert [outcome(checking, one) for one in (first, second)] == ["cancelled", "good"]
    assert [checking.state(one) for one in (first, second)] == ["confirmed", "confirmed"]
    (one,) = findings(checking)
    assert (one.code, one.hospital_code) == ("patrol.invoice.cancelled", OURS)
    paid = checking.payout(first).amount_fen
    assert one.numbers == {"claims": 1, "paid_fen": paid, "claim_ids": [first]}
    assert [len(findings(checking, later)) for later in (-1, 27, 28)] == [0, 1, 0]
    checking.clock.ahead = timedelta(days=16)
    assert [invoices.look_again(checking.ctx) for _ in range(2)] == [1, 0], "known, and not asked about again"
    checking.reverse(first)
    assert (checking.state(first), findings(checking)) == ("recovery_due", [])


def test_what_is_not_to_be_looked_up_again_is_not(checking: World, platform: PlatformProcess) -> None:
    first, second = paid_then_cancelled(checking, platform)
    checking.clock.ahead = timedelta(days=1)
    assert invoices.look_again(checking.ctx) == 0, "looked up this week"
    checking.clock.ahead = timedelta(days=200)
    assert invoices.look_again(checking.ctx) == 0, "paid long ago"
    checking.clock.ahead = timedelta(days=8)
    checking.reverse(second)
    platform.faults("server_error", "server_error")
    with pytest.raises(VerifierUnavailable):
        invoices.look_again(checking.ctx)
    assert outcome(checking, first) == "good"
    assert invoices.look_again(checking.ctx) == 1, "the other was taken back"


def test_the_engine_looks_again_by_itself(checking: World, platform: PlatformProcess) -> None:
    first, _ = paid_then_cancelled(checking, platform)
    dispatcher = Dispatcher(checking.ctx)
    dispatcher.start()
    try:
        eventually(lambda: outcome(checking, first), lambda found: found == "cancelled")
    finally:
        dispatcher.stop()


_seen: dict[str, set[str | None]] = {}


def batches_of(world: World, claim_id: str) -> set[str | None]:
    """The batches that the claim was seen in: one that failed is run again under another name."""
    seen = _seen.setdefault(claim_id, set())
    if world.state(claim_id) == "matched":
        seen.add(world.claim(claim_id).batch_id)
    return seen


def test_nothing_of_an_invoice_is_kept_in_clear_or_said(
    checking: World, platform: PlatformProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = checking.native(0), checking.native(1)
    platform.issue(good)
    claim, stopped = sent(checking, good), sent(checking, bad)
    decided(checking, claim, stopped)
    assert [outcome(checking, one) for one in (claim, stopped)] == ["good", "unknown"]
    checking.ctx.writer.close()
    home = checking.ctx.settings.home
    kept = b"".join(path.read_bytes() for path in home.iterdir() if path.is_file())
    said = "".join(capsys.readouterr()) + json.dumps(claims.get_claim(checking.ctx, stopped), default=str)
    for native in (good, bad):
        for name in ("bill_no", "bill_chk_code"):
            text = native["setlinfo"][name]
            assert text.encode() not in kept
            assert text not in said
