"""A provider at the insurer's seam: asks blinded, checks the proof, looks its own patient up, releases."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.evidence.documents import settlement_document
from engine.evidence.manifest import roll_update
from engine.evidence.salts import ClaimSalts
from engine.matching.entries import InsuredUnder, Payload, open_entry
from engine.matching.errors import EntryInvalid
from engine.matching.published import PublishedRoll
from engine.matching.voprf import Question as Blinded
from engine.matching.voprf import name_message, person_message
from engine.pipeline import matching, publishing, releases, updates
from engine.pipeline.context import Context
from engine.settlement import identity_of, minimise
from engine.store import matching as store
from tests.pipeline.world import OURS, World


@dataclass(frozen=True, slots=True)
class Found:
    discharge: str
    epoch: int
    payload: Payload
    is_name_known: bool


class Provider:
    """Of one hospital, under one epoch."""

    def __init__(self, ctx: Context, folder: Path, epoch: int = 1, hospital: str = OURS) -> None:
        self.ctx = ctx
        self.folder = folder
        self.epoch = epoch
        self.hospital = hospital
        key = ctx.chain.catalog.matching_key_of(matching.roll_dataset(ctx.settings.recipient), epoch)
        self.roll = PublishedRoll.open(folder / f"{hospital}-{epoch}", key)
        self.public_key = key
        self.take_in()

    def take_in(self) -> None:
        """Whatever was published since."""
        with self.ctx.database.reading() as session:
            known = len(store.updates(session, self.epoch))
        for number in range(0 if self.roll.last is None else self.roll.last.number + 1, known):
            raw = updates.offered_file(self.ctx, self.epoch, number).read_bytes()
            told = self.ctx.chain.catalog.first_versions(matching.roll_dataset(self.ctx.settings.recipient))
            self.roll.take(io.BytesIO(raw), told[roll_update(self.epoch, number)].hex())

    def question(self, native: Mapping[str, Any]) -> tuple[Blinded, matching.Question]:
        who = identity_of(native)
        blinded = Blinded.of(
            [
                person_message(who.cert_type, who.cert_no),
                name_message(who.cert_type, who.cert_no, who.name),
            ]
        )
        discharge = self.ctx.rng(32).hex()
        return blinded, matching.Question(self.hospital, self.epoch, discharge, blinded.elements)

    def ask(self, native: Mapping[str, Any]) -> Found | None:
        """None: the patient is nobody's, or has left."""
        blinded, question = self.question(native)
        person, name = blinded.outputs(matching.ask(self.ctx, question), self.public_key)
        entry = self.roll.find(person.tag)
        if entry is None:
            return None
        try:
            payload = open_entry(person, self.epoch, entry)
        except EntryInvalid:
            return None
        return Found(question.discharge, self.epoch, payload, name.tag in payload.name_tags)

    def to_release(
        self, native: Mapping[str, Any], found: Found, under: InsuredUnder | None = None, **changes: Any
    ) -> releases.Release:
        salts = ClaimSalts.generate(self.ctx.rng)
        under = under or found.payload.policies[0]
        document = settlement_document(minimise(native, self.ctx.hospital_register()), salts)
        stated = {
            "provider": self.hospital,
            "epoch": found.epoch,
            "discharge": found.discharge,
            "handle": under.handle,
            "authorization": under.authorization,
            "document": document,
            "setl_id": native["setlinfo"]["setl_id"],
            "salt": salts.settlement_reference,
        }
        return releases.Release(**(stated | changes))

    def release(self, native: Mapping[str, Any]) -> releases.Kept:
        found = self.ask(native)
        assert found is not None
        return releases.release(self.ctx, self.to_release(native, found))


def published(world: World, folder: Path) -> Provider:
    """The roll published for the first time, and taken in."""
    publishing.publish(world.ctx)
    return Provider(world.ctx, folder)
