"""Private matching, the insurer's answers: blinded questions evaluated, counted, and never more than allowed.

An answer is computed first and leaves only after the question is kept: under a key that stands, for a
discharge that nobody asked about before, within what its provider may ask in a day. What is refused leaves an
alarm, and nothing about anybody: whom a question is about cannot be told here.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
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
    return _derived(ctx.vault.derive("matching"), epoch)


_derived = lru_cache(maxsize=8)(EpochKey.derive)
"""Making one takes as long as evaluating with it."""


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
    refusals: dict[int, AutoclaimError] = {}
    standing = matching.standing(session, {one.epoch for one in questions})
    for place, one in enumerate(questions):
        if (refusal := _refused_epoch(one.epoch, standing)) is not None:
            refusals[place] = refusal
    rows = {place: _row(one) for place, one in enumerate(questions) if place not in refusals}
    new = matching.keep_questions(session, list(rows.values())) if rows else set()
    fresh: defaultdict[tuple[str, date], list[int]] = defaultdict(list)
    for place in rows:
        one = questions[place]
        if (one.provider, one.discharge) in new:
            new.remove((one.provider, one.discharge))
            fresh[one.provider, one.day].append(place)
        else:
            refusals[place] = Conflict(
                "/discharge: asked about before; each question commits to its discharge with its own salt",
                code="match.discharge_reused",
            )
    for places in fresh.values():
        refusals |= _counted(session, {place: questions[place] for place in places})
    for place, refusal in refusals.items():
        if not isinstance(refusal, NotFound):
            _alarm(session, questions[place], refusal.code)
    return [refusals.get(place) for place in range(len(questions))]


def _row(one: Asked) -> dict[str, Any]:
    return {
        "provider": one.provider,
        "discharge": one.discharge,
        "epoch": one.epoch,
        "day": one.day,
        "elements": one.elements,
        "asked_at": one.at,
        "settlement_id": None,
    }


def _counted(session: Session, new: Mapping[int, Asked]) -> dict[int, AutoclaimError]:
    """Of one provider and day: what is beyond the quota, which is neither kept nor counted."""
    refusals: dict[int, AutoclaimError] = {}
    one = next(iter(new.values()))
    wanted = sum(question.elements for question in new.values())
    use = matching.add_use(session, one.provider, one.day, elements=wanted, questions=len(new))
    before = spent = use.elements - wanted
    for place, question in new.items():
        if spent + question.elements > question.most:
            refusals[place] = TooMany(
                f"{spent} elements of {question.most} have been evaluated for this provider today",
                code="match.quota",
            )
        else:
            spent += question.elements
    if refusals:
        matching.forget_questions(session, {(one.provider, new[place].discharge) for place in refusals})
        less = {"elements": spent - use.elements, "questions": -len(refusals)}
        use = matching.add_use(session, one.provider, one.day, **less)
    near = one.most * NEAR_PERCENT // 100
    if before <= near < spent:
        _alarm(session, one, "match.quota_near")
    asked_before = use.questions - (len(new) - len(refusals))
    if asked_before // FEW_RELEASED_OF < use.questions // FEW_RELEASED_OF and (
        use.released * 100 < use.questions * FEW_RELEASED_PERCENT
    ):
        _alarm(session, one, "match.few_released")
    return refusals


def _alarm(session: Session, one: Asked, code: str) -> None:
    matching.raise_alarm(session, one.provider, one.day, code, one.at)


def check_epoch(session: Session, number: int) -> None:
    """Raises NotFound `match.epoch_unknown`, Conflict `match.epoch_withdrawn`."""
    refusal = _refused_epoch(number, matching.standing(session, {number}))
    if refusal is not None:
        raise refusal


def _refused_epoch(number: int, standing: Mapping[int, datetime | None]) -> AutoclaimError | None:
    if number not in standing:
        return NotFound(f"there is no epoch {number}", code="match.epoch_unknown")
    if standing[number] is not None:
        return Conflict(f"epoch {number} was withdrawn", code="match.epoch_withdrawn")
    return None


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
