// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

struct Result {
    bytes32 claimKey; // salted commitment to (hospital, settlement, policy)
    bytes32 resultDigest; // salted commitment to the decision and its inputs
    bytes32 authorizationId;
    bytes32 subject; // must be the authorization's
}

/// Why a result cannot be recorded. 1..6 are Liveness values.
enum Refusal {
    None,
    AuthorizationUnknown,
    AuthorizationRevoked,
    AuthorizationNotYetGranted,
    AuthorizationExpired,
    AuthorizationOutOfScope,
    AuthorizationOtherSubject,
    AlreadyRecorded,
    RecordedInPredecessor,
    RepeatedInBatch,
    ZeroField
}

/// Why a payout cannot be confirmed. The order is the order of the checks.
enum PayoutRefusal {
    None,
    ZeroField,
    ClaimUnknown,
    NotTheCurrentVersion,
    AlreadyPaid,
    Reversed
}

enum PayoutState {
    None, // never recorded
    Recorded,
    Paid,
    Reversed
}

interface IMatchResultStore {
    /// The payout trigger. `version` is 1 for a first result.
    event ResultRecorded(
        bytes32 indexed claimKey,
        bytes32 indexed authorizationId,
        bytes32 indexed taskId,
        bytes32 resultDigest,
        uint32 version
    );
    event PayoutConfirmed(bytes32 indexed claimKey, uint32 indexed version, bytes32 payoutDigest);
    event ResultReversed(bytes32 indexed claimKey, uint32 indexed version, bytes32 reasonDigest);

    /// From here on new claims go to `successor` only.
    event HandedOver(address indexed successor);

    error ItemRefused(uint256 index, bytes32 claimKey, Refusal reason);
    error PayoutRefused(uint256 index, bytes32 claimKey, uint32 version, PayoutRefusal reason);
    error EmptyBatch();
    error LengthMismatch(uint256 claimKeys, uint256 versions, uint256 payoutDigests);
    error ClaimUnknown(bytes32 claimKey);
    error AlreadyReversed(bytes32 claimKey, uint32 version);
    error ResultUnchanged(bytes32 claimKey, uint32 version);
    error ZeroReason(bytes32 claimKey);
    error StoreHandedOver(address successor);
    error NotTheSuccessor(address predecessor, address successor);
    error NotAContract(address account);

    /// RECORDER_ROLE. All or nothing; the first bad item is named with its index and reason.
    function recordBatch(bytes32 taskId, Result[] calldata results) external;
    /// One code an item, in order; None where it would be recorded.
    function preview(bytes32 taskId, Result[] calldata results) external view returns (Refusal[] memory);
    /// PAYER_ROLE. Once a version.
    function confirmPayout(bytes32 claimKey, uint32 version, bytes32 payoutDigest) external;
    function confirmPayouts(bytes32[] calldata claimKeys, uint32[] calldata versions, bytes32[] calldata payoutDigests) external;
    /// RECORDER_ROLE.
    function reverse(bytes32 claimKey, bytes32 reasonDigest) external;
    /// RECORDER_ROLE. Replaces the current version, enforced like a new result; emits ResultRecorded with version + 1.
    function supersede(bytes32 taskId, Result calldata result) external;
    /// DEFAULT_ADMIN_ROLE, once: new claims are refused here from now on, and the successor starts to take them.
    function handOver(address successor) external;
    function successor() external view returns (address);
    /// The slot: keccak256(abi.encode(resultDigest, authorizationId, taskId, version)), or zero.
    function commitmentOf(bytes32 claimKey) external view returns (bytes32);
    function versionOf(bytes32 claimKey) external view returns (uint32);
    function payoutStateOf(bytes32 claimKey) external view returns (PayoutState);
    /// Whether this store or any predecessor knows the claim.
    function isRecorded(bytes32 claimKey) external view returns (bool);
}
