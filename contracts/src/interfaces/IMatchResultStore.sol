// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Result} from "../base/Result.sol";
import {IAuditCheckpoints} from "./IAuditCheckpoints.sol";

struct Confirmation {
    bytes32 claimKey;
    uint32 version;
    bytes32 payoutDigest; // salted commitment to the payment
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
    ZeroField,
    ClaimUnknown, // of a supersession: there is nothing to supersede
    ResultUnchanged, // of a supersession: the same result as the current version's
    VersionsExhausted // of a supersession: the claim has as many versions as it can have
}

/// Why a payout cannot be confirmed, or a version not reversed. The order is the order of the checks.
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

interface IMatchResultStore is IAuditCheckpoints {
    /// The payout trigger: the claim's first version.
    event ResultRecorded(
        bytes32 indexed claimKey, bytes32 indexed authorizationId, bytes32 indexed taskId, bytes32 resultDigest
    );
    /// The payout trigger of every later version.
    event ResultSuperseded(
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
    error KeysNotAscending(uint256 index, bytes32 claimKey);
    error StoreHandedOver(address successor);
    error NotTheSuccessor(address predecessor, address successor);
    error NotAContract(address account);

    /// RECORDER_ROLE. All or nothing; the first bad item is named with its index and reason.
    function recordBatch(bytes32 taskId, Result[] calldata results) external;
    /// One code an item, in order; None where recordBatch would record it.
    function preview(bytes32 taskId, Result[] calldata results) external view returns (Refusal[] memory);
    /// RECORDER_ROLE. New results for claims that have one (a retroactive top-up), in ascending order of their keys,
    /// each enforced like a first result.
    function supersedeBatch(bytes32 taskId, Result[] calldata results) external;
    /// One code an item, in order; None where supersedeBatch would take it.
    function previewSupersession(bytes32 taskId, Result[] calldata results) external view returns (Refusal[] memory);
    /// PAYER_ROLE. Once a version, and only the current one.
    function confirmPayouts(Confirmation[] calldata confirmations) external;
    /// RECORDER_ROLE. The current version: paid or not, it can never be confirmed any more.
    function reverse(bytes32 claimKey, uint32 version, bytes32 reasonDigest) external;
    /// DEFAULT_ADMIN_ROLE, once, to a holder of SUCCESSOR_ROLE: new claims are refused here from now on, and the
    /// successor starts to take them.
    function handOver(address successor_) external;
    function successor() external view returns (address);
    /// keccak256(keccak256(resultDigest, authorizationId), keccak256(taskId, version)), each of 32-byte words, or
    /// zero; every version stays readable.
    function commitmentOf(bytes32 claimKey, uint32 version) external view returns (bytes32);
    /// How the version stands or how it ended; only the latest one is still open to anything.
    function payoutStateOf(bytes32 claimKey, uint32 version) external view returns (PayoutState);
    /// The latest version; zero: never recorded here.
    function versionOf(bytes32 claimKey) external view returns (uint32);
    /// Whether this store or any predecessor knows the claim.
    function isRecorded(bytes32 claimKey) external view returns (bool);
}
