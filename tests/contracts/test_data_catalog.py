"""DataCatalog."""

from typing import Any

import pytest

from tests.contracts.world import NOBODY, Refused, World, role

PURPOSE, ANOTHER = role("purpose"), role("another purpose")


def dataset(world: World, dataset_id: bytes) -> tuple[object, ...]:
    """(provider, classification, retired, version, epoch)"""
    return tuple(world.ask(world.catalog.functions.datasetOf(dataset_id)))


def refusal_to_use(world: World, dataset_id: bytes, purpose: bytes) -> tuple[Any, ...] | None:
    try:
        world.ask(world.catalog.functions.requireUsable(dataset_id, purpose))
    except Refused as refused:
        return refused.args
    return None


def not_the_provider(world: World, dataset_id: bytes, who: str) -> tuple[object, ...]:
    people = world.people
    return ("NotTheProvider", dataset_id, people[who].lower(), people["provider"].lower())


def test_a_dataset_is_registered_once_by_a_provider(world: World) -> None:
    dataset_id, functions = world.fresh(), world.catalog.functions
    register = functions.register(dataset_id, 4, [PURPOSE, ANOTHER])
    assert world.refusal(register, by="requester")[0] == "AccessControlUnauthorizedAccount"
    receipt = world.send(register, by="provider")
    provider = world.people["provider"]
    assert world.events(receipt, world.catalog) == [
        ("DatasetRegistered", {"datasetId": dataset_id, "provider": provider, "classification": 4}),
        ("PurposeListed", {"datasetId": dataset_id, "purpose": PURPOSE}),
        ("PurposeListed", {"datasetId": dataset_id, "purpose": ANOTHER}),
    ]
    assert world.ask(functions.providerOf(dataset_id)) == provider
    assert dataset(world, dataset_id) == (provider, 4, False, 0, 0)
    assert world.refusal(register, by="other_provider") == ("DatasetExists", dataset_id, provider.lower())


@pytest.mark.parametrize(
    ("classification", "purposes", "error"),
    [
        (0, [PURPOSE], ("ClassificationOutOfRange", 0)),
        (5, [PURPOSE], ("ClassificationOutOfRange", 5)),
        (1, [], ("NoPurpose",)),
        (1, [PURPOSE, bytes(32)], ("ZeroField",)),
        (1, [PURPOSE, PURPOSE], ("PurposeRepeated", PURPOSE)),
    ],
)
def test_a_dataset_that_means_nothing_is_refused(
    world: World, classification: int, purposes: list[bytes], error: tuple[object, ...]
) -> None:
    dataset_id = world.fresh()
    register = world.catalog.functions.register
    refusal = world.refusal(register(dataset_id, classification, purposes), by="provider")
    assert refusal == (error[0], dataset_id, *error[1:])
    assert world.ask(world.catalog.functions.providerOf(dataset_id)) == NOBODY
    assert world.refusal(register(bytes(32), 1, [PURPOSE]), by="provider") == ("ZeroField", bytes(32))


@pytest.mark.parametrize("classification", [1, 4])
def test_every_classification_in_range_is_taken(world: World, classification: int) -> None:
    dataset_id = world.fresh()
    world.send(world.catalog.functions.register(dataset_id, classification, [PURPOSE]), by="provider")
    assert dataset(world, dataset_id)[1] == classification


def test_a_dataset_is_usable_for_its_listed_purposes_only(world: World) -> None:
    dataset_id, functions = world.registered_dataset(purpose=PURPOSE), world.catalog.functions
    assert refusal_to_use(world, dataset_id, PURPOSE) is None
    assert world.ask(functions.lists(dataset_id, PURPOSE))
    assert not world.ask(functions.lists(dataset_id, ANOTHER))
    assert refusal_to_use(world, dataset_id, ANOTHER) == ("PurposeNotListed", dataset_id, ANOTHER)
    unknown = world.fresh()
    assert refusal_to_use(world, unknown, PURPOSE) == ("DatasetUnknown", unknown)

    listing = functions.listPurpose(dataset_id, ANOTHER)
    assert world.refusal(listing, by="other_provider") == not_the_provider(
        world, dataset_id, "other_provider"
    )
    assert world.refusal(listing, by="governor")[0] == "AccessControlUnauthorizedAccount"
    receipt = world.send(listing, by="provider")
    assert world.events(receipt, world.catalog) == [
        ("PurposeListed", {"datasetId": dataset_id, "purpose": ANOTHER})
    ]
    assert refusal_to_use(world, dataset_id, ANOTHER) is None
    assert world.refusal(listing, by="provider") == ("PurposeRepeated", dataset_id, ANOTHER)
    nothing = functions.listPurpose(dataset_id, bytes(32))
    assert world.refusal(nothing, by="provider") == ("ZeroField", dataset_id)
    elsewhere = functions.listPurpose(unknown, PURPOSE)
    assert world.refusal(elsewhere, by="provider") == ("DatasetUnknown", unknown)


