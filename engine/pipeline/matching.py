"""Private matching, the insurer's answers: blinded questions evaluated, counted, and never more than allowed.

An answer is computed first and leaves only after the question is kept: under a key that stands, for a
discharge that nobody asked about before, within what its provider may ask in a day. What is refused leaves an
alarm, and nothing about anybody: whom a question is about cannot be told here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlmodel import Session

from engine.errors import AutoclaimError, Conflict, NotFound, Refused, TooMany
from engine.evidence.canonical import digest
from engine.evidence.manifest import hex32
from engine.matching.errors import ElementInvalid
from engine.matching.voprf import PROTOCOL, SUITE, EpochKey, Evaluated
from engine.pipeline.context import Context
from engine.store import matching

MODE = "VOPRF"
MOST_ELEMENTS = 8
"""Of one question: a person, and the names that the person may be insured by."""
NEAR_PERCENT = 80
"""Of the quota: from there on a person is told."""
FEW_RELEASED_OF, FEW_RELEASED_PERCENT = 500, 1
"""Of so many questions of a day, hardly any led to a release: a provider that looks for who is insured?"""
_ALARMS_FOR = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Question:
    """elements: 32 bytes each. discharge: the provider's commitment to it, 64 hexadecimal digits."""

    provider: str
    epoch: int
    discharge: str
    elements: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is kept. elements: how many; most: how many its provider may ask on that day."""

    provider: str
    epoch: int
    discharge: str
    elements: int
    at: datetime
    day: date
    most: int


def epoch_key(ctx: Context, epoch: int) -> EpochKey:
    """Of the vault's own secret, so that one epoch's key tells nothing of another's."""
    return EpochKey.derive(ctx.vault.derive("matching"), epoch)


def roll_dataset(recipient: str) -> bytes:
    """Under which the roll of whoever the insured consent to stands in the catalogue, with its keys."""
    return digest({"dataset": "roll", "recipient": recipient})


def check_protocol(protocol: str, suite: str, mode: str) -> None:
    """Raises Refused `match.protocol`: there is one version, and nothing weaker is agreed on."""
    spoken = {"protocol": (protocol, PROTOCOL), "suite": (suite, SUITE), "mode": (mode, MODE)}
    wrong = [
        {"field": f"/{name}", "rule": "match.protocol", "message": f"only {ours} is spoken"}
        for name, (theirs, ours) in spoken.items()
        if theirs != ours
    ]
    if wrong:
        raise Refused("match.protocol", "this is not what is spoken here", wrong)


def evaluate(ctx: Context, question: Question) -> Evaluated:
    """The answer, not to be given before the question is kept. Raises ElementInvalid, with an alarm."""
    try:
        if not 1 <= len(question.elements) <= MOST_ELEMENTS:
            raise ElementInvalid(f"there must be 1 to {MOST_ELEMENTS}")
        return epoch_key(ctx, question.epoch).evaluate(question.elements)
    except ElementInvalid as error:
        code, now = error.code, ctx.clock()
        ctx.writer.run(
            lambda session: matching.raise_alarm(session, question.provider, ctx.today(), code, now)
        )
        raise


def asked(ctx: Context, question: Question) -> Asked:
    return Asked(
        question.provider,
        question.epoch,
        question.discharge,
        len(question.elements),
        ctx.clock(),
        ctx.today(),
        ctx.settings.match_elements_a_day,
    )


def ask(ctx: Context, question: Question) -> Evaluated:
    """`evaluate`, given once the question is kept. Raises what both raise."""
    evaluated = evaluate(ctx, question)
    ctx.writer.submit_to(keep_asked, asked(ctx, question)).result()
    return evaluated


def keep_asked(session: Session, questions: Sequence[Asked]) -> list[AutoclaimError | None]:
    """For each what forbids to answer it: NotFound `match.epoch_unknown`, Conflict `match.epoch_withdrawn` or
    `match.discharge_reused`, TooMany `match.quota`. None: it is kept, and counted."""
    return [_keep_asked(session, one) for one in questions]


def _keep_asked(session: Session, one: Asked) -> AutoclaimError | None:
    use = matching.use_of(session, one.provider, one.day)
    refusal = _refusal(session, one, use)
    if refusal is not None:
        if not isinstance(refusal, NotFound):
            matching.raise_alarm(session, one.provider, one.day, refusal.code, one.at)
        return refusal
    session.add(
        matching.MatchQuestion(
            provider=one.provider,
            discharge=one.discharge,
            epoch=one.epoch,
            day=one.day,
            elements=one.elements,
            asked_at=one.at,
        )
    )
    near = one.most * NEAR_PERCENT / 100
    if use.elements <= near < use.elements + one.elements:
        matching.raise_alarm(session, one.provider, one.day, "match.quota_near", one.at)
    use.elements += one.elements
    use.questions += 1
    if not use.questions % FEW_RELEASED_OF and use.released * 100 < use.questions * FEW_RELEASED_PERCENT:
        matching.raise_alarm(session, one.provider, one.day, "match.few_released", one.at)
    session.add(use)
    session.flush()
    return None


def _refusal(session: Session, one: Asked, use: matching.MatchUse) -> AutoclaimError | None:
    try:
        check_epoch(session, one.epoch)
    except AutoclaimError as error:
        return error
    if matching.question(session, one.provider, one.discharge) is not None:
        return Conflict(
            "/discharge: asked about before; each question commits to its discharge with a salt of its own",
            code="match.discharge_reused",
        )
    if use.elements + one.elements > one.most:
        return TooMany(
            f"{use.elements} elements of {one.most} have been evaluated for this provider today",
            code="match.quota",
        )
    return None


def check_epoch(session: Session, number: int) -> None:
    """Raises NotFound `match.epoch_unknown`, Conflict `match.epoch_withdrawn`."""
    epoch = session.get(matching.MatchEpoch, number)
    if epoch is None or matching.last_update(session, number) is None:
        raise NotFound(f"there is no epoch {number}", code="match.epoch_unknown")
    if epoch.withdrawn_at is not None:
        raise Conflict(
            f"epoch {number} was withdrawn: its key is good for nothing", code="match.epoch_withdrawn"
        )


def list_epochs(ctx: Context) -> dict[str, Any]:
    """Every epoch with its updates, and where its key stands on chain."""
    with ctx.database.reading() as session:
        items = [
            {
                "epoch": one.number,
                "public_key": one.public_key,
                "opened_at": one.opened_at,
                "withdrawn_at": one.withdrawn_at,
                "updates": [
                    {
                        "epoch": one.number,
                        "update": update.number,
                        "digest": update.digest,
                        "previous_digest": update.previous_digest,
                        "entries": update.entries,
                        "made_at": update.made_at,
                    }
                    for update in matching.updates(session, one.number)
                ],
            }
            for one in matching.epochs(session)
        ]
    return {
        "protocol": PROTOCOL,
        "suite": SUITE,
        "dataset": hex32(roll_dataset(ctx.settings.recipient)),
        "items": items,
    }


def list_alarms(ctx: Context) -> list[dict[str, Any]]:
    """Of the last 90 days, the newest first: whose questions, what about them, and how much was asked."""
    with ctx.database.reading() as session:
        return [
            {
                "provider": alarm.provider,
                "day": alarm.day,
                "code": alarm.code,
                "seen": alarm.seen,
                "last_at": alarm.last_at,
                "elements": use.elements if use else 0,
                "questions": use.questions if use else 0,
                "released": use.released if use else 0,
            }
            for alarm, use in matching.alarms(session, ctx.today() - _ALARMS_FOR)
        ]
