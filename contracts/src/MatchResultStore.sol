// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {AuditCheckpoints} from "./base/AuditCheckpoints.sol";
import {ClaimLife, MAX_VERSIONS} from "./base/ClaimLife.sol";
import {Result} from "./base/Result.sol";
import {RoleHolder, SeparateRoles} from "./base/SeparateRoles.sol";
import {Checkpoint} from "./interfaces/IAuditCheckpoints.sol";
import {IAuthorizationRegistry} from "./interfaces/IAuthorizationRegistry.sol";
import {
    Confirmation,
    IMatchResultStore,
    PayoutRefusal,
    PayoutState,
    Refusal
} from "./interfaces/IMatchResultStore.sol";
import {ITaskScheduler} from "./interfaces/ITaskScheduler.sol";

/// @title 匹配结果存证: what was decided on which claim, and whether it was paid.
/// @notice No result without a live consent: every item needs an authorization that is live now, for the item's
/// own subject, under the purpose of a task that results may be recorded under. A claim is recorded once, here or in
/// a predecessor; later versions of it come only by `supersedeBatch`, and each version is paid at most once, never
/// after a reversal. All versions stay readable.
/// @dev Migration: deploy a successor that names this store as its predecessor, appoint it to SUCCESSOR_ROLE, which
/// takes the announced delay of every appointment, then `handOver` to it. From then on new claims and checkpoints
/// are refused here and taken there, never both. What a store has recorded lives on in it: its versions, payouts and
/// reversals are never moved.
contract MatchResultStore is IMatchResultStore, AuditCheckpoints {
    bytes32 public constant RECORDER_ROLE = keccak256("RECORDER_ROLE");
    bytes32 public constant PAYER_ROLE = keccak256("PAYER_ROLE");
    /// Of the store that may be handed over to: what ends this one is announced like a change of who acts.
    bytes32 public constant SUCCESSOR_ROLE = keccak256("SUCCESSOR_ROLE");

    uint32 private constant FIRST_VERSION = 1;

    /// A claim, begun when its first commitment is written. Commitments are
    /// keccak256(keccak256(resultDigest, authorizationId), keccak256(taskId, version)).
    struct Claim {
        bytes32 first;
        ClaimLife life;
        mapping(uint32 version => bytes32 commitment) later;
    }

    IAuthorizationRegistry public immutable registry;
    ITaskScheduler public immutable scheduler;
    /// Zero for the first store.
    IMatchResultStore public immutable predecessor;

    mapping(bytes32 claimKey => Claim) private _claims;
    /// @inheritdoc IMatchResultStore
    address public successor;

    constructor(
        RoleHolder[] memory holders,
        IAuthorizationRegistry registry_,
        ITaskScheduler scheduler_,
        IMatchResultStore predecessor_
    ) SeparateRoles(holders) EIP712("MatchResultStore", "1") {
        _requireContract(address(registry_));
        _requireContract(address(scheduler_));
        if (address(predecessor_) != address(0)) _requireContract(address(predecessor_));
        registry = registry_;
        scheduler = scheduler_;
        predecessor = predecessor_;
    }

    /// @inheritdoc IMatchResultStore
    /// @dev Each item is looked at once for whether it is good; why it is not is worked out only on the way to the
    /// revert.
    /// @custom:invariant test_a_batch_is_recorded_whole_or_not_at_all
    function recordBatch(bytes32 taskId, Result[] calldata results) external onlyRole(RECORDER_ROLE) {
        _requireInOffice();
        uint16 scopeNumber = _scopeOf(taskId, results.length);
        if (!registry.areLive(scopeNumber, results)) _revertFirstRefused(results, scopeNumber);
        bytes32 under = _under(taskId, FIRST_VERSION);
        for (uint256 i = 0; i < results.length; ++i) {
            Result calldata r = results[i];
            Claim storage claim = _claims[r.claimKey];
            if (r.claimKey == 0 || r.resultDigest == 0 || claim.first != 0 || _inPredecessor(r.claimKey)) {
                revert ItemRefused(i, r.claimKey, _refusalOfNew(results, i, scopeNumber));
            }
            claim.first = _commitment(r, under);
            emit ResultRecorded(r.claimKey, r.authorizationId, taskId, r.resultDigest);
        }
    }

    /// @inheritdoc IMatchResultStore
    /// @dev Reverts where the whole batch would be refused whatever its items are: empty, paused, nothing to be
    /// recorded under the task, or handed over. A repeated claim key is RepeatedInBatch whatever the fate of its
    /// first occurrence.
    /// @custom:invariant test_preview_and_recordBatch_agree
    function preview(bytes32 taskId, Result[] calldata results) external view returns (Refusal[] memory refusals) {
        _requireInOffice();
        return _refusals(results, _scopeOf(taskId, results.length));
    }

    /// @inheritdoc IMatchResultStore
    /// @dev The version before it, if unpaid, can never be confirmed any more. The same result twice in a row is
    /// refused, so that a transaction sent again for want of an answer opens no second payout.
    /// @custom:invariant test_superseding_raises_the_version_and_opens_a_new_payout
    function supersedeBatch(bytes32 taskId, Result[] calldata results) external onlyRole(RECORDER_ROLE) {
        uint16 scopeNumber = _scopeOf(taskId, results.length);
        for (uint256 i = 0; i < results.length; ++i) {
            Result calldata r = results[i];
            _requireAscending(results, i);
            Refusal refusal = _refusalOfNext(taskId, r, scopeNumber);
            if (refusal != Refusal.None) revert ItemRefused(i, r.claimKey, refusal);
            Claim storage claim = _claims[r.claimKey];
            ClaimLife life = claim.life.superseded();
            uint32 version = life.latest();
            claim.life = life;
            claim.later[version] = _commitment(r, _under(taskId, version));
            emit ResultSuperseded(r.claimKey, r.authorizationId, taskId, r.resultDigest, version);
        }
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_preview_and_supersedeBatch_agree
    function previewSupersession(bytes32 taskId, Result[] calldata results)
        external
        view
        returns (Refusal[] memory refusals)
    {
        uint16 scopeNumber = _scopeOf(taskId, results.length);
        refusals = new Refusal[](results.length);
        for (uint256 i = 0; i < results.length; ++i) {
            _requireAscending(results, i);
            refusals[i] = _refusalOfNext(taskId, results[i], scopeNumber);
        }
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_a_payout_is_confirmed_once_a_version
    function confirmPayouts(Confirmation[] calldata confirmations) external onlyRole(PAYER_ROLE) whenNotPaused {
        if (confirmations.length == 0) revert EmptyBatch();
        for (uint256 i = 0; i < confirmations.length; ++i) {
            Confirmation calldata c = confirmations[i];
            Claim storage claim = _claims[c.claimKey];
            PayoutRefusal refusal = _refusalOfPayout(claim, c.version, c.payoutDigest);
            if (refusal != PayoutRefusal.None) revert PayoutRefused(i, c.claimKey, c.version, refusal);
            claim.life = claim.life.paid();
            emit PayoutConfirmed(c.claimKey, c.version, c.payoutDigest);
        }
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_a_reversed_version_is_never_paid
    function reverse(bytes32 claimKey, uint32 version, bytes32 reasonDigest) external onlyRole(RECORDER_ROLE) {
        Claim storage claim = _claims[claimKey];
        PayoutRefusal refusal = _refusalOfPayout(claim, version, reasonDigest);
        if (refusal != PayoutRefusal.None && refusal != PayoutRefusal.AlreadyPaid) {
            revert PayoutRefused(0, claimKey, version, refusal);
        }
        claim.life = claim.life.reversed();
        emit ResultReversed(claimKey, version, reasonDigest);
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_new_claims_go_to_one_store_only
    // slither-disable-next-line missing-zero-check -- zero is no contract, and refused as such
    function handOver(address successor_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (successor != address(0)) revert StoreHandedOver(successor);
        _requireContract(successor_);
        _checkRole(SUCCESSOR_ROLE, successor_);
        successor = successor_;
        emit HandedOver(successor_);
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_the_commitment_is_the_stated_hash_in_the_stated_slot
    function commitmentOf(bytes32 claimKey, uint32 version) public view returns (bytes32) {
        Claim storage claim = _claims[claimKey];
        return version == FIRST_VERSION ? claim.first : claim.later[version];
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_the_chain_of_versions_stays_readable
    function payoutStateOf(bytes32 claimKey, uint32 version) external view returns (PayoutState) {
        if (commitmentOf(claimKey, version) == 0) return PayoutState.None;
        return _stateOf(_claims[claimKey].life, version);
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_superseding_raises_the_version_and_opens_a_new_payout
    function versionOf(bytes32 claimKey) external view returns (uint32) {
        Claim storage claim = _claims[claimKey];
        return claim.first == 0 ? 0 : claim.life.latest();
    }

    /// @inheritdoc IMatchResultStore
    /// @custom:invariant test_a_claim_of_any_predecessor_cannot_be_recorded_again
    function isRecorded(bytes32 claimKey) public view returns (bool) {
        return _claims[claimKey].first != 0 || _inPredecessor(claimKey);
    }

    /// The scope that every item's authorization must have. Reverts where no item at all could be taken.
    function _scopeOf(bytes32 taskId, uint256 items) private view whenNotPaused returns (uint16) {
        if (items == 0) revert EmptyBatch();
        return registry.scopeNumberOf(scheduler.requireRecordable(taskId));
    }

    function _refusals(Result[] calldata results, uint16 scopeNumber) private view returns (Refusal[] memory refusals) {
        refusals = new Refusal[](results.length);
        for (uint256 i = 0; i < results.length; ++i) {
            bool repeated = !_hasZero(results[i]) && _repeats(results, i);
            refusals[i] = repeated ? Refusal.RepeatedInBatch : _refusalOfNew(results, i, scopeNumber);
        }
    }

    /// At least one item is known to be refused.
    function _revertFirstRefused(Result[] calldata results, uint16 scopeNumber) private view {
        Refusal[] memory refusals = _refusals(results, scopeNumber);
        uint256 i = 0;
        while (refusals[i] == Refusal.None) ++i;
        revert ItemRefused(i, results[i].claimKey, refusals[i]);
    }

    /// Why item `i` is no new result. A claim key written by this very batch is RepeatedInBatch.
    function _refusalOfNew(Result[] calldata results, uint256 i, uint16 scopeNumber) private view returns (Refusal) {
        Result calldata r = results[i];
        if (_hasZero(r)) return Refusal.ZeroField;
        if (_claims[r.claimKey].first != 0) {
            return _repeats(results, i) ? Refusal.RepeatedInBatch : Refusal.AlreadyRecorded;
        }
        if (_inPredecessor(r.claimKey)) return Refusal.RecordedInPredecessor;
        return _refusalOfConsent(r, scopeNumber);
    }

    /// Why `r` is no next version of its claim.
    function _refusalOfNext(bytes32 taskId, Result calldata r, uint16 scopeNumber) private view returns (Refusal) {
        if (_hasZero(r)) return Refusal.ZeroField;
        Claim storage claim = _claims[r.claimKey];
        if (claim.first == 0) return Refusal.ClaimUnknown;
        uint32 version = claim.life.latest();
        if (_commitment(r, _under(taskId, version)) == commitmentOf(r.claimKey, version)) {
            return Refusal.ResultUnchanged;
        }
        return version == MAX_VERSIONS ? Refusal.VersionsExhausted : _refusalOfConsent(r, scopeNumber);
    }

    /// Refusal 0..6 are Liveness, value by value.
    function _refusalOfConsent(Result calldata r, uint16 scopeNumber) private view returns (Refusal) {
        // slither-disable-next-line calls-loop -- the registry is named at deployment, and only asked
        return Refusal(
            uint8(registry.recordOf(r.authorizationId).liveness(scopeNumber, r.subject, uint40(block.timestamp)))
        );
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

    function _requireAscending(Result[] calldata results, uint256 i) private pure {
        if (i != 0 && results[i].claimKey <= results[i - 1].claimKey) revert KeysNotAscending(i, results[i].claimKey);
    }

    function _refusalOfPayout(Claim storage claim, uint32 version, bytes32 digest)
        private
        view
        returns (PayoutRefusal)
    {
        if (digest == 0) return PayoutRefusal.ZeroField;
        if (claim.first == 0) return PayoutRefusal.ClaimUnknown;
        ClaimLife life = claim.life;
        if (life.latest() != version) return PayoutRefusal.NotTheCurrentVersion;
        PayoutState state = _stateOf(life, version);
        if (state == PayoutState.Paid) return PayoutRefusal.AlreadyPaid;
        return state == PayoutState.Reversed ? PayoutRefusal.Reversed : PayoutRefusal.None;
    }

    /// PayoutState 1..3 are the codes of a life, and one.
    function _stateOf(ClaimLife life, uint32 version) private pure returns (PayoutState) {
        return PayoutState(life.codeOf(version) + 1);
    }

    /// New claims are taken by exactly one store of a line: the one that was not handed over, whose predecessor was.
    function _requireInOffice() private view {
        if (successor != address(0)) revert StoreHandedOver(successor);
        if (address(predecessor) == address(0)) return;
        address heir = predecessor.successor();
        if (heir != address(this)) revert NotTheSuccessor(address(predecessor), heir);
    }

    /// The log goes where new claims go.
    function _requireKeepsLog() internal view override {
        _requireInOffice();
    }

    function _inheritedCheckpoint() internal view override returns (Checkpoint memory none) {
        return address(predecessor) == address(0) ? none : predecessor.latestCheckpoint();
    }

    function _inPredecessor(bytes32 claimKey) private view returns (bool) {
        // slither-disable-next-line calls-loop -- the predecessor is named at deployment, and only asked
        return address(predecessor) != address(0) && predecessor.isRecorded(claimKey);
    }

    function _requireContract(address account) private view {
        if (account.code.length == 0) revert NotAContract(account);
    }

    /// The part of a commitment that all items of a batch share.
    function _under(bytes32 taskId, uint32 version) private pure returns (bytes32) {
        return Hashes.efficientKeccak256(taskId, bytes32(uint256(version)));
    }

    function _commitment(Result calldata r, bytes32 under) private pure returns (bytes32) {
        return Hashes.efficientKeccak256(Hashes.efficientKeccak256(r.resultDigest, r.authorizationId), under);
    }
}
