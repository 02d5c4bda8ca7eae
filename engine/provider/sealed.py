"""What is sealed in which column of a node's database, and under which place: the one list of both."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from engine.evidence.salts import ClaimSalts
from engine.matching.voprf import Output
from engine.provider.tables import Decision, Discharge, TaskBatch
from engine.settlement import PersonIdentity, identity_of
from engine.store.vault import Vault

_TAG = 16


class Body(Protocol):
    """As much of a discharge as it takes to read what its hospital sent."""

    @property
    def hospital_code(self) -> str: ...
    @property
    def setl_id(self) -> str: ...
    @property
    def body_sealed(self) -> bytes: ...


class Tags(NamedTuple):
    """What a proven answer comes to: the person's tag and key, and the tag of the name under it."""

    person: Output
    name_tag: bytes


def place(what: str, hospital_code: str, setl_id: str) -> str:
    return f"discharge.{what}/{hospital_code}/{setl_id}"


def identity(vault: Vault, row: Body) -> PersonIdentity:
    """Whom a kept body is about; it was held to every rule when it came. Raises IdentityMissing."""
    return identity_of(
        json.loads(vault.unseal(row.body_sealed, place("body", row.hospital_code, row.setl_id)))
    )


def document(vault: Vault, row: Discharge) -> dict[str, Any]:
    unsealed: dict[str, Any] = vault.unseal_json(
        row.document_sealed, place("document", row.hospital_code, row.setl_id)
    )
    return unsealed


def salts(vault: Vault, row: Discharge) -> ClaimSalts:
    unsealed = vault.unseal_json(row.salts_sealed, place("salts", row.hospital_code, row.setl_id))
    return ClaimSalts.from_hex(unsealed)


def seal_decision(vault: Vault, row: Discharge, handle: str, number: int, kept: dict[str, Any]) -> bytes:
    return vault.seal_json(kept, place(f"decision/{handle}/{number}", row.hospital_code, row.setl_id))


def decision(vault: Vault, row: Discharge, made: Decision) -> dict[str, Any]:
    """{"case", "terms", "task_id", "signature", "decision", "salt"}: as given, as decided, and what opens the
    commitment to it."""
    named = place(f"decision/{made.handle}/{made.number}", row.hospital_code, row.setl_id)
    kept: dict[str, Any] = vault.unseal_json(made.sealed, named)
    return kept


def seal_messages(vault: Vault, task_id: str, number: int, messages: Sequence[Sequence[str]]) -> bytes:
    """What is asked of each person of a batch."""
    return vault.seal_json(messages, f"task_batch.messages/{task_id}/{number}")


def messages(vault: Vault, batch: TaskBatch) -> list[tuple[str, str]]:
    """Of a batch that is not answered yet."""
    if batch.messages_sealed is None:
        raise ValueError(f"batch {batch.number} has been answered")
    place = f"task_batch.messages/{batch.task_id}/{batch.number}"
    return [tuple(of_person) for of_person in vault.unseal_json(batch.messages_sealed, place)]


def seal_tags(vault: Vault, hospital_code: str, setl_id: str, epoch: int, tags: Tags) -> bytes:
    plain = b"".join((tags.person.tag, tags.name_tag, tags.person.key))
    return vault.seal(plain, place(f"tags/{epoch}", hospital_code, setl_id))


def tags(vault: Vault, row: Discharge) -> Tags:
    """Of a discharge that has been asked about."""
    if row.tags_sealed is None:
        raise ValueError(f"discharge {row.id} has no answer yet")
    plain = vault.unseal(row.tags_sealed, place(f"tags/{row.epoch}", row.hospital_code, row.setl_id))
    return Tags(Output(plain[:_TAG], plain[2 * _TAG :]), plain[_TAG : 2 * _TAG])
