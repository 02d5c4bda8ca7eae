"""A provider in a matching task, by hand: it can also lie."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from engine.chain.contracts import TaskState
from engine.evidence.manifest import provider_dataset
from engine.evidence.match_task import (
    MatchCounts,
    MatchTask,
    release_digest,
    releases_root,
)
from engine.matching.entries import open_entry
from engine.matching.voprf import Question, name_message, person_message
from engine.pipeline import match_answers, match_tasks
from engine.pipeline.consent import scope_id
from engine.pipeline.releases import Release
from engine.pipeline.values import raw
from engine.settlement import identity_of
from tests.pipeline.matching_provider import Found, Provider, published
from tests.pipeline.world import OURS, World

PRODUCT = "huhuibao"
Native = Mapping[str, Any]


class InTask:
    """One task, ordered, accepted and started, and what its provider does in it."""

    def __init__(self, world: World, folder: Path, most: int = 100, **order: Any) -> None:
        self.world, self.ctx = world, world.ctx
        self.provider: Provider = published(world, folder)
        register(world)
        stated = {"provider": address(world), "hospitals": [OURS], "product": PRODUCT, "engine": "voprf"}
        days = {"since": date(2024, 9, 1), "until": date(2024, 9, 30)}
        self.order = match_tasks.Order(**{**stated, **days, "most": most, **order})
        opened = match_tasks.open_task(self.ctx, self.order)
        self.task_id: str = opened.task["task_id"]
        self.task = MatchTask.of(match_answers.document(self.ctx, OURS, self.task_id))
        self.ctx.chain.scheduler.accept(self.task_id)
        self.ctx.chain.scheduler.start(self.task_id)
        self.elements = self.discharges = 0
        self.digests: list[str] = []

    def batch(self, natives: Sequence[Native], number: int = 0) -> tuple[match_answers.Batch, Question]:
        people = [identity_of(native) for native in natives]
        messages = []
        for who in people:
            messages.append(person_message(who.cert_type, who.cert_no))
            messages.append(name_message(who.cert_type, who.cert_no, who.name))
        question = Question.of(messages)
        names = [self.ctx.rng(32).hex() for _ in natives]
        return match_answers.Batch(self.task_id, OURS, number, names, question.elements), question

    def ask(self, natives: Sequence[Native], number: int = 0) -> list[Found | None]:
        batch, question = self.batch(natives, number)
        answer = match_answers.evaluate(self.ctx, batch)
        outputs = question.outputs(answer, self.provider.public_key)
        self.elements += len(outputs)
        self.discharges += len(natives)
        found: list[Found | None] = []
        for discharge, person, name in zip(batch.discharges, outputs[::2], outputs[1::2], strict=True):
            entry = self.provider.roll.find(person.tag)
            if entry is None:
                found.append(None)
                continue
            payload = open_entry(person, self.task.epoch, entry)
            found.append(Found(discharge, self.task.epoch, payload, name.tag in payload.name_tags))
        return found

    def stage(self, native: Native, found: Found | None) -> Release:
        assert found is not None
        one = self.provider.to_release(native, found, task=self.task_id)
        self.digests.append(self.send(one))
        return one

    def send(self, one: Release) -> str:
        """Its digest."""
        sent = {name: value for name, value in one.stated.items() if name != "task"}
        match_answers.stage(self.ctx, one, sent)
        return release_digest(sent)

    def counts(self, **lies: Any) -> MatchCounts:
        root = releases_root(self.digests)
        true = {"elements": self.elements, "discharges": self.discharges, "released": len(self.digests)}
        return MatchCounts(**{**true, "releases": root, **lies})

    def commit(self, **lies: Any) -> None:
        counts = self.counts(**lies)
        match_answers.tell_counts(self.ctx, OURS, self.task_id, counts)
        self.ctx.chain.scheduler.commit_result_as_provider(self.task_id, self.task.result_digest(counts))

    def until_settled(self) -> TaskState:
        """The insurer's rounds, as its dispatcher makes them, until there is nothing left to do."""
        while match_tasks.advance(self.ctx):
            pass
        return self.ctx.chain.scheduler.state_of(self.task_id)

    def claims(self) -> list[str]:
        told = match_answers.outcomes(self.ctx, OURS, self.task_id)
        return [one["outcome"] for one in told if str(one["outcome"]).startswith("clm_")]


def address(world: World) -> str:
    return world.ctx.chain.roles["provider"].lower()


def register(world: World) -> None:
    """The provider's discharges in the catalogue, for every product that is loaded."""
    dataset = provider_dataset(address(world))
    world.ctx.chain.catalog.register_once(dataset, 4, [raw(scope_id(world.ctx, PRODUCT))])
