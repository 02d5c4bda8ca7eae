// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuthorizationRecord} from "../base/AuthorizationRecord.sol";
import {Result} from "../base/Result.sol";

/// Why an authorization is not live. The order is the order of the checks.
enum Liveness {
    Live,
    Unknown,
    Revoked,
    NotYetGranted,
    Expired,
    OutOfScope,
    OtherSubject
}

/// What is consented to. Its id is the hash of all of it, the leaf hash of a standard Merkle tree:
/// keccak256(keccak256(abi.encode(grant))). So nobody can take an id before its grant comes, and who holds the
/// grant can always show what an id stands for.
struct Grant {
    bytes32 subject; // salted commitment to the person
    bytes32 scope; // digest of the purpose and the recipient
    bytes32 consentDigest; // salted commitment to the signed consent
    address insured; // may revoke; zero where only a guardian has a key
    address guardian; // signs in the insured's place and may revoke; zero where the insured signs
    uint40 expires; // seconds; live while now < expires
}

/// A grant of a wave, without the scope that all of them have, and its proof: the next `siblings` of those given
/// with the batch lead from its id to the wave's root, or to the sibling numbered `joins` (from 1), which an earlier
/// proof of the batch has already led there. Leaves that stand near each other share most of their way.
struct WaveLeaf {
    bytes32 subject;
    bytes32 consentDigest;
    address insured;
    address guardian;
    uint40 expires;
    uint16 siblings;
    uint32 joins; // zero: the root
}

/// Why a grant is refused. The order is the order of the checks.
enum GrantRefusal {
    None,
    ZeroField,
    GuardianIsInsured,
    ScopeNotAdmitted,
    AlreadyKnown, // the same grant was made or revoked before: an id lives once
    ExpiryPassed,
    BadSignature
}

interface IAuthorizationRegistry {
    event ScopeAdmitted(bytes32 indexed scope, uint16 number);
    event AuthorizationGranted(
        bytes32 indexed id,
        bytes32 indexed subject,
        bytes32 indexed scope,
        address insured,
        address guardian,
        uint40 expires,
        bytes32 consentDigest
    );
    event WaveGranted(
        bytes32 indexed root, bytes32 indexed scope, uint64 count, uint40 expires, bytes32 consentTextDigest
    );
    /// A grant came out of its wave, whose scope it has.
    event AuthorizationMaterialized(
        bytes32 indexed id,
        bytes32 indexed subject,
        bytes32 indexed root,
        address insured,
        address guardian,
        uint40 expires,
        bytes32 consentDigest
    );
    event AuthorizationRenewed(bytes32 indexed id, address indexed by, uint40 expires, bytes32 consentDigest);
    event AuthorizationRevoked(bytes32 indexed id, address indexed by);

    /// `index` is the place in the batch, 0 outside one.
    error GrantRefused(uint256 index, bytes32 id, GrantRefusal reason);
    error SignatureExpired(uint256 deadline, uint256 time);
    error LengthMismatch(uint256 grants, uint256 signatures);
    error SiblingsLeftOver(bytes32 root, uint256 used, uint256 given);
    error EmptyBatch();
    error ScopeRefused(bytes32 scope, GrantRefusal reason);
    error WaveRefused(bytes32 root, GrantRefusal reason);
    error WaveUnknown(bytes32 root);
    error WaveExhausted(bytes32 root, uint64 count);
    error OtherScope(bytes32 root, bytes32 scope);
    error JoinsAhead(bytes32 root, uint256 index, uint32 joins);
    error NotInWave(bytes32 root, bytes32 id);
    error NotLive(bytes32 id, Liveness reason);
    error ExpiryNotLater(bytes32 id, uint40 expires, uint40 wanted);
    error ZeroConsent(bytes32 id);
    error NotAHolder(bytes32 id, address signer);
    error NotSigned(bytes32 id, address signer);
    error UnknownAuthorization(bytes32 id);
    error AlreadyRevoked(bytes32 id);

    /// ENROLMENT_ROLE: a scope under which grants can be made.
    function admitScope(bytes32 scope) external;
    /// Relayed by anyone; `signature` is the guardian's, or the insured's where there is none, over the Grant, the
    /// signer's nonce and `deadline`.
    function grant(Grant calldata g, uint256 deadline, bytes calldata signature) external;
    /// Many at once, relayed by the enrolment channel; one bad item reverts all, named by its index.
    function grantBatch(Grant[] calldata gs, uint256 deadline, bytes[] calldata signatures) external;
    /// ENROLMENT_ROLE: `count` grants of one scope at once, as the root of a Merkle tree over their ids.
    function grantWave(bytes32 root, uint64 count, bytes32 scope, uint40 expires, bytes32 consentTextDigest) external;
    /// By anyone: brings one grant out of its wave, live since the wave was granted.
    function materialize(bytes32 root, Grant calldata leaf, bytes32[] calldata proof) external;
    /// By anyone: many at once; one bad item reverts all, named by its index or its id.
    function materializeBatch(bytes32 root, bytes32 scope, WaveLeaf[] calldata leaves, bytes32[] calldata siblings)
        external;
    /// Extends a live authorization without a gap. By the signature of the insured or the guardian over
    /// (id, expires, consentDigest, nonce, deadline), relayed by anyone.
    function renew(
        Grant calldata g,
        uint40 expires,
        bytes32 consentDigest,
        address signer,
        uint256 deadline,
        bytes calldata signature
    ) external;
    /// By the signature of the insured or the guardian over (id, nonce, deadline), relayed by anyone.
    function revoke(Grant calldata g, address signer, uint256 deadline, bytes calldata signature) external;
    /// The same for a grant that is still inside its wave.
    function revokeInWave(
        bytes32 root,
        Grant calldata leaf,
        bytes32[] calldata proof,
        address signer,
        uint256 deadline,
        bytes calldata signature
    ) external;
    /// REVOKER_ROLE (paper withdrawals, court orders).
    function revokeFor(bytes32 id) external;
    /// REVOKER_ROLE: the same for a grant that is still inside its wave.
    function revokeInWaveFor(bytes32 root, Grant calldata leaf, bytes32[] calldata proof) external;
    /// Why not at `time`, or Live.
    function liveness(bytes32 id, bytes32 scope, bytes32 subject, uint40 time) external view returns (Liveness);
    /// Reverts with NotLive unless Live.
    function requireLive(bytes32 id, bytes32 scope, bytes32 subject, uint40 time) external view;
    /// Whether every result's authorization is live now, for the result's own subject, under one scope, given by its
    /// number. `liveness` tells of each why not.
    function areLive(uint16 scopeNumber, Result[] calldata results) external view returns (bool);
    /// The packed word.
    function recordOf(bytes32 id) external view returns (AuthorizationRecord);
    /// The number that records carry for a scope; zero: not admitted.
    function scopeNumberOf(bytes32 scope) external view returns (uint16);
    function idOf(Grant memory g) external pure returns (bytes32);
    /// The nonce that the signer's next signature, of any kind, must carry.
    function nonces(address signer) external view returns (uint256);
}