@pytest.mark.parametrize("by", ["provider", "governor"])
def test_a_delisted_purpose_can_be_asked_for_no_more(world: World, by: str) -> None:
    dataset_id, functions = world.registered_dataset(), world.catalog.functions
    world.send(functions.listPurpose(dataset_id, ANOTHER), by="provider")
    delisting = functions.delistPurpose(dataset_id, PURPOSE)
    receipt = world.send(delisting, by=by)
    assert world.events(receipt, world.catalog) == [
        ("PurposeDelisted", {"datasetId": dataset_id, "purpose": PURPOSE})
    ]
    assert refusal_to_use(world, dataset_id, PURPOSE) == ("PurposeNotListed", dataset_id, PURPOSE)
    assert not world.ask(functions.lists(dataset_id, PURPOSE))
    assert refusal_to_use(world, dataset_id, ANOTHER) is None
    assert world.refusal(delisting, by=by) == ("PurposeNotListed", dataset_id, PURPOSE)
    world.send(functions.listPurpose(dataset_id, PURPOSE), by="provider")  # it may be offered again
    assert refusal_to_use(world, dataset_id, PURPOSE) is None


def test_versions_count_from_one_and_only_the_provider_publishes(world: World) -> None:
    dataset_id, functions = world.registered_dataset(), world.catalog.functions
    published = []
    for version in (1, 2, 3):
        digests = schema, content = world.fresh(), world.fresh()
        published.append(digests)
        receipt = world.send(functions.publishVersion(dataset_id, *digests), by="provider")
        assert world.events(receipt, world.catalog) == [
            (
                "VersionPublished",
                {
                    "datasetId": dataset_id,
                    "version": version,
                    "schemaDigest": schema,
                    "contentDigest": content,
                },
            )
        ]
        assert dataset(world, dataset_id)[3] == version
    told = [tuple(world.ask(functions.versionOf(dataset_id, version))) for version in range(5)]
    assert told == [(bytes(32), bytes(32)), *published, (bytes(32), bytes(32))]

    publishing = functions.publishVersion(dataset_id, PURPOSE, PURPOSE)
    assert world.refusal(publishing, by="other_provider") == not_the_provider(
        world, dataset_id, "other_provider"
    )
    assert world.refusal(publishing, by="governor")[0] == "AccessControlUnauthorizedAccount"
    for zero in ((bytes(32), PURPOSE), (PURPOSE, bytes(32))):
        function = functions.publishVersion(dataset_id, *zero)
        assert world.refusal(function, by="provider") == ("ZeroField", dataset_id)
    assert dataset(world, dataset_id)[3] == 3


def key_of(world: World, dataset_id: bytes, epoch: int) -> object:
    try:
        return world.ask(world.catalog.functions.matchingKeyOf(dataset_id, epoch))
    except Refused as refused:
        return refused.args


def test_a_matching_key_is_published_once_an_epoch_in_order(world: World) -> None:
    dataset_id, functions = world.registered_dataset(), world.catalog.functions
    keys = [world.fresh() for _ in range(3)]
    for epoch, key in enumerate(keys, start=1):
        for wrong in {0, epoch - 1, epoch + 1, 2**32 - 1}:
            early = functions.publishMatchingKey(dataset_id, wrong, key)
            refusal = ("EpochOutOfOrder", dataset_id, wrong, epoch - 1)
            assert world.refusal(early, by="provider") == refusal
        receipt = world.send(functions.publishMatchingKey(dataset_id, epoch, key), by="provider")
        assert world.events(receipt, world.catalog) == [
            ("MatchingKeyPublished", {"datasetId": dataset_id, "epoch": epoch, "matchingKey": key})
        ]
        assert dataset(world, dataset_id)[4] == epoch
    assert [key_of(world, dataset_id, epoch) for epoch in (1, 2, 3)] == keys
    for never in (0, 4):
        assert key_of(world, dataset_id, never) == ("NoMatchingKey", dataset_id, never)

    publishing = functions.publishMatchingKey(dataset_id, 4, PURPOSE)
    assert world.refusal(publishing, by="other_provider") == not_the_provider(
        world, dataset_id, "other_provider"
    )
    assert world.refusal(publishing, by="governor")[0] == "AccessControlUnauthorizedAccount"
    nothing = functions.publishMatchingKey(dataset_id, 4, bytes(32))
    assert world.refusal(nothing, by="provider") == ("ZeroField", dataset_id)


@pytest.mark.parametrize("by", ["provider", "governor"])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_withdrawn_key_is_good_for_nothing_and_its_epoch_stays_used(
    world: World, by: str, epoch: int
) -> None:
    dataset_id, functions = world.registered_dataset(), world.catalog.functions
    keys = {1: world.fresh(), 2: world.fresh()}
    for number, key in keys.items():
        world.send(functions.publishMatchingKey(dataset_id, number, key), by="provider")
    withdrawing = functions.withdrawMatchingKey(dataset_id, epoch)
    receipt = world.send(withdrawing, by=by)
    assert world.events(receipt, world.catalog) == [
        ("MatchingKeyWithdrawn", {"datasetId": dataset_id, "epoch": epoch})
    ]
    assert key_of(world, dataset_id, epoch) == ("NoMatchingKey", dataset_id, epoch)
    assert key_of(world, dataset_id, 3 - epoch) == keys[3 - epoch]
    assert world.refusal(withdrawing, by=by) == ("NoMatchingKey", dataset_id, epoch)
    again = functions.publishMatchingKey(dataset_id, epoch, world.fresh())
    assert world.refusal(again, by="provider") == ("EpochOutOfOrder", dataset_id, epoch, 2)
    world.send(functions.publishMatchingKey(dataset_id, 3, world.fresh()), by="provider")


