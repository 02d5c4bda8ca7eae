"""Those who would learn from a provider node what it does not tell: each tries (docs/privacy.md)."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from engine.evidence.canonical import commitment
from engine.provider import tables
from engine.provider.release import STEP_BYTES
from tests.provider.site import HOSPITAL, STRANGER, Site, stay


def test_each_question_opens_to_the_discharge_that_it_was_asked_for_and_to_no_other(site: Site) -> None:
    """So that a provider which looks for who is insured can be asked for the discharge of every question."""
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    natives = [stay(), stay(**STRANGER)]
    for native in natives:
        site.through(native)
    with site.node.database.reading() as session:
        kept = session.exec(select(tables.Question).order_by(tables.Question.discharge_id)).all()
    assert [name for _, _, name, _ in site.insurer.asked] == [question.commitment for question in kept]
    numbers = [native["setlinfo"]["setl_id"] for native in natives]
    for own, question in enumerate(kept):
        salt = site.node.vault.unseal(question.salt_sealed, f"question.salt/{question.commitment}")
        opened = [
            commitment(salt, {"fixmedins_code": HOSPITAL, "setl_id": number}).hex() == question.commitment
            for number in numbers
        ]
        assert opened == [place == own for place in range(len(numbers))]


def test_a_node_asks_before_it_looks_so_that_when_it_asks_tells_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    site.work()
    find, evaluate, done = site.node.rolls.find, site.insurer.evaluate, list[str]()

    def noted(what: str, call: Any) -> Any:
        return lambda *arguments: done.append(what) or call(*arguments)

    monkeypatch.setattr(site.node.rolls, "find", noted("looks", find))
    monkeypatch.setattr(site.insurer, "evaluate", noted("asks", evaluate))
    for native in (stay(), stay(**STRANGER)):
        done.clear()
        site.through(native)
        assert done == ["asks", "looks"]


def test_what_matched_leaves_together_and_the_chain_is_read_only_then(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    site.work()
    site.node.settings.release_every_s = 3600
    read, refusal = list[str](), site.node.chain.refusal
    monkeypatch.setattr(site.node.chain, "refusal", lambda *of: read.append(of[0]) or refusal(*of))
    mine = [stay(), stay()]
    for native in mine:
        site.accept(native)
    site.work()
    assert [site.row(native).state for native in mine] == ["matched", "matched"]
    [together] = {site.row(native).not_before for native in mine}
    assert (together.timestamp() % 3600, read, site.insurer.released) == (0, [], [])
    site.ahead += timedelta(hours=1)
    site.work()
    assert [site.row(native).state for native in mine] == ["accepted", "accepted"]
    assert (len(read), len(site.insurer.released)) == (2, 2)


def test_a_release_has_the_same_size_whether_the_bill_is_a_little_longer_or_not(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    short, longer = stay(), stay()
    longer["diseinfo"].append(longer["diseinfo"][0] | {"maindiag_flag": "0", "diag_code": "I10.x00"})
    for native in (short, longer):
        assert site.through(native).state == "accepted"
    one, other = site.insurer.released
    assert len(other["document"]["diseinfo"]) > len(one["document"]["diseinfo"])
    sizes = [
        len(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()) for said in (one, other)
    ]
    assert sizes == [STEP_BYTES, STEP_BYTES]
