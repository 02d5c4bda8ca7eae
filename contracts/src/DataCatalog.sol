// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SeparateRoles} from "./base/SeparateRoles.sol";
import {Dataset, IDataCatalog} from "./interfaces/IDataCatalog.sol";

/// @title 数据目录: which data exist, whose they are, and what they may be used for.
/// @notice Digests and public keys only; the data stay with their provider. The purposes are fixed when the
/// dataset is registered: what a provider never listed, no task can ask for.
contract DataCatalog is IDataCatalog, SeparateRoles {
    bytes32 public constant PROVIDER_ROLE = keccak256("PROVIDER_ROLE");
    uint8 public constant HIGHEST_CLASSIFICATION = 4;

    mapping(bytes32 datasetId => Dataset) private _datasets;
    mapping(bytes32 datasetId => mapping(bytes32 purpose => bool)) private _lists;

    constructor(address admin) SeparateRoles(admin) {}

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_a_dataset_is_registered_once_by_a_provider
    function register(bytes32 datasetId, bytes32 schemaDigest, uint8 classification, bytes32[] calldata purposes)
        external
        onlyRole(PROVIDER_ROLE)
    {
        if (datasetId == 0 || schemaDigest == 0) revert ZeroField(datasetId);
        Dataset storage d = _datasets[datasetId];
        if (d.provider != address(0)) revert DatasetExists(datasetId, d.provider);
        if (classification == 0 || classification > HIGHEST_CLASSIFICATION) {
            revert ClassificationOutOfRange(datasetId, classification);
        }
        if (purposes.length == 0) revert NoPurpose(datasetId);
        for (uint256 i = 0; i < purposes.length; ++i) {
            if (purposes[i] == 0) revert ZeroField(datasetId);
            if (_lists[datasetId][purposes[i]]) revert PurposeRepeated(datasetId, purposes[i]);
            _lists[datasetId][purposes[i]] = true;
        }
        d.provider = msg.sender;
        d.classification = classification;
        d.schemaDigest = schemaDigest;
        emit DatasetRegistered(datasetId, msg.sender, schemaDigest, classification, purposes);
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_versions_count_from_one_and_only_the_provider_publishes
    function publishVersion(bytes32 datasetId, bytes32 contentDigest, bytes32 matchingKey)
        external
        onlyRole(PROVIDER_ROLE)
        returns (uint32 version)
    {
        Dataset storage d = _offered(datasetId);
        if (msg.sender != d.provider) revert NotTheProvider(datasetId, msg.sender, d.provider);
        if (contentDigest == 0 || matchingKey == 0) revert ZeroField(datasetId);
        version = ++d.version;
        d.contentDigest = contentDigest;
        d.matchingKey = matchingKey;
        emit VersionPublished(datasetId, version, contentDigest, matchingKey);
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_a_retired_dataset_is_never_usable_again
    function retire(bytes32 datasetId) external {
        Dataset storage d = _offered(datasetId);
        if (msg.sender != d.provider && !hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) {
            revert NotTheProvider(datasetId, msg.sender, d.provider);
        }
        d.retired = true;
        emit DatasetRetired(datasetId);
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_a_dataset_is_usable_for_its_listed_purposes_only
    function requireUsable(bytes32 datasetId, bytes32 purpose) external view {
        _offered(datasetId);
        if (!_lists[datasetId][purpose]) revert PurposeNotListed(datasetId, purpose);
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_a_dataset_is_registered_once_by_a_provider
    function providerOf(bytes32 datasetId) external view returns (address) {
        return _datasets[datasetId].provider;
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_versions_count_from_one_and_only_the_provider_publishes
    function versionOf(bytes32 datasetId) external view returns (uint32) {
        return _datasets[datasetId].version;
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_versions_count_from_one_and_only_the_provider_publishes
    function datasetOf(bytes32 datasetId) external view returns (Dataset memory) {
        return _datasets[datasetId];
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_a_dataset_is_usable_for_its_listed_purposes_only
    function lists(bytes32 datasetId, bytes32 purpose) external view returns (bool) {
        return _lists[datasetId][purpose];
    }

    function _offered(bytes32 datasetId) private view returns (Dataset storage d) {
        d = _datasets[datasetId];
        if (d.provider == address(0)) revert DatasetUnknown(datasetId);
        if (d.retired) revert DatasetNoLongerOffered(datasetId);
    }
}
