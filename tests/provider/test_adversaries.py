"""Those who would learn from a provider node what it does not tell: each tries (docs/privacy.md)."""

from typing import Any

import pytest
from sqlmodel import select

from engine.evidence.canonical import commitment
from engine.provider import tables
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
