// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

struct Dataset {
    address provider; // zero: never registered
    uint8 classification; // 1 public .. 4 sensitive personal
    uint32 version; // zero: nothing published yet
    bool retired; // terminal
    bytes32 schemaDigest;
    bytes32 contentDigest; // of the latest version
    bytes32 matchingKey; // the public key that the latest version is matched under
}

interface IDataCatalog {
    event DatasetRegistered(
        bytes32 indexed datasetId,
        address indexed provider,
        bytes32 schemaDigest,
        uint8 classification,
        bytes32[] purposes
    );
    event VersionPublished(bytes32 indexed datasetId, uint32 indexed version, bytes32 contentDigest, bytes32 matchingKey);
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

    /// The caller (PROVIDER_ROLE) becomes the dataset's provider. `classification` 1 public .. 4 sensitive personal.
    function register(bytes32 datasetId, bytes32 schemaDigest, uint8 classification, bytes32[] calldata purposes) external;
    /// By the provider; versions count from 1.
    function publishVersion(bytes32 datasetId, bytes32 contentDigest, bytes32 matchingKey) external returns (uint32 version);
    /// By the provider, or by the admin where the provider's key is lost. Terminal.
    function retire(bytes32 datasetId) external;
    /// Reverts unless registered, not retired, and `purpose` is listed.
    function requireUsable(bytes32 datasetId, bytes32 purpose) external view;
    function providerOf(bytes32 datasetId) external view returns (address);
    function versionOf(bytes32 datasetId) external view returns (uint32);
    function datasetOf(bytes32 datasetId) external view returns (Dataset memory);
    function lists(bytes32 datasetId, bytes32 purpose) external view returns (bool);
}
