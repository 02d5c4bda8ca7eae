// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RoleHolder, SeparateRoles} from "./base/SeparateRoles.sol";
import {Dataset, DatasetVersion, IDataCatalog} from "./interfaces/IDataCatalog.sol";

/// @title 数据目录: which data exist, whose they are, what they may be used for, and under which key.
/// @notice Digests and public keys only; the data stay with their provider. What a provider does not list, no task
/// can ask for. Versions and keys are added, never overwritten, so a task of any age can be checked.
contract DataCatalog is IDataCatalog, SeparateRoles {
    bytes32 public constant PROVIDER_ROLE = keccak256("PROVIDER_ROLE");
    uint8 public constant HIGHEST_CLASSIFICATION = 4;

    mapping(bytes32 datasetId => Dataset) private _datasets;
    mapping(bytes32 datasetId => mapping(bytes32 purpose => bool)) private _lists;
    mapping(bytes32 datasetId => mapping(uint32 version => DatasetVersion)) private _versions;
    mapping(bytes32 datasetId => mapping(uint32 epoch => bytes32)) private _matchingKeys;

    constructor(RoleHolder[] memory holders) SeparateRoles(holders) {}

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_a_dataset_is_registered_once_by_a_provider
    function register(bytes32 datasetId, uint8 classification, bytes32[] calldata purposes)
        external
        onlyRole(PROVIDER_ROLE)
        whenNotPaused
    {
        if (datasetId == 0) revert ZeroField(datasetId);
        Dataset storage d = _datasets[datasetId];
        if (d.provider != address(0)) revert DatasetExists(datasetId, d.provider);
        if (classification == 0 || classification > HIGHEST_CLASSIFICATION) {
            revert ClassificationOutOfRange(datasetId, classification);
        }
        if (purposes.length == 0) revert NoPurpose(datasetId);
        d.provider = msg.sender;
        d.classification = classification;
        emit DatasetRegistered(datasetId, msg.sender, classification);
        for (uint256 i = 0; i < purposes.length; ++i) {
            _list(datasetId, purposes[i]);
        }
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_a_dataset_is_usable_for_its_listed_purposes_only
    function listPurpose(bytes32 datasetId, bytes32 purpose) external onlyRole(PROVIDER_ROLE) whenNotPaused {
        _ownedByCaller(datasetId);
        _list(datasetId, purpose);
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_a_delisted_purpose_can_be_asked_for_no_more
    function delistPurpose(bytes32 datasetId, bytes32 purpose) external {
        _withdrawableByCaller(datasetId);
        if (!_lists[datasetId][purpose]) revert PurposeNotListed(datasetId, purpose);
        delete _lists[datasetId][purpose];
        emit PurposeDelisted(datasetId, purpose);
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_versions_count_from_one_and_only_the_provider_publishes
    function publishVersion(bytes32 datasetId, bytes32 schemaDigest, bytes32 contentDigest)
        external
        onlyRole(PROVIDER_ROLE)
        whenNotPaused
        returns (uint32 version)
    {
        Dataset storage d = _ownedByCaller(datasetId);
        if (schemaDigest == 0 || contentDigest == 0) revert ZeroField(datasetId);
        version = ++d.version;
        _versions[datasetId][version] = DatasetVersion(schemaDigest, contentDigest);
        emit VersionPublished(datasetId, version, schemaDigest, contentDigest);
    }

    /// @inheritdoc IDataCatalog
    /// @dev The caller names the epoch that it means, so that a transaction sent twice publishes once.
    /// @custom:invariant test_a_matching_key_is_published_once_an_epoch_in_order
    function publishMatchingKey(bytes32 datasetId, uint32 epoch, bytes32 matchingKey)
        external
        onlyRole(PROVIDER_ROLE)
        whenNotPaused
    {
        Dataset storage d = _ownedByCaller(datasetId);
        if (matchingKey == 0) revert ZeroField(datasetId);
        if (epoch != d.epoch + 1) revert EpochOutOfOrder(datasetId, epoch, d.epoch);
        d.epoch = epoch;
        _matchingKeys[datasetId][epoch] = matchingKey;
        emit MatchingKeyPublished(datasetId, epoch, matchingKey);
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_a_withdrawn_key_is_good_for_nothing_and_its_epoch_stays_used
    function withdrawMatchingKey(bytes32 datasetId, uint32 epoch) external {
        _withdrawableByCaller(datasetId);
        if (_matchingKeys[datasetId][epoch] == 0) revert NoMatchingKey(datasetId, epoch);
        delete _matchingKeys[datasetId][epoch];
        emit MatchingKeyWithdrawn(datasetId, epoch);
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_a_retired_dataset_is_never_usable_again
    function retire(bytes32 datasetId) external {
        Dataset storage d = _withdrawableByCaller(datasetId);
        if (d.retired) revert DatasetNoLongerOffered(datasetId);
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
    /// @custom:invariant test_a_dataset_is_registered_once_by_a_provider
    function datasetOf(bytes32 datasetId) external view returns (Dataset memory) {
        return _datasets[datasetId];
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_a_dataset_is_usable_for_its_listed_purposes_only
    function lists(bytes32 datasetId, bytes32 purpose) external view returns (bool) {
        return _lists[datasetId][purpose];
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_versions_count_from_one_and_only_the_provider_publishes
    function versionOf(bytes32 datasetId, uint32 version) external view returns (DatasetVersion memory) {
        return _versions[datasetId][version];
    }

    /// @inheritdoc IDataCatalog
    /// @custom:invariant test_a_matching_key_is_published_once_an_epoch_in_order
    function matchingKeyOf(bytes32 datasetId, uint32 epoch) external view returns (bytes32 matchingKey) {
        matchingKey = _matchingKeys[datasetId][epoch];
        if (matchingKey == 0) revert NoMatchingKey(datasetId, epoch);
    }

    function _list(bytes32 datasetId, bytes32 purpose) private {
        if (purpose == 0) revert ZeroField(datasetId);
        if (_lists[datasetId][purpose]) revert PurposeRepeated(datasetId, purpose);
        _lists[datasetId][purpose] = true;
        emit PurposeListed(datasetId, purpose);
    }

    function _registered(bytes32 datasetId) private view returns (Dataset storage d) {
        d = _datasets[datasetId];
        if (d.provider == address(0)) revert DatasetUnknown(datasetId);
    }

    function _offered(bytes32 datasetId) private view returns (Dataset storage d) {
        d = _registered(datasetId);
        if (d.retired) revert DatasetNoLongerOffered(datasetId);
    }

    function _ownedByCaller(bytes32 datasetId) private view returns (Dataset storage d) {
        d = _offered(datasetId);
        if (msg.sender != d.provider) revert NotTheProvider(datasetId, msg.sender, d.provider);
    }

    /// What withdraws needs no role, nor a dataset still on offer: a provider that was dismissed can take back what is
    /// its own, and a key that leaked after its dataset was retired.
    function _withdrawableByCaller(bytes32 datasetId) private view returns (Dataset storage d) {
        d = _registered(datasetId);
        if (msg.sender != d.provider && !hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) {
            revert NotTheProvider(datasetId, msg.sender, d.provider);
        }
    }
}
