// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SeparateRoles} from "./base/SeparateRoles.sol";
import {IAuthorizationRegistry} from "./interfaces/IAuthorizationRegistry.sol";
import {IMatchResultStore, PayoutRefusal, PayoutState, Refusal, Result} from "./interfaces/IMatchResultStore.sol";
import {ITaskScheduler} from "./interfaces/ITaskScheduler.sol";

/// @title 匹配结果存证: what was decided on which claim, and whether it was paid.
/// @notice No result without a live consent: every item needs an authorization that is live now, for the item's
/// own subject, under the purpose of a running task. A claim is recorded once, here or in a predecessor; later
/// versions of it come only by `supersede`, and each version is paid at most once and never after a reversal.
/// @dev Migration: deploy a successor that names this store as its predecessor, then `handOver` to it. From then
/// on new claims are refused here and taken there, never both. What a store has recorded lives on in it: its
/// versions, payouts and reversals are never moved.
contract MatchResultStore is IMatchResultStore, SeparateRoles {
    bytes32 public constant RECORDER_ROLE = keccak256("RECORDER_ROLE");
    bytes32 public constant PAYER_ROLE = keccak256("PAYER_ROLE");

    uint32 private constant FIRST_VERSION = 1;

    /// What has happened to a claim since it was recorded. All zero until the first confirmation, reversal or
    /// supersession, so that recording writes one slot: read it through `_current`.
    struct Payout {
        uint32 version;
        PayoutState state;
    }

    IAuthorizationRegistry public immutable registry;
    ITaskScheduler public immutable scheduler;
    /// Zero for the first store.
    IMatchResultStore public immutable predecessor;

    /// keccak256(abi.encode(resultDigest, authorizationId, taskId, version)); offline verifiers read this slot.
    mapping(bytes32 claimKey => bytes32 commitment) private _commitments;
    mapping(bytes32 claimKey => Payout) private _payouts;
    /// @inheritdoc IMatchResultStore
    address public successor;

    constructor(
        address admin,
        IAuthorizationRegistry registry_,
        ITaskScheduler scheduler_,
        IMatchResultStore predecessor_
    ) SeparateRoles(admin) {
        _requireContract(address(registry_));
        _requireContract(address(scheduler_));
        if (address(predecessor_) != address(0)) _requireContract(address(predecessor_));
        registry = registry_;
        scheduler = scheduler_;
        predecessor = predecessor_;
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_a_batch_is_recorded_whole_or_not_at_all
    function recordBatch(bytes32 taskId, Result[] calldata results) external onlyRole(RECORDER_ROLE) {
        if (results.length == 0) revert EmptyBatch();
        _requireInOffice();
        bytes32 purpose = scheduler.requireRunning(taskId);
        for (uint256 i = 0; i < results.length; ++i) {
            Result calldata r = results[i];
            Refusal refusal = _refusalOfNew(results, i, purpose);
            if (refusal != Refusal.None) revert ItemRefused(i, r.claimKey, refusal);
            _write(taskId, r, FIRST_VERSION);
        }
    }

    /// @inheritdoc IMatchResultStore
    /// @dev Reverts where the whole batch would be refused whatever its items are: empty, task not running, or
    /// handed over. A repeated claim key is RepeatedInBatch whatever the fate of its first occurrence.
    /// @custom:invariant test_preview_and_recordBatch_agree
    function preview(bytes32 taskId, Result[] calldata results) external view returns (Refusal[] memory refusals) {
        if (results.length == 0) revert EmptyBatch();
        _requireInOffice();
        bytes32 purpose = scheduler.requireRunning(taskId);
        refusals = new Refusal[](results.length);
        for (uint256 i = 0; i < results.length; ++i) {
            bool repeated = !_hasZero(results[i]) && _repeats(results, i);
            refusals[i] = repeated ? Refusal.RepeatedInBatch : _refusalOfNew(results, i, purpose);
        }
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_a_payout_is_confirmed_once_a_version
    function confirmPayout(bytes32 claimKey, uint32 version, bytes32 payoutDigest) external onlyRole(PAYER_ROLE) {
        _confirm(0, claimKey, version, payoutDigest);
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_one_bad_confirmation_reverts_the_batch_and_is_named_by_index
    function confirmPayouts(
        bytes32[] calldata claimKeys,
        uint32[] calldata versions,
        bytes32[] calldata payoutDigests
    ) external onlyRole(PAYER_ROLE) {
        if (claimKeys.length == 0) revert EmptyBatch();
        if (claimKeys.length != versions.length || claimKeys.length != payoutDigests.length) {
            revert LengthMismatch(claimKeys.length, versions.length, payoutDigests.length);
        }
        for (uint256 i = 0; i < claimKeys.length; ++i) {
            _confirm(i, claimKeys[i], versions[i], payoutDigests[i]);
        }
    }

    /// @inheritdoc IMatchResultStore
    /// @dev Paid or not, the current version can never be confirmed any more; only a new version can.
    /// @custom:invariant test_a_reversed_version_is_never_paid
    function reverse(bytes32 claimKey, bytes32 reasonDigest) external onlyRole(RECORDER_ROLE) {
        Payout memory payout = _current(claimKey);
        if (payout.state == PayoutState.None) revert ClaimUnknown(claimKey);
        if (payout.state == PayoutState.Reversed) revert AlreadyReversed(claimKey, payout.version);
        if (reasonDigest == 0) revert ZeroReason(claimKey);
        _payouts[claimKey] = Payout(payout.version, PayoutState.Reversed);
        emit ResultReversed(claimKey, payout.version, reasonDigest);
    }

    /// @inheritdoc IMatchResultStore
    /// @dev The version before it, if unpaid, can never be confirmed any more. The same result twice in a row is
    /// refused, so that a transaction sent again for want of an answer opens no second payout.
    /// @custom:invariant test_superseding_raises_the_version_and_opens_a_new_payout
    function supersede(bytes32 taskId, Result calldata result) external onlyRole(RECORDER_ROLE) {
        Payout memory payout = _current(result.claimKey);
        if (payout.state == PayoutState.None) revert ClaimUnknown(result.claimKey);
        bytes32 purpose = scheduler.requireRunning(taskId);
        Refusal refusal = _hasZero(result) ? Refusal.ZeroField : _refusalOfConsent(result, purpose);
        if (refusal != Refusal.None) revert ItemRefused(0, result.claimKey, refusal);
        if (_commitment(taskId, result, payout.version) == _commitments[result.claimKey]) {
            revert ResultUnchanged(result.claimKey, payout.version);
        }
        _payouts[result.claimKey] = Payout(payout.version + 1, PayoutState.Recorded);
        _write(taskId, result, payout.version + 1);
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_new_claims_go_to_one_store_only
    function handOver(address successor_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (successor != address(0)) revert StoreHandedOver(successor);
        _requireContract(successor_);
        successor = successor_;
        emit HandedOver(successor_);
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_the_commitment_is_the_stated_hash_in_the_stated_slot
    function commitmentOf(bytes32 claimKey) external view returns (bytes32) {
        return _commitments[claimKey];
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_superseding_raises_the_version_and_opens_a_new_payout
    function versionOf(bytes32 claimKey) external view returns (uint32) {
        return _current(claimKey).version;
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_a_payout_is_confirmed_once_a_version
    function payoutStateOf(bytes32 claimKey) external view returns (PayoutState) {
        return _current(claimKey).state;
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_a_claim_of_any_predecessor_cannot_be_recorded_again
    function isRecorded(bytes32 claimKey) public view returns (bool) {
        return _commitments[claimKey] != 0 || _inPredecessor(claimKey);
    }

    /// Why item `i` is no new result. A claim key written by this very batch is RepeatedInBatch.
    function _refusalOfNew(Result[] calldata results, uint256 i, bytes32 purpose) private view returns (Refusal) {
        Result calldata r = results[i];
        if (_hasZero(r)) return Refusal.ZeroField;
        if (_commitments[r.claimKey] != 0) {
            return _repeats(results, i) ? Refusal.RepeatedInBatch : Refusal.AlreadyRecorded;
        }
        if (_inPredecessor(r.claimKey)) return Refusal.RecordedInPredecessor;
        return _refusalOfConsent(r, purpose);
    }

    /// Refusal 0..6 are Liveness, value by value.
    function _refusalOfConsent(Result calldata r, bytes32 purpose) private view returns (Refusal) {
        return Refusal(uint8(registry.liveness(r.authorizationId, purpose, r.subject, uint48(block.timestamp))));
    }

    function _hasZero(Result calldata r) private pure returns (bool) {
        return r.claimKey == 0 || r.resultDigest == 0 || r.authorizationId == 0 || r.subject == 0;
    }

    /// Scans only where an item is refused anyway, or in a view.
    function _repeats(Result[] calldata results, uint256 i) private pure returns (bool) {
        for (uint256 j = 0; j < i; ++j) {
            if (results[j].claimKey == results[i].claimKey) return true;
        }
        return false;
    }

    function _write(bytes32 taskId, Result calldata r, uint32 version) private {
        _commitments[r.claimKey] = _commitment(taskId, r, version);
        emit ResultRecorded(r.claimKey, r.authorizationId, taskId, r.resultDigest, version);
    }

    function _confirm(uint256 index, bytes32 claimKey, uint32 version, bytes32 payoutDigest) private {
        PayoutRefusal refusal = _refusalOfPayout(claimKey, version, payoutDigest);
        if (refusal != PayoutRefusal.None) revert PayoutRefused(index, claimKey, version, refusal);
        _payouts[claimKey] = Payout(version, PayoutState.Paid);
        emit PayoutConfirmed(claimKey, version, payoutDigest);
    }

    function _refusalOfPayout(bytes32 claimKey, uint32 version, bytes32 payoutDigest)
        private
        view
        returns (PayoutRefusal)
    {
        if (payoutDigest == 0) return PayoutRefusal.ZeroField;
        Payout memory payout = _current(claimKey);
        if (payout.state == PayoutState.None) return PayoutRefusal.ClaimUnknown;
        if (payout.version != version) return PayoutRefusal.NotTheCurrentVersion;
        if (payout.state == PayoutState.Paid) return PayoutRefusal.AlreadyPaid;
        if (payout.state == PayoutState.Reversed) return PayoutRefusal.Reversed;
        return PayoutRefusal.None;
    }

    function _current(bytes32 claimKey) private view returns (Payout memory payout) {
        payout = _payouts[claimKey];
        if (payout.state == PayoutState.None && _commitments[claimKey] != 0) {
            return Payout(FIRST_VERSION, PayoutState.Recorded);
        }
    }

    /// New claims are taken by exactly one store of a line: the one that was not handed over, whose predecessor was.
    function _requireInOffice() private view {
        if (successor != address(0)) revert StoreHandedOver(successor);
        if (address(predecessor) == address(0)) return;
        address heir = predecessor.successor();
        if (heir != address(this)) revert NotTheSuccessor(address(predecessor), heir);
    }

    function _inPredecessor(bytes32 claimKey) private view returns (bool) {
        return address(predecessor) != address(0) && predecessor.isRecorded(claimKey);
    }

    function _requireContract(address account) private view {
        if (account.code.length == 0) revert NotAContract(account);
    }

    function _commitment(bytes32 taskId, Result calldata r, uint32 version) private pure returns (bytes32) {
        return keccak256(abi.encode(r.resultDigest, r.authorizationId, taskId, version));
    }
}
