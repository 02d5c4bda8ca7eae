"""Who is asked about stays unknown here; what is asked is counted; what is published is what holds today."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from engine.chain.contracts import Liveness
from engine.chain.errors import TransactionUnknown
from engine.chain.sender import TxRef
from engine.errors import AutoclaimError, Refused
from engine.evidence.manifest import hex32, roll_update, subject_of
from engine.matching.published import STEP
from engine.pipeline import enrolment, erasure, matching, publishing, updates
from engine.pipeline.context import Context
from engine.settlement import identity_of
from engine.store import matching as store
from tests.payout.bank_process import BankProcess
from tests.pipeline.conftest import OpenWorld
from tests.pipeline.matching_provider import Provider, published
from tests.pipeline.test_match import STRANGER, load
from tests.pipeline.world import BEGINS, OURS, PEOPLE, THEIRS, World, person, policy

DEPARTED = 501
PASSPORT = {"cert_type": "08", "cert_no": "E87654321"}


def _refused(ctx: Context, question: matching.Question) -> str:
    with pytest.raises(AutoclaimError) as error:
        matching.ask(ctx, question)
    return error.value.code


def _alarms(ctx: Context) -> set[tuple[str, str]]:
    return {(one["provider"], one["code"]) for one in matching.list_alarms(ctx)}


def _publish(world: World, provider: Provider) -> int:
    """How many entries say something new or are emptied."""
    (update,) = publishing.publish(world.ctx)
    provider.take_in()
    assert update.entries == STEP
    with world.ctx.database.reading() as session:
        rows = store.entries_between(session, 1, "", None)
    return sum(row.update_number == update.number for row in rows)


def test_the_roll_says_under_what_and_by_which_consent_someone_is_insured(
    either: World, tmp_path: Path
) -> None:
    load(either, policy(0, other_certificates=[PASSPORT], other_names=["别名"]))
    provider = published(either, tmp_path)
    native = either.native(0)
    one = provider.ask(native)
    assert one is not None
    assert one.is_name_known
    (under,) = one.payload.policies
    assert (under.product, under.effective, under.cancelled_on) == ("huhuibao", BEGINS, None)
    live = either.ctx.chain.registry.liveness
    at_s = either.ctx.chain.chain_time()
    assert under.authorization is not None
    assert under.subject is not None
    assert live(under.authorization, under.scope, under.subject, at_s) is Liveness.LIVE
    native["setlinfo"] |= {"patn_cert_type": "08", "certno": "e8765 4321", "psn_name": "别名"}
    by_passport = provider.ask(native)
    assert by_passport is not None
    assert by_passport.is_name_known
    assert under.subject_salt is not None
    mine = identity_of(either.native(0))
    opened = subject_of(mine.cert_type, mine.cert_no, bytes.fromhex(under.subject_salt))
    assert hex32(opened) == under.subject, "whose consent it is, who has the certificate can tell"
    assert by_passport.payload.policies == (replace(under, subject_salt=None),)
    native["setlinfo"]["psn_name"] = "张三"
    assert provider.ask(native).is_name_known is False  # type: ignore[union-attr]
    assert provider.ask(either.native(STRANGER)) is None


def test_an_update_holds_what_has_changed_and_never_how_much(world: World, tmp_path: Path) -> None:
    load(world, policy(DEPARTED))
    provider = published(world, tmp_path)
    departed = world.native(DEPARTED)
    assert provider.ask(departed) is not None
    assert _publish(world, provider) == 0

    load(world, policy(STRANGER))
    load(world, policy(1, cancelled_on="2025-01-10"))
    load(world, policy(2, other_names=["别名"]))
    world.revoke(3)
    gone = person(DEPARTED)
    erasure.erase_person(world.ctx, "01", gone.cert_no)
    assert _publish(world, provider) == 5
    new, cancelled, revoked = (provider.ask(world.native(index)) for index in (STRANGER, 1, 3))
    assert new is not None
    assert cancelled is not None
    assert revoked is not None
    assert new.payload.policies[0].authorization is None
    assert str(cancelled.payload.policies[0].cancelled_on) == "2025-01-10"
    assert revoked.payload.policies[0].authorization is None
    assert provider.ask(departed) is None
    world.consent_again(3)
    assert _publish(world, provider) == 1
    assert provider.ask(world.native(3)).payload.policies[0].authorization  # type: ignore[union-attr]
    assert _publish(world, provider) == 0


def test_nothing_tells_whose_an_erased_persons_entry_was(world: World, tmp_path: Path) -> None:
    load(world, policy(DEPARTED))
    published(world, tmp_path)
    gone = person(DEPARTED)
    pseudonym = world.ctx.pseudonymiser.of("01", gone.cert_no)
    with world.ctx.database.reading() as session:
        before = store.entries_between(session, 1, "", None)
    erasure.erase_person(world.ctx, "01", gone.cert_no)
    with world.ctx.database.reading() as session:
        after = store.entries_between(session, 1, "", None)
        assert len(session.exec(select(store.MatchHandle)).all()) == PEOPLE
    assert pseudonym in {row.person for row in before} - {row.person for row in after}
    assert {row.tag for row in before} == {row.tag for row in after}


def test_an_update_that_was_interrupted_is_made_anew(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = published(world, tmp_path)
    load(world, policy(STRANGER))
    world.revoke(3)
    monkeypatch.setattr(publishing, "_AT_ONCE", 10)

    def stop(_entries: object) -> Iterator[bytes]:
        changed = publishing._Changed(world.ctx, matching.epoch_key(world.ctx, 1), 1, 1)
        yield next(changed.entries())
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(publishing, "_counted", stop)
        with pytest.raises(OSError, match="full"):
            publishing.publish(world.ctx)
    assert _publish(world, provider) == 2
    assert provider.ask(world.native(STRANGER)) is not None


@pytest.mark.parametrize("is_told", [False, True])
def test_an_update_that_was_written_and_not_offered_is_offered_as_it_is_and_told_once(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    provider, catalog = published(world, tmp_path), world.ctx.chain.catalog
    dataset = matching.roll_dataset(world.ctx.settings.recipient)
    load(world, policy(STRANGER))
    publish_version = catalog.publish_version

    def crashing(*arguments: Any) -> TxRef:
        if is_told:
            publish_version(*arguments)
        raise TransactionUnknown("0x00", 0, "provider")

    with monkeypatch.context() as crash:
        crash.setattr(catalog, "publish_version", crashing)
        with pytest.raises(TransactionUnknown):
            publishing.publish(world.ctx)
    with pytest.raises(AutoclaimError, match="no update 1"):
        updates.offered_file(world.ctx, 1, 1)
    written = updates.file_of(world.ctx, 1, 1).read_bytes()
    assert [update.number for update in publishing.publish(world.ctx)] == [1, 2]
    assert updates.offered_file(world.ctx, 1, 1).read_bytes() == written
    assert catalog.latest_version(dataset) == 3, "0, 1 and 2, each once"
    provider.take_in()
    assert provider.ask(world.native(STRANGER)) is not None


def test_where_the_chain_has_another_digest_than_the_file_here_nothing_is_offered(
    world: World, tmp_path: Path
) -> None:
    published(world, tmp_path)
    dataset = matching.roll_dataset(world.ctx.settings.recipient)
    world.ctx.chain.catalog.publish_version(dataset, roll_update(1, 1), b"\x01" * 32)
    for _ in range(2):
        with pytest.raises(AutoclaimError) as error:
            publishing.publish(world.ctx)
        assert error.value.code == "match.update_lost"
        assert not updates.file_of(world.ctx, 1, 1).exists()
    assert publishing.rotate(world.ctx).epoch == 2


def test_no_more_is_evaluated_in_a_day_than_the_quota_whoever_asks(
    open_world: OpenWorld, slow_bank: BankProcess, tmp_path: Path
) -> None:
    world = open_world(slow_bank, match_elements_a_day=10)
    provider = published(world, tmp_path)
    for index in range(5):  # enumerating: two elements each
        provider.ask(world.native(index))
    assert _refused(world.ctx, provider.question(world.native(6))[1]) == "match.quota"
    assert _alarms(world.ctx) == {(OURS, "match.quota"), (OURS, "match.quota_near")}
    assert replace(provider.question(world.native(6))[1], provider=THEIRS).provider == THEIRS
    matching.ask(world.ctx, replace(provider.question(world.native(6))[1], provider=THEIRS))
    world.clock.ahead = timedelta(days=1)
    assert provider.ask(world.native(6)) is not None


def test_a_question_sent_again_is_not_answered(world: World, tmp_path: Path) -> None:
    provider = published(world, tmp_path)
    _, question = provider.question(world.native(0))
    matching.ask(world.ctx, question)
    assert _refused(world.ctx, question) == "match.discharge_reused"
    _, other = provider.question(world.native(1))
    assert _refused(world.ctx, replace(other, discharge=question.discharge)) == "match.discharge_reused"
    assert _alarms(world.ctx) == {(OURS, "match.discharge_reused")}
    (alarm,) = matching.list_alarms(world.ctx)
    assert (alarm["seen"], alarm["questions"], alarm["elements"]) == (2, 1, 2)


@pytest.mark.parametrize(
    "element",
    [bytes(32), b"\xff" * 32, b"\x01" + bytes(31), bytes(31)],
    ids=["identity", "large", "odd", "short"],
)
def test_what_is_no_point_of_the_group_is_not_evaluated(world: World, tmp_path: Path, element: bytes) -> None:
    provider = published(world, tmp_path)
    _, question = provider.question(world.native(0))
    for elements in ((question.elements[0], element), (), question.elements * 5):
        assert _refused(world.ctx, replace(question, elements=elements)) == "match.element"
    assert _alarms(world.ctx) == {(OURS, "match.element")}


def test_a_key_serves_until_it_is_withdrawn_and_another_opens_nothing_of_its_roll(
    world: World, tmp_path: Path
) -> None:
    first = published(world, tmp_path)
    _, question = first.question(world.native(0))
    assert _refused(world.ctx, replace(question, epoch=2)) == "match.epoch_unknown"
    publishing.rotate(world.ctx)
    second = Provider(world.ctx, tmp_path, epoch=2)
    assert first.ask(world.native(0)) is not None
    one = second.ask(world.native(0))
    assert one is not None
    person_tag = second.question(world.native(0))
    asked_second = matching.ask(world.ctx, person_tag[1])
    with pytest.raises(AutoclaimError) as error:
        person_tag[0].outputs(asked_second, first.public_key)  # the key of another epoch, in its place
    assert error.value.code == "match.proof"
    publishing.withdraw(world.ctx, 1)
    assert _refused(world.ctx, question) == "match.epoch_withdrawn"
    with pytest.raises(AutoclaimError) as error:
        updates.offered_file(world.ctx, 1, 0)
    assert error.value.code == "match.epoch_withdrawn"
    assert not list(world.ctx.settings.in_home("matching").glob("epoch-1/*"))
    assert [update.epoch for update in publishing.publish(world.ctx)] == [2]


@pytest.mark.parametrize(
    "spoken",
    [
        ("autoclaim-match/0", "ristretto255-SHA512", "VOPRF"),
        ("autoclaim-match/1", "P256-SHA256", "VOPRF"),
        ("autoclaim-match/1", "ristretto255-SHA512", "OPRF"),
    ],
)
def test_nothing_weaker_is_agreed_on(spoken: tuple[str, str, str]) -> None:
    with pytest.raises(Refused) as error:
        matching.check_protocol(*spoken)
    assert error.value.code == "match.protocol"


def test_an_alias_said_before_it_was_kept_is_published_once_it_is_said_again(
    world: World, tmp_path: Path
) -> None:
    said = policy(0, other_certificates=[PASSPORT], other_names=["别名"])
    load(world, said)
    with world.ctx.database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE policy_alias SET sealed = NULL")
    provider = published(world, tmp_path)
    by_name, by_passport = world.native(0), world.native(0)
    by_name["setlinfo"]["psn_name"] = "别名"
    by_passport["setlinfo"] |= {"patn_cert_type": "08", "certno": "E87654321"}

    def known() -> tuple[bool, bool]:
        one = provider.ask(by_name)
        assert one is not None
        return one.is_name_known, provider.ask(by_passport) is not None

    assert known() == (False, False)
    assert enrolment.load_policies(world.ctx, [json.dumps(said).encode()], "ndjson").unchanged == 1
    assert _publish(world, provider) == 2
    assert known() == (True, True)
