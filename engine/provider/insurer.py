"""The insurer, as a provider node sees it: somebody who answers blinded questions and takes releases.

Nothing it says is believed where the node can look for itself. A call raises Unavailable for what may pass
by itself, and another AutoclaimError, with the insurer's code, for a no.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol

from engine.evidence.match_task import MatchCounts
from engine.matching.scale.link import Joining
from engine.matching.voprf import Evaluated


class Insurer(Protocol):
    def update(self, epoch: int, number: int) -> AbstractContextManager[BinaryIO]:
        """An update of the published roll, as it comes. Raises NotFound where there is none (yet)."""

    def evaluate(
        self, hospital_code: str, epoch: int, commitment: str, elements: tuple[bytes, ...]
    ) -> Evaluated:
        """Ask about one discharge, named by its commitment (64 hexadecimal digits), for its hospital."""

    def case(self, hospital_code: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """What one discharge is to be decided on, and by which terms (engine.evidence.case), unchecked."""

    def release(self, hospital_code: str, release: Mapping[str, Any]) -> str:
        """Hand over a release; the claim that the insurer has for it. The same again is no change."""

    # In a matching task

    def task(self, hospital_code: str, task_id: str) -> Mapping[str, Any]:
        """The document of a task that asks this hospital. Raises NotFound."""

    def evaluate_batch(
        self,
        hospital_code: str,
        task_id: str,
        number: int,
        commitments: Sequence[str],
        elements: tuple[bytes, ...],
    ) -> Evaluated:
        """Ask about a batch of discharges; the same number again is the same batch, blinded anew."""

    def join(self, hospital_code: str, task_id: str, ours: Joining) -> Joining:
        """Have the insurer begin its side of a run of rr22, and learn how to get to it."""

    def stage(self, hospital_code: str, task_id: str, release: Mapping[str, Any]) -> None:
        """Hand over a release under the task. The same again is no change."""

    def outcomes(self, hospital_code: str, task_id: str) -> dict[tuple[str, str], str | None]:
        """Of each release of this hospital that the insurer has under the task, by question and handle: what
        became of it; None: nothing yet."""

    def tell_counts(self, hospital_code: str, task_id: str, counts: MatchCounts) -> None:
        """What the task came to in our books, to be shown beside the insurer's."""

    def decision(self, hospital_code: str, release: Mapping[str, Any]) -> str:
        """Hand over what was decided here in a settlement's place; as `release`."""

    def wanted(self, hospital_code: str) -> list[Mapping[str, Any]]:
        """What the insurer wants of earlier decisions: {"discharge", "handle", "why"} each."""

    def disclose(self, hospital_code: str, disclosure: Mapping[str, Any]) -> None:
        """Show a settlement that was withheld. The same again is no change."""

    def close(self) -> None: ...
