"""Products and policies in: terms loaded and registered on chain, the roll kept sealed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlmodel import Session

from engine.errors import Conflict, NotFound, Refused
from engine.evidence.canonical import digest
from engine.evidence.manifest import hex32
from engine.evidence.salts import PolicySalts
from engine.pipeline.consent import admit_scope
from engine.pipeline.context import SHANGHAI, Context
from engine.pipeline.page import Page
from engine.pipeline.sealed import seal_alias, seal_coverage, seal_policy_salts
from engine.pipeline.states import COUNTED, UNDECIDED
from engine.pipeline.values import stored
from engine.rolls import Later, PolicyRow, RowError, read_roll
from engine.settlement import normalise_certificate
from engine.store import policies, tables
from engine.terms import Terms, TermsBook, TermsInvalid, load_product_text

_CHUNK = 500
TERMS_CLASSIFICATION = 1
"""Published terms are public data in the catalogue's classification."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of a roll. Good rows are kept even when others are refused: each refusal is listed.

    loaded: policies that are new, and held ones of which something new was said.
    """

    loaded: int
    unchanged: int
    refused: list[dict[str, Any]]


def load_product(ctx: Context, source: bytes, name: str) -> dict[str, Any]:
    """Validate a product file, keep it, and register its digest in the catalogue on chain.

    The same terms again change nothing. Other terms for a loaded edition are refused: a change of terms is a
    version with the next number, never a silent replacement. What it changes in decisions that stand is
    re-opened from the day on which it is known. Raises Refused, Conflict.
    """
    try:
        terms = load_product_text(source, name)
        with ctx.database.reading() as session:
            _held(ctx, session, terms)
    except TermsInvalid as error:
        listed = [
            {"field": f"{p.path}:{p.line}:{p.column}", "rule": p.rule, "message": p.message}
            for p in error.problems
        ]
        raise Refused("terms.invalid", f"{name} is not a valid product", listed) from error
    register_terms(ctx, terms.product, terms.edition, bytes.fromhex(terms.digest_hex.removeprefix("0x")))
    return _product_view(ctx.writer.run(lambda session: _keep_terms(ctx, session, terms)))


def _keep_terms(ctx: Context, session: Session, terms: Terms) -> tables.Product:
    held = _held(ctx, session, terms)
    if held is not None:
        return held
    row = tables.Product(
        product=terms.product,
        edition=terms.edition,
        version=_number(terms),
        digest=terms.digest_hex,
        document=terms.document,
        loaded_at=ctx.clock(),
    )
    session.add(row)
    known = ctx.clock()
    if terms.version is not None:
        day = terms.version.known_from
        known = max(known, datetime(day.year, day.month, day.day, tzinfo=SHANGHAI))
    policies.ask_to_reopen(session, policies.with_claims(session, terms.product, terms.edition), known)
    return row


def _held(ctx: Context, session: Session, terms: Terms) -> tables.Product | None:
    """The same wording, if it is held. Raises Conflict, or TermsInvalid where it does not follow what is."""
    wordings = policies.wordings(session, terms.product, terms.edition)
    for row in wordings:
        if row.digest == terms.digest_hex:
            return row
        if row.version == _number(terms):
            raise Conflict(
                f"{terms.product}-{terms.edition} is loaded with other terms as version {row.version}:"
                " a change of terms is a version with the next number",
                code="terms.edition_exists",
            )
    TermsBook.of([*(ctx.terms(row) for row in wordings), terms])
    return None


def _number(terms: Terms) -> int:
    return terms.version.number if terms.version is not None else 1


def register_terms(ctx: Context, product: str, edition: str, terms_digest: bytes) -> None:
    """Publish a wording's digest in the catalogue, once; a repeat after a crash finishes what is missing."""
    dataset = terms_dataset(product, edition)
    catalog = ctx.chain.catalog
    catalog.register_once(dataset, TERMS_CLASSIFICATION, [digest({"use": "adjudication"})])
    latest = catalog.latest_version(dataset)
    published = (catalog.version_of(dataset, version)[1] for version in range(latest, 0, -1))
    if terms_digest not in published:
        catalog.publish_version(dataset, digest({"kind": "terms"}), terms_digest)
    admit_scope(ctx, product)


def terms_dataset(product: str, edition: str) -> bytes:
    """The dataset id under which an edition's terms stand in the catalogue."""
    return digest({"dataset": "terms", "product": product, "edition": edition})


def list_products(ctx: Context) -> list[dict[str, Any]]:
    with ctx.database.reading() as session:
        return [_product_view(row) for row in policies.products(session)]


def _product_view(row: tables.Product) -> dict[str, Any]:
    return {
        "product": row.product,
        "edition": row.edition,
        "version": row.version,
        "terms_digest": "0x" + row.digest,
        "terms_dataset": hex32(terms_dataset(row.product, row.edition)),
        "loaded_at": row.loaded_at,
    }


def load_policies(ctx: Context, lines: Iterable[bytes], kind: str) -> LoadReport:
    """Keep a roll (`kind`: "ndjson" or "csv"), in chunks of one commit each, streaming.

    A policy that is held with the same content is unchanged; with other content it is refused. Of a held one
    it may still be said that it is cancelled, or how else its insured is known (engine.rolls.Later).
    """
    loaded = unchanged = 0
    refused: list[dict[str, Any]] = []
    chunk: list[PolicyRow] = []
    editions = {(p["product"], p["edition"]) for p in list_products(ctx)}

    def flush() -> None:
        nonlocal loaded, unchanged
        added, same, clashes = ctx.writer.run(lambda session: _keep_policies(ctx, session, chunk))
        loaded, unchanged = loaded + added, unchanged + same
        refused.extend(clashes)
        chunk.clear()

    for row in read_roll(lines, kind):
        if isinstance(row, RowError):
            refused.append({"line": row.line, "field": row.field, "rule": row.rule, "message": row.message})
            continue
        document = row.document
        if (document["product"], document["edition"]) not in editions:
            refused.append(
                _clash(row.line, "edition", "policy.product_unknown", "load this product's edition first")
            )
            continue
        chunk.append(row)
        if len(chunk) == _CHUNK:
            flush()
    if chunk:
        flush()
    return LoadReport(loaded, unchanged, refused)


