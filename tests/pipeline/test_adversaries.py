"""Those who would learn more from matching than it tells, or claim more: each tries (docs/privacy.md)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from engine.errors import NotAllowed, NotFound
from engine.matching.entries import open_entry
from engine.matching.errors import EntryInvalid
from engine.matching.voprf import Output, person_message
from engine.pipeline import matching, publishing, releases
from engine.settlement import identity_of
from tests.pipeline.matching_provider import Provider, published
from tests.pipeline.test_match import STRANGER
from tests.pipeline.world import OURS, THEIRS, World, person, policy_no


@contextmanager
def statements(world: World) -> Iterator[list[str]]:
    """What the insurer's database is asked meanwhile, and with how much; not with what."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Sequence[Any], *_: Any) -> None:
        seen.append(f"{statement} with {len(parameters)}")

    event.listen(world.ctx.database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(world.ctx.database.engine, "before_cursor_execute", note)


def test_the_insurer_does_the_same_for_an_answer_whoever_it_is_about(world: World, tmp_path: Path) -> None:
    """So neither the time that it takes nor its size tells who is insured: nothing about people is read."""
    provider = published(world, tmp_path)
    done = []
    for index in (0, STRANGER):
        _, question = provider.question(world.native(index))
        with statements(world) as seen:
            evaluated = matching.ask(world.ctx, question)
        done.append((seen, [len(part) for part in (*evaluated.elements, evaluated.proof)]))
    assert done[0] == done[1]
    touched = " ".join(done[0][0])
    assert "match_question" in touched
    for table in ("policy", "match_entry", "match_handle", "settlement ", "authorization"):
        assert f" {table}" not in touched.replace('"', ""), table


def test_a_provider_that_asks_much_and_releases_next_to_nothing_raises_an_alarm(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "FEW_RELEASED_OF", 4)
    monkeypatch.setattr(matching, "FEW_RELEASED_PERCENT", 20)
    honest, curious = published(world, tmp_path), Provider(world.ctx, tmp_path, hospital=THEIRS)
    honest.release(world.native(0))
    for index in range(1, 4):
        honest.ask(world.native(index))
    for index in range(4):
        curious.ask(world.native(index))
    raised = [(one["provider"], one["code"]) for one in matching.list_alarms(world.ctx)]
    assert raised == [(THEIRS, "match.few_released")]


def test_whoever_steals_an_epochs_key_reads_that_epochs_roll_and_nothing_else(
    world: World, tmp_path: Path
) -> None:
    """What is exposed, and what is not: the roll of the epoch, but no question, no other epoch, no number."""
    provider = published(world, tmp_path)
    _, question = provider.question(world.native(0))
    matching.ask(world.ctx, question)
    stolen = matching.epoch_key(world.ctx, 1)
    who = person(0)
    guessed = stolen.output(person_message("01", who.cert_no))
    entry = provider.roll.find(guessed.tag)
    assert entry is not None, "a certificate that is guessed is found"
    said = str(open_entry(guessed, 1, entry))
    assert who.name not in said
    assert policy_no(0) not in said
    # What was asked, evaluated again with the key, leads to nobody: it was blinded with a scalar of its own.
    again = stolen.evaluate(question.elements).elements
    outputs = {stolen.output(element).tag for element in again} | {element[:16] for element in again}
    assert all(provider.roll.find(tag) is None for tag in outputs)
    publishing.rotate(world.ctx)
    later = Provider(world.ctx, tmp_path, epoch=2)
    assert later.roll.find(guessed.tag) is None
    assert later.ask(world.native(0)) is not None
    with pytest.raises(EntryInvalid):
        open_entry(Output(guessed.tag, guessed.key), 2, entry)


def test_a_provider_releases_no_other_hospitals_discharge(world: World, tmp_path: Path) -> None:
    """Not under its own name, and not in the other's."""
    mine = published(world, tmp_path)
    theirs = Provider(world.ctx, tmp_path, hospital=THEIRS)
    native = world.native(0)
    assert identity_of(native).cert_no == person(0).cert_no
    found, elsewhere = mine.ask(native), theirs.ask(native)
    assert found is not None
    assert elsewhere is not None
    with pytest.raises(NotAllowed) as error:
        releases.release(world.ctx, theirs.to_release(native, elsewhere))
    assert error.value.code == "settlement.other_hospital"
    forged = replace(theirs.to_release(native, elsewhere), provider=OURS)
    with pytest.raises(NotFound) as unknown:
        releases.release(world.ctx, forged)
    assert unknown.value.code == "release.discharge_unknown"
