// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

struct Dataset {
    address provider; // zero: never registered
    uint8 classification; // 1 public .. 4 sensitive personal
    bool retired; // terminal
    uint32 version; // the latest; zero: nothing published yet
    uint32 epoch; // of the latest matching key; zero: none published yet
}

struct DatasetVersion {
    bytes32 schemaDigest; // of what the data look like
    bytes32 contentDigest; // salted, of what they are
}

interface IDataCatalog {
    event DatasetRegistered(bytes32 indexed datasetId, address indexed provider, uint8 classification);
    event PurposeListed(bytes32 indexed datasetId, bytes32 indexed purpose);
    event PurposeDelisted(bytes32 indexed datasetId, bytes32 indexed purpose);
    event VersionPublished(
        bytes32 indexed datasetId, uint32 indexed version, bytes32 schemaDigest, bytes32 contentDigest
    );
    event MatchingKeyPublished(bytes32 indexed datasetId, uint32 indexed epoch, bytes32 matchingKey);
    event MatchingKeyWithdrawn(bytes32 indexed datasetId, uint32 indexed epoch);
    event DatasetRetired(bytes32 indexed datasetId);

    error ZeroField(bytes32 datasetId);
    error DatasetExists(bytes32 datasetId, address provider);
    error DatasetUnknown(bytes32 datasetId);
    error DatasetNoLongerOffered(bytes32 datasetId);
    error ClassificationOutOfRange(bytes32 datasetId, uint8 classification);
    error NoPurpose(bytes32 datasetId);
    error PurposeRepeated(bytes32 datasetId, bytes32 purpose);
    error PurposeNotListed(bytes32 datasetId, bytes32 purpose);
    error NotTheProvider(bytes32 datasetId, address caller, address provider);
    error EpochOutOfOrder(bytes32 datasetId, uint32 wanted, uint32 latest);
    error NoMatchingKey(bytes32 datasetId, uint32 epoch);

    /// The caller (PROVIDER_ROLE) becomes the dataset's provider. `classification` 1 public .. 4 sensitive personal.
    function register(bytes32 datasetId, uint8 classification, bytes32[] calldata purposes) external;
    /// By the provider: one more purpose that tasks can ask for.
    function listPurpose(bytes32 datasetId, bytes32 purpose) external;
    /// By the provider, or by the admin: no new task can ask for it any more.
    function delistPurpose(bytes32 datasetId, bytes32 purpose) external;
    /// By the provider; versions count from 1, and all stay readable.
    function publishVersion(bytes32 datasetId, bytes32 schemaDigest, bytes32 contentDigest)
        external
        returns (uint32 version);
    /// By the provider: the public key that the data are matched under in the next epoch. Epochs count from 1.
    function publishMatchingKey(bytes32 datasetId, uint32 epoch, bytes32 matchingKey) external;
    /// By the provider, or by the admin: a key that is known to others is good for nothing.
    function withdrawMatchingKey(bytes32 datasetId, uint32 epoch) external;
    /// By the provider, or by the admin where the provider's key is lost. Terminal.
    function retire(bytes32 datasetId) external;
    /// Reverts unless registered, not retired, and `purpose` is listed.
    function requireUsable(bytes32 datasetId, bytes32 purpose) external view;
    function providerOf(bytes32 datasetId) external view returns (address);
    function datasetOf(bytes32 datasetId) external view returns (Dataset memory);
    function lists(bytes32 datasetId, bytes32 purpose) external view returns (bool);
    /// Zero digests for a version that was never published.
    function versionOf(bytes32 datasetId, uint32 version) external view returns (DatasetVersion memory);
    /// Reverts with NoMatchingKey where none was published, or it was withdrawn.
    function matchingKeyOf(bytes32 datasetId, uint32 epoch) external view returns (bytes32);
}
