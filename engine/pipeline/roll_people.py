"""The people of the roll, and what is known of each: what a publication says, and a list of whom it has."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cache, partial
from typing import Any

from sqlmodel import Session

from engine.evidence.manifest import hex32, subject_of
from engine.matching.entries import InsuredUnder
from engine.pipeline.consent import GRANTED, scope_id
from engine.pipeline.context import Context
from engine.pipeline.erasure import ERASED
from engine.pipeline.sealed import alias, authorization_salts, coverage
from engine.settlement import normalise_certificate, normalise_name
from engine.store import matching, tables

_AT_ONCE = 500
_ENTRY_FORM = 2
"""Of what entries say: an entry of an earlier form is published anew. 2: with what opens the subject."""
Scope = Callable[[str], str]
"""Product -> its scope, 0x and 64 digits."""


def scopes(ctx: Context) -> Scope:
    return cache(partial(scope_id, ctx))


def pages(ctx: Context) -> Iterator[list[str]]:
    """Everybody's pseudonyms, in order, some hundred at a time."""
    after = ""
    while people := _after(ctx, after):
        yield people
        after = people[-1]


def _after(ctx: Context, after: str) -> list[str]:
    with ctx.database.reading() as session:
        return matching.people_after(session, after, ERASED, _AT_ONCE)


def certificates(ctx: Context, product: str) -> Iterator[tuple[str, str]]:
    """(type, number) of every certificate under which somebody is known who has a policy of the product."""
    scope = scopes(ctx)
    for page in pages(ctx):
        with ctx.database.reading() as session:
            people = People(ctx, session, page, scope)
            insured = [who for who in page if any(one.product == product for one in people.known[who])]
            people.open(session, insured)
            found = [people.certificate(who) for who in insured]
        yield from (one for one in found if one is not None)


class People:
    """Some people, and what is published of them."""

    def __init__(self, ctx: Context, session: Session, people: Sequence[str], scope: Scope) -> None:
        self._ctx = ctx
        self._scope = scope
        since = ctx.today() - timedelta(days=ctx.settings.retention_policy_days)
        self.known: defaultdict[str, list[matching.Known]] = defaultdict(list)
        for one in matching.known_as(session, people):
            if (one.cancelled_on or one.expires) >= since and one.holder != ERASED:
                self.known[one.person].append(one)
        holders = {one.holder for known in self.known.values() for one in known}
        at_s = int(ctx.clock().timestamp())
        self._consents = matching.consents(session, holders, GRANTED, at_s)
        self._aliases: defaultdict[int, list[tables.PolicyAlias]] = defaultdict(list)
        for row in matching.aliases(session, {one.policy_id for who in people for one in self.known[who]}):
            self._aliases[row.policy_id].append(row)
        self._policies: dict[int, tables.Policy] = {}

    def stamp(self, who: str) -> str:
        """Changes with whatever the person's entry says."""
        said: list[Any] = [_ENTRY_FORM]
        said += [
            [
                one.policy_id,
                one.effective.isoformat(),
                one.expires.isoformat(),
                one.cancelled_on and one.cancelled_on.isoformat(),
                self._authorization(one),
                [[row.pseudonym, row.sealed is not None] for row in self._aliases[one.policy_id]],
            ]
            for one in self.known[who]
        ]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def open(self, session: Session, people: Sequence[str]) -> None:
        """Before asking what is sealed about them."""
        wanted = {one.policy_id for who in people for one in self.known[who]}
        self._policies = matching.policies(session, wanted)

    def certificate(self, who: str) -> tuple[str, str] | None:
        for one in self.known[who]:
            policy = self._policies[one.policy_id]
            if policy.pseudonym == who:
                person = coverage(self._ctx.vault, policy)["person"]
                return normalise_certificate(person["cert_type"], person["cert_no"])
            for row in self._aliases[one.policy_id]:
                said = alias(self._ctx.vault, policy, row) if row.pseudonym == who else None
                if said is not None and len(said) == 2:
                    return said[0], said[1]
        return None

    def is_unknown(self, who: str) -> bool:
        """Whether it is an alias of which nothing but the pseudonym was kept."""
        return any(
            row.pseudonym == who and row.sealed is None
            for one in self.known[who]
            for row in self._aliases[one.policy_id]
        )

    def names(self, who: str) -> set[str]:
        found = set()
        for one in self.known[who]:
            policy = self._policies[one.policy_id]
            found.add(normalise_name(coverage(self._ctx.vault, policy)["person"]["name"]))
            said = (alias(self._ctx.vault, policy, row) for row in self._aliases[one.policy_id])
            found.update(names[0] for names in said if names is not None and len(names) == 1)
        return found

    def insured_under(self, one: matching.Known, handle: str, certificate: tuple[str, str]) -> InsuredUnder:
        consent = self._consent(one)
        return InsuredUnder(
            handle=handle,
            product=one.product,
            effective=one.effective,
            expires=one.expires,
            cancelled_on=one.cancelled_on,
            authorization=self._authorization(one),
            subject=consent and consent.subject,
            scope=self._scope(one.product),
            subject_salt=consent and self._subject_salt(consent, certificate),
        )

    def _subject_salt(self, consent: matching.Consent, certificate: tuple[str, str]) -> str | None:
        """What opens the subject to this certificate; None: it was given under another one."""
        salt = authorization_salts(self._ctx.vault, consent).subject
        return salt.hex() if hex32(subject_of(*certificate, salt)) == consent.subject else None

    def _authorization(self, one: matching.Known) -> str | None:
        consent = self._consent(one)
        return consent and consent.authorization_id

    def _consent(self, one: matching.Known) -> matching.Consent | None:
        return self._consents.get((one.holder, self._scope(one.product)))
