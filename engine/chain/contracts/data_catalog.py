"""数据目录 in Python: which data exist, whose they are, what they may be used for, and under which key."""

from collections.abc import Sequence

from engine.chain.artifacts import CATALOG
from engine.chain.contracts.base import Bytes32, Contract, word, words
from engine.chain.keys import PROVIDER
from engine.chain.sender import TxRef

SENSITIVE_PERSONAL = 4
"""The highest of the catalogue's classifications."""


class DataCatalog(Contract):
    name = CATALOG

    def register(self, dataset_id: Bytes32, classification: int, purposes: Sequence[Bytes32]) -> TxRef:
        """classification: 1 public to 4 sensitive personal."""
        return self._send(PROVIDER, "register", word(dataset_id), classification, words(purposes))

    def register_once(self, dataset_id: Bytes32, classification: int, purposes: Sequence[Bytes32]) -> bool:
        """`register` unless somebody has; whether it was done now."""
        is_new = int(self.provider_of(dataset_id), 16) == 0
        if is_new:
            self.register(dataset_id, classification, purposes)
        return is_new

    def list_purpose(self, dataset_id: Bytes32, purpose: Bytes32) -> TxRef:
        return self._send(PROVIDER, "listPurpose", word(dataset_id), word(purpose))

    def delist_purpose(self, dataset_id: Bytes32, purpose: Bytes32) -> TxRef:
        return self._send(PROVIDER, "delistPurpose", word(dataset_id), word(purpose))

    def publish_version(self, dataset_id: Bytes32, schema_digest: Bytes32, content_digest: Bytes32) -> TxRef:
        """The new version's number is in the event VersionPublished."""
        arguments = (word(dataset_id), word(schema_digest), word(content_digest))
        return self._send(PROVIDER, "publishVersion", *arguments)

    def publish_matching_key(self, dataset_id: Bytes32, epoch: int, matching_key: Bytes32) -> TxRef:
        """Epochs count from 1; a key is published once."""
        return self._send(PROVIDER, "publishMatchingKey", word(dataset_id), epoch, word(matching_key))

    def withdraw_matching_key(self, dataset_id: Bytes32, epoch: int) -> TxRef:
        return self._send(PROVIDER, "withdrawMatchingKey", word(dataset_id), epoch)

    def retire(self, dataset_id: Bytes32) -> TxRef:
        return self._send(PROVIDER, "retire", word(dataset_id))

    def require_usable(self, dataset_id: Bytes32, purpose: Bytes32) -> None:
        """Raises ContractRefused."""
        self._call("requireUsable", word(dataset_id), word(purpose))

    def lists(self, dataset_id: Bytes32, purpose: Bytes32) -> bool:
        return bool(self._call("lists", word(dataset_id), word(purpose)))

    def provider_of(self, dataset_id: Bytes32) -> str:
        """Lower-case address; zero for an unknown dataset."""
        return str(self._call("providerOf", word(dataset_id)))

    def latest_version(self, dataset_id: Bytes32) -> int:
        """0: nothing published yet."""
        _, _, _, version, _ = self._call("datasetOf", word(dataset_id))
        return int(version)

    def latest_epoch(self, dataset_id: Bytes32) -> int:
        """Of the latest matching key, withdrawn or not; 0: none published yet."""
        *_, epoch = self._call("datasetOf", word(dataset_id))
        return int(epoch)

    def version_of(self, dataset_id: Bytes32, version: int) -> tuple[bytes, bytes]:
        """-> (schema digest, content digest); zeros for a version that was never published."""
        schema, content = self._call("versionOf", word(dataset_id), version)
        return bytes(schema), bytes(content)

    def first_versions(self, dataset_id: Bytes32) -> dict[bytes, bytes]:
        """Schema digest -> content digest of the first version under it; what comes later says nothing."""
        found: dict[bytes, bytes] = {}
        for version in range(1, self.latest_version(dataset_id) + 1):
            schema, content = self.version_of(dataset_id, version)
            found.setdefault(schema, content)
        return found

    def matching_key_of(self, dataset_id: Bytes32, epoch: int) -> bytes:
        """Raises ContractRefused NoMatchingKey where none was published, or it was withdrawn."""
        return bytes(self._call("matchingKeyOf", word(dataset_id), epoch))
