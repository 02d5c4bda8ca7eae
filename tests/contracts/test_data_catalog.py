"""DataCatalog."""

import pytest

from tests.contracts.world import NOBODY, Refused, World, role

PURPOSE = role("purpose")


def dataset(world: World, dataset_id: bytes) -> tuple[object, ...]:
    return tuple(world.ask(world.catalog.functions.datasetOf(dataset_id)))


def test_a_dataset_is_registered_once_by_a_provider(world: World) -> None:
    dataset_id, schema = world.fresh(), world.fresh()
    register = world.catalog.functions.register(dataset_id, schema, 4, [PURPOSE, role("audit")])
    with pytest.raises(Refused, match="AccessControlUnauthorizedAccount"):
        world.send(register, by="requester")
    receipt = world.send(register, by="provider")
    provider = world.people["provider"]
    assert world.events(receipt, world.catalog) == [
        (
            "DatasetRegistered",
            {
                "datasetId": dataset_id,
                "provider": provider,
                "schemaDigest": schema,
                "classification": 4,
                "purposes": [PURPOSE, role("audit")],
            },
        )
    ]
    assert world.ask(world.catalog.functions.providerOf(dataset_id)) == provider
    assert dataset(world, dataset_id) == (provider, 4, 0, False, schema, bytes(32), bytes(32))
    with pytest.raises(Refused) as refused:
        world.send(register, by="other_provider")
    assert refused.value.args == ("DatasetExists", dataset_id, provider.lower())


@pytest.mark.parametrize(
    ("schema", "classification", "purposes", "error"),
    [
        (bytes(32), 4, [PURPOSE], ("ZeroField",)),
        (PURPOSE, 0, [PURPOSE], ("ClassificationOutOfRange", 0)),
        (PURPOSE, 5, [PURPOSE], ("ClassificationOutOfRange", 5)),
        (PURPOSE, 1, [], ("NoPurpose",)),
        (PURPOSE, 1, [PURPOSE, bytes(32)], ("ZeroField",)),
        (PURPOSE, 1, [PURPOSE, PURPOSE], ("PurposeRepeated", PURPOSE)),
    ],
)
def test_a_dataset_that_means_nothing_is_refused(
    world: World, schema: bytes, classification: int, purposes: list[bytes], error: tuple[object, ...]
) -> None:
    dataset_id = world.fresh()
    register = world.catalog.functions.register
    with pytest.raises(Refused) as refused:
        world.send(register(dataset_id, schema, classification, purposes), by="provider")
    assert refused.value.args == (error[0], dataset_id, *error[1:])
    assert world.ask(world.catalog.functions.providerOf(dataset_id)) == NOBODY
    with pytest.raises(Refused) as nameless:
        world.send(register(bytes(32), PURPOSE, 1, [PURPOSE]), by="provider")
    assert nameless.value.args == ("ZeroField", bytes(32))


def test_versions_count_from_one_and_only_the_provider_publishes(world: World) -> None:
    dataset_id = world.registered_dataset()
    publish = world.catalog.functions.publishVersion
    for version in (1, 2):
        content, key = world.fresh(), world.fresh()
        receipt = world.send(publish(dataset_id, content, key), by="provider")
        assert world.events(receipt, world.catalog) == [
            (
                "VersionPublished",
                {
                    "datasetId": dataset_id,
                    "version": version,
                    "contentDigest": content,
                    "matchingKey": key,
                },
            )
        ]
        assert world.ask(world.catalog.functions.versionOf(dataset_id)) == version
        assert dataset(world, dataset_id)[2:3] + dataset(world, dataset_id)[5:] == (version, content, key)
    with pytest.raises(Refused) as refused:
        world.send(publish(dataset_id, world.fresh(), world.fresh()), by="other_provider")
    people = world.people
    assert refused.value.args == (
        "NotTheProvider",
        dataset_id,
        people["other_provider"].lower(),
        people["provider"].lower(),
    )
    for zero in ((bytes(32), PURPOSE), (PURPOSE, bytes(32))):
        with pytest.raises(Refused) as empty:
            world.send(publish(dataset_id, *zero), by="provider")
        assert empty.value.args == ("ZeroField", dataset_id)
    assert world.ask(world.catalog.functions.versionOf(dataset_id)) == 2


def test_a_provider_that_lost_its_role_publishes_no_more(world: World) -> None:
    dataset_id = world.registered_dataset()
    functions = world.catalog.functions
    world.send(functions.revokeRole(role("PROVIDER_ROLE"), world.people["provider"]), by="governor")
    with pytest.raises(Refused, match="AccessControlUnauthorizedAccount"):
        world.send(functions.publishVersion(dataset_id, PURPOSE, PURPOSE), by="provider")


def test_a_dataset_is_usable_for_its_listed_purposes_only(world: World) -> None:
    dataset_id = world.registered_dataset(purpose=PURPOSE)
    functions = world.catalog.functions
    world.ask(functions.requireUsable(dataset_id, PURPOSE))
    assert world.ask(functions.lists(dataset_id, PURPOSE))
    assert not world.ask(functions.lists(dataset_id, role("another")))
    with pytest.raises(Refused) as refused:
        world.ask(functions.requireUsable(dataset_id, role("another")))
    assert refused.value.args == ("PurposeNotListed", dataset_id, role("another"))
    unknown = world.fresh()
    with pytest.raises(Refused) as nowhere:
        world.ask(functions.requireUsable(unknown, PURPOSE))
    assert nowhere.value.args == ("DatasetUnknown", unknown)


@pytest.mark.parametrize("by", ["provider", "governor"])
def test_a_retired_dataset_is_never_usable_again(world: World, by: str) -> None:
    dataset_id = world.registered_dataset()
    functions = world.catalog.functions
    receipt = world.send(functions.retire(dataset_id), by=by)
    assert world.events(receipt, world.catalog) == [("DatasetRetired", {"datasetId": dataset_id})]
    for function in (
        functions.requireUsable(dataset_id, PURPOSE),
        functions.publishVersion(dataset_id, PURPOSE, PURPOSE),
        functions.retire(dataset_id),
    ):
        with pytest.raises(Refused) as refused:
            world.send(function, by="provider")
        assert refused.value.args == ("DatasetNoLongerOffered", dataset_id)
    with pytest.raises(Refused, match="DatasetExists"):
        world.send(functions.register(dataset_id, PURPOSE, 1, [PURPOSE]), by="provider")


@pytest.mark.parametrize("by", ["other_provider", "stranger", "requester"])
def test_a_dataset_is_retired_by_its_provider_or_the_admin_only(world: World, by: str) -> None:
    dataset_id = world.registered_dataset()
    with pytest.raises(Refused, match="NotTheProvider"):
        world.send(world.catalog.functions.retire(dataset_id), by=by)
    world.ask(world.catalog.functions.requireUsable(dataset_id, PURPOSE))
