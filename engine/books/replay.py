"""A whole book decided again, part by part: what is finished is kept, and no more than a part is held."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from engine.adjudication.decision import ENGINE_VERSION
from engine.adjudication.replay.gates import policies_of
from engine.books import schema
from engine.books.book import Book, adjudicator_of
from engine.books.errors import BookInvalid
from engine.books.reading import ReadPart
from engine.books.results import Summary, UnderTerms, finished, summary_of, table_of, write
from engine.books.workers import in_processes
from engine.terms import Terms, terms_from_document

Announce = Callable[[str, Summary], object]
"""Told of each part when it is decided, or found decided."""


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker needs, in any process or on any machine that sees the same folders."""

    book: str
    out: str
    terms: tuple[str, ...]
    """Canonical terms documents."""


def replay(
    book: Path, terms: Sequence[Terms], out: Path, *, workers: int, announce: Announce, ray: str | None = None
) -> Summary:
    """Decide every settlement of the book into out/<part>.parquet: by processes here, or on a Ray cluster.

    Raises BookInvalid, OSError.
    """
    out.mkdir(parents=True, exist_ok=True)
    job = Job(str(book), str(out), tuple(one.canonical for one in terms))
    parts, total = Book(book).parts, Summary()
    if ray is None:
        decided = in_processes(decide_part, job, parts, workers)
    else:
        from engine.books.on_ray import on_ray  # noqa: PLC0415 - Ray is an extra

        decided = on_ray(decide_part, job, parts, ray)
    for part, summary in decided:
        total.add(summary)
        announce(part, summary)
    return total


def decide_part(job: Job, part: str) -> Summary:
    """Decide one part and keep it; or find it decided from the same inputs."""
    worker = _worker(job)
    path = Path(job.out) / f"{part}.parquet"
    mark = worker.mark(part)
    if summary := finished(path, mark):
        return summary
    read, decided = worker.decide(part)
    summary = summary_of(read, decided)
    write(path, table_of(read, decided), summary, mark)
    return summary


@cache
def _worker(job: Job) -> "Worker":
    return Worker(Path(job.book), [terms_of(canonical) for canonical in job.terms])


class Worker:
    """One process's share: the terms made ready once for all parts."""

    def __init__(self, book: Path, terms: Iterable[Terms]) -> None:
        self._book = Book(book)
        self._kinds = self._book.kinds()
        self._adjudicators = [adjudicator_of(one, self._kinds) for one in terms]
        digests = sorted(one.terms.digest_hex for one in self._adjudicators)
        self._inputs = "\n".join([ENGINE_VERSION, *digests, _digest(book / schema.KINDS_FILE)])

    def mark(self, part: str) -> str:
        """What the decisions of a part come from: engine, terms, kinds of lines, and the part itself."""
        folder = self._book.folder / part
        files = (schema.POLICIES_FILE, schema.SETTLEMENTS_FILE, schema.LINES_FILE)
        marks = "\n".join([self._inputs, *(_digest(folder / name) for name in files)])
        return hashlib.sha256(marks.encode()).hexdigest()

    def decide(self, part: str) -> tuple[ReadPart, list[UnderTerms]]:
        amounts = frozenset().union(*(one.line_columns for one in self._adjudicators))
        read = self._book.part(part, len(self._kinds), amounts)
        policies = read.part.policies
        decided, known = [], policies.renewed & False
        for adjudicator in self._adjudicators:
            under = policies_of(adjudicator.terms, policies)
            known |= under
            decided.append(UnderTerms(adjudicator.terms, *adjudicator.by_columns(read.part, under)))
        if not known.all():
            row = int((~known).argmax())
            message = f"of {policies.product.at(row)} {policies.edition.at(row)}: no such product is given"
            path = self._book.folder / part / schema.POLICIES_FILE
            raise BookInvalid(path, "edition", "book.no_terms", message, row)
        self._decide_rest(part, decided)
        return read, decided

    def _decide_rest(self, part: str, decided: Sequence[UnderTerms]) -> None:
        """What the columns could not say is read again with all there is of it."""
        if any(one.decided.left_over.any() for one in decided):
            whole = self._book.part(part, len(self._kinds)).part
            for adjudicator, one in zip(self._adjudicators, decided, strict=True):
                adjudicator.by_scalar(whole, one.decided)


def terms_of(canonical: str) -> Terms:
    return terms_from_document(json.loads(canonical))


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BookInvalid(path, "", "book.missing", error.strerror or "cannot be read") from error