def _keep_policies(
    ctx: Context, session: Session, chunk: Sequence[PolicyRow]
) -> tuple[int, int, list[dict[str, Any]]]:
    held = policies.policies_by_no(session, [row.document["policy_no"] for row in chunk])
    added = same = 0
    clashes = []
    for row in chunk:
        policy_no = row.document["policy_no"]
        coverage_digest = ctx.vault.fingerprint(row.document)
        if policy_no not in held:
            held[policy_no] = _policy(ctx, row.document, coverage_digest)
            session.add(held[policy_no])
            _say_later(ctx, session, held[policy_no], row.later)
            added += 1
        elif held[policy_no].coverage_digest != coverage_digest:
            clashes.append(_clash(row.line, "policy_no", "policy.conflict", "held with other content"))
        elif not held[policy_no].salts_sealed:
            clashes.append(_clash(row.line, "policy_no", "policy.erased", "its person was erased"))
        elif why_not := _why_not_cancelled(session, held[policy_no], row.later):
            clashes.append(_clash(row.line, "cancelled_on", "policy.cancellation", why_not))
        elif _say_later(ctx, session, held[policy_no], row.later):
            added += 1
        else:
            same += 1
    return added, same, clashes


def _why_not_cancelled(session: Session, policy: tables.Policy, later: Later) -> str:
    """Empty where it can be, or is as of that day, or nothing is said of it."""
    if later.cancelled_on in (None, policy.cancelled_on):
        return ""
    policies.lock(session, policy)
    if policy.cancelled_on is not None:
        return f"it is cancelled as of {policy.cancelled_on}"
    last = policies.stays_until(session, stored(policy.id), (*UNDECIDED, *COUNTED))
    if last is not None and last >= later.cancelled_on:
        return f"a claim of a stay until {last} stands: no cancellation takes cover away from it"
    return ""


def _say_later(ctx: Context, session: Session, policy: tables.Policy, later: Later) -> bool:
    """Whether it was anything new."""
    new = later.cancelled_on not in (None, policy.cancelled_on)
    if new:
        policy.cancelled_on = later.cancelled_on
        session.add(policy)
    aliases: dict[str, list[str]] = {
        **{ctx.pseudonymiser.of(*certificate): [*certificate] for certificate in later.other_certificates},
        **{ctx.pseudonymiser.of_name(name): [name] for name in later.other_names},
    }
    if aliases:
        session.flush()
    for pseudonym, said in aliases.items():
        alias = policies.alias(session, stored(policy.id), pseudonym)
        if alias is None:
            alias = tables.PolicyAlias(policy_id=stored(policy.id), pseudonym=pseudonym)
            new = True
        if alias.sealed is None:
            alias.sealed = seal_alias(ctx.vault, policy, pseudonym, said)
            session.add(alias)
    return new


def _policy(ctx: Context, document: dict[str, Any], coverage_digest: str) -> tables.Policy:
    person = document["person"]
    identity = normalise_certificate(person["cert_type"], person["cert_no"])
    return tables.Policy(
        policy_no=document["policy_no"],
        product=document["product"],
        edition=document["edition"],
        effective=date.fromisoformat(document["effective"]),
        expires=date.fromisoformat(document["expires"]),
        pseudonym=ctx.pseudonymiser.of(*identity),
        family=_family(ctx, document),
        coverage_digest=coverage_digest,
        coverage_sealed=seal_coverage(ctx.vault, document),
        salts_sealed=seal_policy_salts(ctx.vault, document["policy_no"], PolicySalts.generate(ctx.rng)),
        loaded_at=ctx.clock(),
    )


def _family(ctx: Context, document: dict[str, Any]) -> str | None:
    """A family is one within an edition; what the insurer calls it stays in the sealed coverage."""
    if "family" not in document:
        return None
    return ctx.vault.fingerprint({name: document[name] for name in ("product", "edition", "family")})


def _clash(line: int, field: str, rule: str, message: str) -> dict[str, Any]:
    return {"line": line, "field": field, "rule": rule, "message": message}


def list_policies(ctx: Context, after: int, limit: int) -> Page:
    with ctx.database.reading() as session:
        rows = policies.policies_page(session, after, limit)
    return Page([_policy_view(row) for row in rows], rows[-1].id if len(rows) == limit else None)


def get_policy(ctx: Context, policy_no: str) -> dict[str, Any]:
    """Raises NotFound."""
    with ctx.database.reading() as session:
        row = policies.policy_by_no(session, policy_no)
    if row is None:
        raise NotFound(f"there is no policy {policy_no}", code="policy.unknown")
    return _policy_view(row)


def _policy_view(row: tables.Policy) -> dict[str, Any]:
    return {
        "policy_no": row.policy_no,
        "product": row.product,
        "edition": row.edition,
        "effective": row.effective,
        "expires": row.expires,
        "cancelled_on": row.cancelled_on,
        "loaded_at": row.loaded_at,
    }
