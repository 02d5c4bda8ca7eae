// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

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

/// What an insured person signs (EIP-712) and what the registry keeps of it.
struct Grant {
    bytes32 id; // random, chosen off chain
    bytes32 subject; // salted commitment to the person
    bytes32 scope; // digest of the purpose and the recipient
    bytes32 consentDigest; // salted commitment to the signed consent text
    address insured; // who may revoke; the signer, or the guardian who signs for the insured
    uint48 expires; // seconds; live while now < expires
}

/// Why a grant is refused. The order is the order of the checks.
enum GrantRefusal {
    None,
    ZeroField,
    AlreadyKnown, // the id was granted or revoked before: an id lives once
    ExpiryPassed,
    BadSignature
}

interface IAuthorizationRegistry {
    event AuthorizationGranted(
        bytes32 indexed id,
        bytes32 indexed subject,
        bytes32 indexed scope,
        address insured,
        uint48 expires,
        bytes32 consentDigest
    );
    event AuthorizationRevoked(bytes32 indexed id, address indexed by);
    event WaveGranted(
        bytes32 indexed root, bytes32 indexed scope, uint64 count, uint48 expires, bytes32 consentTextDigest
    );

    /// Besides AuthorizationGranted: the wave that the authorization came out of.
    event AuthorizationMaterialized(bytes32 indexed id, bytes32 indexed root);

    /// `index` is the place in the batch, 0 outside one.
    error GrantRefused(uint256 index, bytes32 id, GrantRefusal reason);
    error SignatureExpired(uint256 deadline, uint256 time);
    error LengthMismatch(uint256 grants, uint256 signatures);
    error EmptyBatch();
    error RevokeNotSigned(bytes32 id, address insured);
    error UnknownAuthorization(bytes32 id);
    error AlreadyRevoked(bytes32 id);
    error WaveRefused(bytes32 root, GrantRefusal reason);
    error WaveUnknown(bytes32 root);
    error WaveExhausted(bytes32 root, uint64 count);
    error NotInWave(bytes32 root, bytes32 id);
    error NotLive(bytes32 id, Liveness reason);

    /// Relayed by anyone; `signature` is the insured's over the Grant, its nonce and `deadline`.
    function grant(Grant calldata g, uint256 deadline, bytes calldata signature) external;
    /// Many at once, relayed by the enrolment channel; one bad item reverts all, named by its index.
    function grantBatch(Grant[] calldata gs, uint256 deadline, bytes[] calldata signatures) external;
    /// ENROLMENT_ROLE: `count` grants of one scope at once, as the root of a Merkle tree over them.
    function grantWave(bytes32 root, uint64 count, bytes32 scope, uint48 expires, bytes32 consentTextDigest) external;
    /// By anyone: brings one grant out of its wave, live since the wave was granted.
    function materialize(bytes32 root, Grant calldata leaf, bytes32[] calldata proof) external;
    /// By the insured's signature over (id, nonce, deadline), relayed by anyone.
    function revoke(bytes32 id, uint256 deadline, bytes calldata signature) external;
    /// By the revoker role (paper withdrawals, court orders).
    function revokeFor(bytes32 id) external;
    /// By the insured's signature while still inside a wave.
    function revokeUnmaterialized(
        bytes32 root,
        Grant calldata leaf,
        bytes32[] calldata proof,
        uint256 deadline,
        bytes calldata signature
    ) external;
    /// Why not at time `at`, or Live.
    function liveness(bytes32 id, bytes32 scope, bytes32 subject, uint48 at) external view returns (Liveness);
    /// Reverts with NotLive unless Live.
    function requireLive(bytes32 id, bytes32 scope, bytes32 subject, uint48 at) external view;
    /// The nonce that the insured's next signature, of either kind, must carry.
    function nonces(address insured) external view returns (uint256);
}