def test_keys_and_versions_of_two_datasets_do_not_mix(world: World) -> None:
    one, other = world.registered_dataset(), world.registered_dataset()
    functions = world.catalog.functions
    world.send(functions.publishMatchingKey(one, 1, PURPOSE), by="provider")
    world.send(functions.publishVersion(one, PURPOSE, PURPOSE), by="provider")
    world.send(functions.listPurpose(one, ANOTHER), by="provider")
    assert key_of(world, other, 1) == ("NoMatchingKey", other, 1)
    assert dataset(world, other)[2:] == (False, 0, 0)
    assert not world.ask(functions.lists(other, ANOTHER))
    world.send(functions.retire(one), by="provider")
    assert refusal_to_use(world, other, PURPOSE) is None


def test_a_provider_that_lost_its_role_publishes_no_more_and_may_withdraw(world: World) -> None:
    dataset_id, functions = world.registered_dataset(), world.catalog.functions
    world.send(functions.publishMatchingKey(dataset_id, 1, PURPOSE), by="provider")
    world.change_role(world.catalog, "PROVIDER_ROLE", "provider", grants=False)
    for function in (
        functions.publishVersion(dataset_id, PURPOSE, PURPOSE),
        functions.publishMatchingKey(dataset_id, 2, PURPOSE),
        functions.listPurpose(dataset_id, ANOTHER),
    ):
        assert world.refusal(function, by="provider")[0] == "AccessControlUnauthorizedAccount"
    for function in (
        functions.withdrawMatchingKey(dataset_id, 1),
        functions.delistPurpose(dataset_id, PURPOSE),
        functions.retire(dataset_id),
    ):
        world.send(function, by="provider")


@pytest.mark.parametrize("by", ["provider", "governor"])
def test_a_retired_dataset_is_never_usable_again(world: World, by: str) -> None:
    dataset_id, functions = world.registered_dataset(), world.catalog.functions
    receipt = world.send(functions.retire(dataset_id), by=by)
    assert world.events(receipt, world.catalog) == [("DatasetRetired", {"datasetId": dataset_id})]
    over = ("DatasetNoLongerOffered", dataset_id)
    assert refusal_to_use(world, dataset_id, PURPOSE) == over
    for function in (
        functions.publishVersion(dataset_id, PURPOSE, PURPOSE),
        functions.publishMatchingKey(dataset_id, 1, PURPOSE),
        functions.listPurpose(dataset_id, ANOTHER),
        functions.retire(dataset_id),
    ):
        assert world.refusal(function, by="provider") == over
    assert dataset(world, dataset_id)[2] is True
    again = functions.register(dataset_id, 1, [PURPOSE])
    assert world.refusal(again, by="provider")[0] == "DatasetExists"


@pytest.mark.parametrize("by", ["provider", "governor"])
def test_a_key_that_leaked_after_its_dataset_was_retired_is_withdrawn(world: World, by: str) -> None:
    dataset_id, functions = world.registered_dataset(), world.catalog.functions
    world.send(functions.publishMatchingKey(dataset_id, 1, ANOTHER), by="provider")
    world.send(functions.retire(dataset_id), by="provider")
    assert key_of(world, dataset_id, 1) == ANOTHER
    world.send(functions.withdrawMatchingKey(dataset_id, 1), by=by)
    world.send(functions.delistPurpose(dataset_id, PURPOSE), by=by)
    assert key_of(world, dataset_id, 1) == ("NoMatchingKey", dataset_id, 1)
    assert not world.ask(functions.lists(dataset_id, PURPOSE))


@pytest.mark.parametrize("by", ["other_provider", "stranger", "requester", "pauser"])
def test_what_withdraws_is_the_providers_or_the_admins_only(world: World, by: str) -> None:
    dataset_id, functions = world.registered_dataset(), world.catalog.functions
    world.send(functions.publishMatchingKey(dataset_id, 1, PURPOSE), by="provider")
    for function in (
        functions.retire(dataset_id),
        functions.delistPurpose(dataset_id, PURPOSE),
        functions.withdrawMatchingKey(dataset_id, 1),
    ):
        assert world.refusal(function, by=by) == not_the_provider(world, dataset_id, by)
    assert refusal_to_use(world, dataset_id, PURPOSE) is None
    assert key_of(world, dataset_id, 1) == PURPOSE
    unknown = world.fresh()
    assert world.refusal(functions.retire(unknown), by="governor") == ("DatasetUnknown", unknown)
