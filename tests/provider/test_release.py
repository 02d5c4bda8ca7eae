"""What of a matched discharge leaves, when, and what never does: the chain's word, and the insurer's."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlmodel import select

from engine.chain.errors import ChainUnavailable
from engine.errors import Conflict, Refused
from engine.provider import tables
from engine.provider.settings import Purpose
from tests.chain.world import word
from tests.provider.site import NO_ANSWER, Site, alarms, stay


def test_consent_that_is_revoked_on_chain_is_not_live_whatever_the_entry_says(site: Site) -> None:
    grant = site.chain.grant()
    site.insurer.publish(1, site.chain.cover(grant))
    site.chain.client.registry.revoke_for(grant.id)
    row = site.through(stay())
    assert (row.state, row.reason) == ("no_consent", "consent.revoked")
    assert site.insurer.released == []


@pytest.mark.parametrize("other", ["authorization", "scope"])
def test_consent_that_is_none_or_for_another_use_releases_nothing(site: Site, other: str) -> None:
    cover = site.chain.cover(site.chain.grant(), **{other: "0x" + word().hex()})
    site.insurer.publish(1, cover)
    row = site.through(stay())
    expected = {"authorization": "consent.unknown", "scope": "purpose.not_ours"}
    assert (row.state, row.reason) == ("no_consent", expected[other])
    assert site.insurer.released == []


def test_a_purpose_that_the_catalogue_lists_no_more_gets_nothing(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    site.node.chain._open().catalog.delist_purpose(site.node.chain.dataset, site.chain.purpose.scope)
    row = site.through(stay())
    assert (row.state, row.reason) == ("no_consent", "purpose.purpose_not_listed")
    assert site.insurer.released == []


def test_consent_revoked_between_match_and_release_stops_the_release(site: Site) -> None:
    grant = site.chain.grant()
    site.insurer.publish(1, site.chain.cover(grant))
    site.insurer.refuses_releases = NO_ANSWER
    native = stay()
    assert site.through(native).state == "released"
    site.chain.client.registry.revoke_for(grant.id)
    site.insurer.refuses_releases = None
    site.work()
    row = site.row(native)
    assert (row.state, row.reason) == ("no_consent", "consent.revoked")
    assert site.insurer.released == []


def test_a_chain_that_is_away_when_the_answer_comes_costs_no_second_question(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ChainUnavailable("away")

    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    native = stay()
    with monkeypatch.context() as patched:
        patched.setattr(site.node.chain, "refusal", away)
        row = site.through(native)
    assert (row.state, row.reason, site.insurer.released) == ("matched", "ChainUnavailable", [])
    site.work()
    assert site.row(native).state == "accepted"
    assert (len(site.insurer.asked), len(site.insurer.released)) == (1, 1)


def test_two_policies_with_consent_get_a_release_each_and_one_without_gets_none(site: Site) -> None:
    first, second = (site.chain.cover(site.chain.grant(), product=product) for product in ("a", "b"))
    site.insurer.publish(1, first, second, site.chain.cover(None, product="c"))
    row = site.through(stay())
    assert (row.state, row.reason) == ("accepted", "2 claim(s)")
    assert {release["handle"] for release in site.insurer.released} == {first.handle, second.handle}


def test_what_is_about_to_leave_is_kept_of_every_policy_before_the_first_does(site: Site) -> None:
    revoked = site.chain.grant()
    site.chain.client.registry.revoke_for(revoked.id)
    live = [site.chain.cover(site.chain.grant(), product=product) for product in ("a", "b")]
    site.insurer.publish(1, *live, site.chain.cover(revoked, product="c"))
    site.insurer.refuses_releases = NO_ANSWER
    site.through(stay())
    with site.node.database.reading() as session:
        kept = {one.product: one for one in session.exec(select(tables.Release))}
    assert {product: (one.sent_at is None, one.outcome) for product, one in kept.items()} == {
        "a": (False, None),
        "b": (False, None),
        "c": (True, "consent.revoked"),
    }


def test_where_the_insurer_has_seen_it_for_one_purpose_nothing_is_withheld_for_another(site: Site) -> None:
    """Also where it has taken the one, and did not answer to the other for a while."""
    shown = site.chain.cover(site.chain.grant(), product="a", handle="0a" * 16)
    other = site.chain.purpose = Purpose(purpose="b", recipient="the pool", product="b", mode="decision")
    site.chain.client.registry.admit_scope(other.scope)
    site.node.settings.purposes.append(other)
    site.node.chain.register_dataset([purpose.scope for purpose in site.node.settings.purposes])
    site.insurer.publish(1, shown, site.chain.cover(site.chain.grant(), product="b", handle="0b" * 16))
    release, asked = site.insurer.release, list[str]()

    def once(hospital_code: str, said: Mapping[str, Any]) -> str:
        asked.append(said["mode"])
        if len(asked) == 2:
            raise NO_ANSWER
        return release(hospital_code, said)

    site.insurer.release = once  # type: ignore[method-assign]
    native = stay()
    assert site.through(native).state == "released"
    site.work()
    assert (site.row(native).state, asked) == ("accepted", ["settlement"] * 3)


def test_a_key_that_is_withdrawn_before_the_release_was_taken_is_asked_under_anew(site: Site) -> None:
    cover = site.chain.cover(site.chain.grant())
    site.insurer.publish(1, cover)
    site.insurer.refuses_releases = Conflict("withdrawn", code="match.epoch_withdrawn")
    native = stay()
    assert site.through(native).state == "kept"
    assert len(site.insurer.asked) == 1
    site.insurer.refuses_releases = None
    site.insurer.publish(site.insurer.new_epoch(), cover)
    site.work()
    assert (site.row(native).state, site.row(native).epoch) == ("accepted", 2)


@pytest.mark.parametrize(
    ("code", "state"), [("release.not_covered", "turned_down"), ("release.consent", "no_consent")]
)
def test_what_the_insurer_turns_down_is_not_sent_again(site: Site, code: str, state: str) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    site.insurer.refuses_releases = Conflict("no", code=code)
    native = stay()
    row = site.through(native)
    assert (row.state, row.reason) == (state, code)
    site.insurer.refuses_releases = None
    site.work()
    assert (site.row(native).state, site.insurer.released) == (state, [])


def test_what_the_insurer_refuses_before_it_looks_at_it_is_told_and_tried_again(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    site.insurer.refuses_releases = Refused("request.invalid", "no")
    native = stay()
    row = site.through(native)
    assert (row.state, row.reason, alarms(site)) == ("released", "request.invalid", ["request.invalid"])
    site.insurer.refuses_releases = None
    site.work()
    assert site.row(native).state == "accepted"
