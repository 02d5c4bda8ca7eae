"""A matching task of one list against another: its document, whose digest is its id on chain, and the result
that both parties commit to, each from its own books.

The document's nonce is known to the two parties and to nobody else: without it neither the id nor the result,
small counts that could be guessed, tells anything to who reads the chain.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from engine.evidence.canonical import commitment, digest
from engine.evidence.errors import DocumentInvalid
from engine.evidence.manifest import hex32

FORMAT = "autoclaim.matching.task/1"
VOPRF, RR22 = ENGINES = ("voprf", "rr22")
"""voprf: every person of the window is asked about. rr22: those that both lists have, found beforehand."""

_ADDRESS = re.compile("0x[0-9a-f]{40}")
_BYTES32 = re.compile("0x[0-9a-f]{64}")
_MOST_EPOCHS = 2**32 - 1


@dataclass(frozen=True, slots=True)
class MatchTask:
    """What is asked of a provider. Raises DocumentInvalid for a field out of form.

    provider: 0x and 40 lower-case digits. dataset, scope, terms_root: 0x and 64. hospitals: whose discharges,
    sorted. since, until: days of discharge, both included ("from" and "until" in the document). most: blinded
    elements that may be evaluated for it. nonce: 32 random bytes, as 0x and 64 digits.
    """

    provider: str
    dataset: str
    hospitals: tuple[str, ...]
    product: str
    scope: str
    terms_root: str
    epoch: int
    since: date
    until: date
    most: int
    engine: str
    nonce: str

    def __post_init__(self) -> None:
        wrong = [name for name in ("dataset", "scope", "terms_root", "nonce") if not _is_word(self, name)]
        wrong += ["provider"] if _ADDRESS.fullmatch(self.provider) is None else []
        wrong += ["hospitals"] if list(self.hospitals) != sorted(set(self.hospitals)) else []
        wrong += ["hospitals"] if not self.hospitals else []
        wrong += ["epoch"] if not 1 <= self.epoch <= _MOST_EPOCHS else []
        wrong += ["until"] if self.until < self.since else []
        wrong += ["most"] if self.most < 1 else []
        wrong += ["engine"] if self.engine not in ENGINES else []
        if wrong:
            raise DocumentInvalid(f"a matching task's {', '.join(wrong)}: out of form")

    @property
    def document(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "provider": self.provider,
            "dataset": self.dataset,
            "hospitals": list(self.hospitals),
            "product": self.product,
            "scope": self.scope,
            "terms_root": self.terms_root,
            "epoch": self.epoch,
            "from": self.since.isoformat(),
            "until": self.until.isoformat(),
            "most": self.most,
            "engine": self.engine,
            "nonce": self.nonce,
        }

    @property
    def task_id(self) -> str:
        """0x and 64 digits: what it is on chain."""
        return hex32(digest(self.document))

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Raises DocumentInvalid for what is no such document, or has a field too many or too few."""
        try:
            task = cls(
                hospitals=tuple(document["hospitals"]),
                since=date.fromisoformat(document["from"]),
                until=date.fromisoformat(document["until"]),
                **{name: document[name] for name in _AS_THEY_ARE},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DocumentInvalid(f"no document of a matching task: {error!r}") from error
        if task.document != document:
            raise DocumentInvalid(f"no document of a matching task: not in the form {FORMAT}")
        return task

    def result_digest(self, counts: "MatchCounts") -> bytes:
        """What a party whose books come to that commits to; 32 bytes."""
        nonce = bytes.fromhex(self.nonce.removeprefix("0x"))
        stated = {"task": self.task_id, "epoch": self.epoch, **counts.document}
        return commitment(nonce, stated)


_AS_THEY_ARE = ("provider", "dataset", "product", "scope", "terms_root", "epoch", "most", "engine", "nonce")


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """What a task comes to in one party's books: elements and discharges asked about, and what was released.

    releases: the root of all that was released, 0x and 64 digits.
    """

    elements: int
    discharges: int
    released: int
    releases: str

    @property
    def document(self) -> dict[str, Any]:
        return {
            "elements": self.elements,
            "discharges": self.discharges,
            "released": self.released,
            "releases": self.releases,
        }


def release_digest(release: Mapping[str, Any]) -> str:
    """Of one release exactly as it is sent: 64 hexadecimal digits. It holds salts of its own."""
    return digest(release).hex()


def releases_root(release_digests: Iterable[str]) -> str:
    """0x and 64 digits; in whatever order they came."""
    return hex32(digest(sorted(release_digests)))


def _is_word(task: MatchTask, name: str) -> bool:
    value = getattr(task, name)
    return isinstance(value, str) and _BYTES32.fullmatch(value) is not None
