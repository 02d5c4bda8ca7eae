"""DataCatalog, from the rules: what a provider does not list, no task can ask for."""

from dataclasses import dataclass, field

from tests.contracts.model.office import ADMIN, Office, Reverts


@dataclass
class Dataset:
    provider: str
    classification: int
    purposes: set[bytes]
    versions: list[tuple[bytes, bytes]] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)  # None: withdrawn
    retired: bool = False


class Catalog(Office):
    def __init__(self, held: dict[str, bytes], pauser: bytes, provider: bytes) -> None:
        super().__init__(held, pauser)
        self._provider = provider
        self.datasets: dict[bytes, Dataset] = {}

    def usable(self, dataset_id: bytes, purpose: bytes) -> None:
        if purpose not in self._offered(dataset_id).purposes:
            raise Reverts("PurposeNotListed", dataset_id, purpose)

    def register(
        self, by: str, now: int, dataset_id: bytes, classification: int, purposes: list[bytes]
    ) -> None:
        self._provides(by)
        if dataset_id in self.datasets:
            raise Reverts("DatasetExists", dataset_id, self.datasets[dataset_id].provider)
        if not 1 <= classification <= 4:
            raise Reverts("ClassificationOutOfRange", dataset_id, classification)
        if not purposes:
            raise Reverts("NoPurpose", dataset_id)
        self.datasets[dataset_id] = Dataset(by, classification, set())
        for purpose in purposes:
            self._list(dataset_id, purpose)

    def list_purpose(self, by: str, now: int, dataset_id: bytes, purpose: bytes) -> None:
        self._provides(by)
        self._owned(by, dataset_id)
        self._list(dataset_id, purpose)

    def delist_purpose(self, by: str, now: int, dataset_id: bytes, purpose: bytes) -> None:
        dataset = self._withdrawable(by, dataset_id)
        if purpose not in dataset.purposes:
            raise Reverts("PurposeNotListed", dataset_id, purpose)
        dataset.purposes.remove(purpose)

    def publish_version(self, by: str, now: int, dataset_id: bytes, schema: bytes, content: bytes) -> None:
        self._provides(by)
        self._owned(by, dataset_id).versions.append((schema, content))

    def publish_matching_key(self, by: str, now: int, dataset_id: bytes, epoch: int, key: bytes) -> None:
        self._provides(by)
        dataset = self._owned(by, dataset_id)
        if epoch != len(dataset.keys) + 1:
            raise Reverts("EpochOutOfOrder", dataset_id, epoch, len(dataset.keys))
        dataset.keys.append(key)

    def withdraw_matching_key(self, by: str, now: int, dataset_id: bytes, epoch: int) -> None:
        dataset = self._withdrawable(by, dataset_id)
        if not 1 <= epoch <= len(dataset.keys) or dataset.keys[epoch - 1] is None:
            raise Reverts("NoMatchingKey", dataset_id, epoch)
        dataset.keys[epoch - 1] = None

    def retire(self, by: str, now: int, dataset_id: bytes) -> None:
        dataset = self._withdrawable(by, dataset_id)
        if dataset.retired:
            raise Reverts("DatasetNoLongerOffered", dataset_id)
        dataset.retired = True

    def _provides(self, by: str) -> None:
        self.needs(by, self._provider)
        self.needs_no_pause()

    def _list(self, dataset_id: bytes, purpose: bytes) -> None:
        purposes = self.datasets[dataset_id].purposes
        if purpose in purposes:
            raise Reverts("PurposeRepeated", dataset_id, purpose)
        purposes.add(purpose)

    def _registered(self, dataset_id: bytes) -> Dataset:
        dataset = self.datasets.get(dataset_id)
        if dataset is None:
            raise Reverts("DatasetUnknown", dataset_id)
        return dataset

    def _offered(self, dataset_id: bytes) -> Dataset:
        dataset = self._registered(dataset_id)
        if dataset.retired:
            raise Reverts("DatasetNoLongerOffered", dataset_id)
        return dataset

    def _owned(self, by: str, dataset_id: bytes) -> Dataset:
        dataset = self._offered(dataset_id)
        if by != dataset.provider:
            raise Reverts("NotTheProvider", dataset_id, by, dataset.provider)
        return dataset

    def _withdrawable(self, by: str, dataset_id: bytes) -> Dataset:
        dataset = self._registered(dataset_id)
        if by != dataset.provider and self.held.get(by) != ADMIN:
            raise Reverts("NotTheProvider", dataset_id, by, dataset.provider)
        return dataset
