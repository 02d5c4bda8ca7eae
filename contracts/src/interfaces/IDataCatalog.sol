// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

interface IDataCatalog {
    event DatasetRegistered(bytes32 indexed datasetId, address indexed provider, bytes32 schemaDigest, uint8 classification, bytes32[] purposes);
    event VersionPublished(bytes32 indexed datasetId, uint32 indexed version, bytes32 contentDigest, bytes32 matchingKey);
    event DatasetRetired(bytes32 indexed datasetId);

    /// The caller (PROVIDER_ROLE) becomes the dataset's provider. `classification` 1 public .. 4 sensitive personal.
    function register(bytes32 datasetId, bytes32 schemaDigest, uint8 classification, bytes32[] calldata purposes) external;
    function publishVersion(bytes32 datasetId, bytes32 contentDigest, bytes32 matchingKey) external returns (uint32 version);
    function retire(bytes32 datasetId) external;
    /// Reverts unless registered, not retired, and `purpose` is listed.
    function requireUsable(bytes32 datasetId, bytes32 purpose) external view;
    function providerOf(bytes32 datasetId) external view returns (address);
    function versionOf(bytes32 datasetId) external view returns (uint32);
}
