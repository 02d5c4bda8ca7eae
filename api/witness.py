"""A witness of the audit log: reads what is new, works the head out by itself, and only then signs it.

Nothing is taken on the engine's word: not the digests, their chain, the tree's head, nor that the log still
holds what was signed last, which the witness keeps in a file of its own. An engine that shows two witnesses
two logs gets two heads, of which the chain takes one.

    Refusal       the log is not one to sign: rewritten, cut, or not the one on chain
    CannotCheck   it could not be looked at
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import rfc8785
from eth_account.signers.local import LocalAccount

from api.client import ApiError, Client
from engine.chain.eip712 import LogHead, as_json, checkpoint_typed_data, sign
from engine.evidence.merkle_log import Frontier, leaf_hash, verify_consistency

_FORMAT = "autoclaim-witness/1"
_BEFORE_THE_FIRST = "0x" + "00" * 32
_FIELDS = (
    *("seq", "at", "request_id", "key_id", "role", "principal"),
    *("method", "path", "status", "remote", "previous_digest"),
)
"""What an entry's digest covers."""
_ENGINE_SAYS_NO = frozenset({"checkpoint.other_log", "checkpoint.beyond_log", "access_log.broken"})


class Refusal(Exception):
    """Why this log is not signed."""


class CannotCheck(Exception):
    """Why nothing can be said of it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a witness remembers: the log that it signed last, and the contract it signed it for.

    peaks: the frontier at `size`, 0x-hex; newest: digest of the last entry.
    """

    size: int = 0
    peaks: tuple[str, ...] = ()
    newest: str = _BEFORE_THE_FIRST
    chain_id: int | None = None
    store: str | None = None

    @classmethod
    def read(cls, path: Path) -> "Seen":
        """Nothing yet where there is no file. Raises CannotCheck for one that is unreadable."""
        if not path.exists():
            return cls()
        try:
            document = json.loads(path.read_bytes())
            if document.pop("format") != _FORMAT:
                raise ValueError(f"format is not {_FORMAT}")
            seen = cls(**{**document, "peaks": tuple(document["peaks"])})
            seen.frontier()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CannotCheck(
                f"{path} is not what this witness wrote ({error}); without it nobody notices a rewritten log"
            ) from error
        return seen

    def write(self, path: Path) -> None:
        """Whole on the disk before it returns, or not at all."""
        draft = path.with_name(f"{path.name}.draft")
        with draft.open("w") as file:
            json.dump({"format": _FORMAT, **asdict(self)}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def frontier(self) -> Frontier:
        return Frontier(self.size, [_raw(peak) for peak in self.peaks])


@dataclass(frozen=True, slots=True)
class Outcome:
    """size, root: the log as it was checked. entries: how many were read now, of which in_full were opened.

    signed: False where there was nothing new to sign. checkpoint: the engine's answer to the signature.
    """

    size: int
    root: str
    entries: int
    in_full: int
    signed: bool
    checkpoint: dict[str, Any] | None


class Witness:
    """One witness of one engine. needs_all: refuse to sign over entries that are withheld from it."""

    def __init__(self, client: Client, account: LocalAccount, memory: Path, *, needs_all: bool) -> None:
        self._client = client
        self._account = account
        self._memory = memory
        self._needs_all = needs_all

    def run(self, *, whole: bool = False) -> Outcome:
        """Check what is new, sign it, hand it in. whole: read the log from its first entry on again.

        Raises Refusal, CannotCheck. May be repeated at any time.
        """
        seen = Seen.read(self._memory)
        try:
            view = self._client.checkpoint()
            return self._run(seen, view, whole=whole)
        except ApiError as error:
            if error.code in _ENGINE_SAYS_NO:
                raise Refusal(f"the engine itself finds its log changed: {error.detail}") from error
            raise CannotCheck(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CannotCheck(f"the engine does not answer: {error}") from error
        except OSError as error:
            raise CannotCheck(f"what was signed cannot be kept: {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise CannotCheck(f"the engine answers something else than a log ({error!r})") from error

    def _run(self, seen: Seen, view: dict[str, Any], *, whole: bool) -> Outcome:
        latest = _head(view["latest"])
        proposal = view["proposal"]
        proposed = _head(proposal) if proposal else latest
        reading = _Reading(seen, self._needs_all, whole=whole)
        reading.expect(latest)
        reading.expect(proposed)
        reading.through(self._client, max(proposed.size, seen.size))
        frontier = reading.frontier
        if proposal is None or proposed.size < seen.size:
            return reading.outcome(signed=False, checkpoint=None)
        typed = _typed_data(proposal, proposed, latest, seen)
        domain = typed["domain"]
        peaks = tuple("0x" + peak.hex() for peak in frontier.peaks)
        # Kept before it is handed in: what has once been signed is never signed otherwise.
        Seen(frontier.size, peaks, reading.newest, domain["chainId"], domain["verifyingContract"]).write(
            self._memory
        )
        signature = "0x" + sign(typed, self._account).hex()
        answer = self._client.sign_checkpoint(proposed.size, self._account.address, signature)
        return reading.outcome(signed=True, checkpoint=answer)


class _Reading:
    """The entries from where the witness stopped last, or from the first, each checked as it comes."""

    def __init__(self, seen: Seen, needs_all: bool, *, whole: bool) -> None:
        self._seen = seen
        self._needs_all = needs_all
        start = Seen() if whole else seen
        self.frontier = start.frontier()
        self.newest = start.newest
        self._expected: dict[int, bytes] = {}
        self._entries = self._in_full = 0
        self.expect(LogHead(seen.size, seen.frontier().head()))

    def expect(self, head: LogHead) -> None:
        """The log has that head at that size. One that was passed already is not seen again."""
        if head.size == 0:
            return
        known = self._expected.setdefault(head.size, head.root)
        if known != head.root or (head.size == self.frontier.size and self.frontier.head() != head.root):
            raise Refusal(f"the log of {head.size} entries has another head than before: it was rewritten")

    def through(self, client: Client, size: int) -> None:
        self._still_there(client)
        if size > self.frontier.size:
            self._read(client.access_log(self.frontier.size), size)

    def _still_there(self, client: Client) -> None:
        """The last entry that was signed is where it was."""
        if self._seen.size == 0:
            return
        last = next(client.access_log(self._seen.size - 1), None)
        if last is None or last["seq"] != self._seen.size:
            raise Refusal(f"the log was cut: entry {self._seen.size}, signed before, is not there any more")
        if last["digest"] != self._seen.newest:
            raise Refusal(f"the log was rewritten: entry {self._seen.size} is not the one signed before")

    def _read(self, entries: Iterator[dict[str, Any]], size: int) -> None:
        for entry in entries:
            self._take(entry)
            expected = self._expected.get(self.frontier.size)
            if expected is not None and self.frontier.head() != expected:
                raise Refusal(
                    f"the first {self.frontier.size} entries have another head than was signed or proposed: "
                    "the log was rewritten"
                )
            if self.frontier.size == size:
                return
        raise Refusal(f"the log was cut: it ends at entry {self.frontier.size}, and has to have {size}")

    def _take(self, entry: dict[str, Any]) -> None:
        seq = self.frontier.size + 1
        if entry["seq"] != seq:
            raise Refusal(f"entry {seq} is missing")
        if "previous_digest" in entry:
            self._in_full += 1
            if entry["previous_digest"] != self.newest:
                raise Refusal(f"entry {seq} does not follow entry {seq - 1}")
            if _digest(entry) != entry["digest"]:
                raise Refusal(f"entry {seq} is not what its digest says")
        elif self._needs_all:
            raise CannotCheck(f"entry {seq} is withheld: this needs an auditor's API key")
        self._entries += 1
        self.newest = entry["digest"]
        self.frontier.append(leaf_hash(_raw(entry["digest"])))

    def outcome(self, *, signed: bool, checkpoint: dict[str, Any] | None) -> Outcome:
        root = "0x" + self.frontier.head().hex()
        return Outcome(self.frontier.size, root, self._entries, self._in_full, signed, checkpoint)


def _typed_data(proposal: dict[str, Any], proposed: LogHead, latest: LogHead, seen: Seen) -> dict[str, Any]:
    """What is signed, made here; the engine's own has to be the same."""
    previous = _head(proposal["previous"])
    proof = [_raw(node) for node in proposal["consistency"]]
    if previous != latest or not verify_consistency(
        previous.size, previous.root, proposed.size, proposed.root, proof
    ):
        raise Refusal(f"the log of {proposed.size} entries is not shown to extend the checkpoint on chain")
    domain = proposal["typed_data"]["domain"]
    chain_id, store = int(domain["chainId"]), str(domain["verifyingContract"])
    if seen.store is not None and (seen.chain_id, seen.store) != (chain_id, store):
        raise Refusal(
            f"the checkpoint is for the contract {store} on chain {chain_id}; "
            f"the last one was for {seen.store} on chain {seen.chain_id}"
        )
    typed = checkpoint_typed_data(proposed, previous, chain_id=chain_id, store=store)
    if as_json(typed) != proposal["typed_data"]:
        raise Refusal("what the engine gives to sign is not this checkpoint")
    return typed


def _head(document: dict[str, Any]) -> LogHead:
    return LogHead(int(document["size"]), _raw(document["root"]))


def _digest(entry: dict[str, Any]) -> str:
    at = datetime.fromisoformat(entry["at"]).astimezone(UTC).isoformat(timespec="microseconds")
    covered = {name: entry[name] for name in _FIELDS} | {"at": at}
    return "0x" + hashlib.sha256(rfc8785.dumps(covered)).hexdigest()


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
