"""One roll for all: a node takes in what everybody was told of on chain, and nothing else."""

from engine.provider import reports
from tests.provider.site import Site, stay


def alarms(site: Site) -> list[tuple[str, str]]:
    told = reports.status(site.node.database)["alarms"]
    return [(alarm["code"], alarm["detail"]) for alarm in told]


def test_an_update_that_nobody_was_told_of_is_not_taken_in_until_everybody_is(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()), told=False)
    native = stay()
    row = site.through(native)
    assert (row.state, row.reason, site.insurer.asked) == ("kept", "provider.no_roll", [])
    [(code, detail)] = alarms(site)
    assert (code, "epoch 1, update 0" in detail) == ("match.update_not_on_chain", True)
    site.insurer.tell(site.insurer.newest(1))
    site.work()
    assert (site.row(native).state, alarms(site)) == ("accepted", [])


def test_a_second_roll_for_another_provider_is_taken_in_by_nobody_even_if_it_is_told_later(
    site: Site,
) -> None:
    """Each node sees the same versions in the same order: the first under an update's name is the update."""
    cover = site.chain.cover(site.chain.grant())
    site.insurer.publish(1, cover)
    everybodys = site.insurer.take_back(1)
    site.insurer.publish(1, told=False)  # without the insured, for this provider
    other = site.insurer.newest(1)
    for told in (False, True):
        if told:
            site.insurer.tell(other)
        native = stay()
        assert site.through(native).state == "kept"
        [(code, detail)] = alarms(site)
        assert code == "match.update_not_on_chain"
        assert other.digest in detail
        assert everybodys.digest in detail
    assert site.insurer.asked == []


def test_what_was_taken_in_stays_in_use_when_the_next_is_another_than_everybody_was_told(site: Site) -> None:
    cover = site.chain.cover(site.chain.grant())
    site.insurer.publish(1, cover)
    assert site.through(stay()).state == "accepted"
    site.insurer.publish(1, cover)
    site.insurer.take_back(1)
    site.insurer.publish(1, told=False)
    assert site.through(stay()).state == "accepted"
    assert [code for code, _ in alarms(site)] == ["match.update_not_on_chain"]
