// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {AuthorizationHolder, AuthorizationRecord, packHolder, packRecord} from "./base/AuthorizationRecord.sol";
import {SeparateRoles} from "./base/SeparateRoles.sol";
import {Grant, GrantRefusal, IAuthorizationRegistry, Liveness} from "./interfaces/IAuthorizationRegistry.sol";

/// @title 授权存证: who has consented to what, until when.
/// @notice An authorization id lives once: granted directly or out of a wave, then perhaps revoked, for ever.
/// `insured` is the address whose signature grants and revokes: the insured person's, or the guardian's who
/// signs for a minor. It may be a contract wallet (EIP-1271).
/// @dev The digest of the signed consent is in the event (a receipt proves it); nothing on chain reads it back.
/// Ids are chosen off chain at random. Whoever sees a grant in flight could grant the same id first, for a
/// subject of their own: that costs the relayer a new signature and admits nothing.
contract AuthorizationRegistry is IAuthorizationRegistry, SeparateRoles, EIP712, Nonces {
    bytes32 public constant ENROLMENT_ROLE = keccak256("ENROLMENT_ROLE");
    bytes32 public constant REVOKER_ROLE = keccak256("REVOKER_ROLE");

    bytes32 private constant GRANT_TYPEHASH = keccak256(
        "Grant(bytes32 id,bytes32 subject,bytes32 scope,bytes32 consentDigest,"
        "address insured,uint48 expires,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant REVOKE_TYPEHASH = keccak256("Revoke(bytes32 id,uint256 nonce,uint256 deadline)");

    struct Authorization {
        AuthorizationRecord record;
        AuthorizationHolder holder;
    }

    struct Wave {
        uint48 granted;
        uint48 expires;
        uint64 count; // leaves promised; zero: unknown wave
        uint64 taken; // leaves materialized or revoked so far
        bytes32 scope;
    }

    mapping(bytes32 id => Authorization) private _authorizations;
    mapping(bytes32 root => Wave) private _waves;

    constructor(address admin) SeparateRoles(admin) EIP712("AuthorizationRegistry", "1") {}

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_signed_grant_relayed_by_anyone_is_live
    function grant(Grant calldata g, uint256 deadline, bytes calldata signature) external {
        _requireInTime(deadline);
        _grantSigned(0, g, deadline, signature);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @dev ENROLMENT_ROLE, although every item carries its own signature: bulk belongs to the channel that
    /// answers for it, and a batch of strangers' grants could be front-run to make it revert.
    /// @custom:invariant test_one_bad_grant_reverts_the_batch_and_is_named_by_index
    function grantBatch(Grant[] calldata gs, uint256 deadline, bytes[] calldata signatures)
        external
        onlyRole(ENROLMENT_ROLE)
    {
        _requireInTime(deadline);
        if (gs.length == 0) revert EmptyBatch();
        if (gs.length != signatures.length) revert LengthMismatch(gs.length, signatures.length);
        for (uint256 i = 0; i < gs.length; ++i) {
            _grantSigned(i, gs[i], deadline, signatures[i]);
        }
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_wave_is_granted_once_by_the_enrolment_role
    function grantWave(bytes32 root, uint64 count, bytes32 scope, uint48 expires, bytes32 consentTextDigest)
        external
        onlyRole(ENROLMENT_ROLE)
    {
        if (root == 0 || count == 0 || scope == 0 || consentTextDigest == 0) {
            revert WaveRefused(root, GrantRefusal.ZeroField);
        }
        if (_waves[root].count != 0) revert WaveRefused(root, GrantRefusal.AlreadyKnown);
        if (expires <= block.timestamp) revert WaveRefused(root, GrantRefusal.ExpiryPassed);
        _waves[root] = Wave(uint48(block.timestamp), expires, count, 0, scope);
        emit WaveGranted(root, scope, count, expires, consentTextDigest);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_leaf_of_a_wave_is_materialized_once_by_anyone
    function materialize(bytes32 root, Grant calldata leaf, bytes32[] calldata proof) external {
        _requireGrantable(0, leaf);
        _keep(leaf, _takeLeaf(root, leaf, proof));
        emit AuthorizationMaterialized(leaf.id, root);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_revocation_is_terminal
    function revoke(bytes32 id, uint256 deadline, bytes calldata signature) external {
        _requireInTime(deadline);
        address insured = _authorizations[id].holder.insured();
        _revoke(id, insured);
        _requireRevokeSigned(id, insured, deadline, signature);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @dev A leaf still inside its wave is materialized first; that exposes nothing new, since anybody may do so.
    /// @custom:invariant test_only_the_revoker_revokes_without_a_signature
    function revokeFor(bytes32 id) external onlyRole(REVOKER_ROLE) {
        _revoke(id, msg.sender);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_leaf_revoked_in_its_wave_can_never_be_materialized
    function revokeUnmaterialized(
        bytes32 root,
        Grant calldata leaf,
        bytes32[] calldata proof,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _requireInTime(deadline);
        Authorization storage a = _authorizations[leaf.id];
        if (a.record.isKnown()) revert GrantRefused(0, leaf.id, GrantRefusal.AlreadyKnown);
        uint48 granted = _takeLeaf(root, leaf, proof);
        a.record = packRecord(granted, leaf.expires, leaf.scope, leaf.subject).revoked();
        a.holder = packHolder(leaf.insured, leaf.scope);
        emit AuthorizationRevoked(leaf.id, leaf.insured);
        _requireRevokeSigned(leaf.id, leaf.insured, deadline, signature);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_requireLive_reverts_with_the_reason_that_liveness_gives
    function requireLive(bytes32 id, bytes32 scope, bytes32 subject, uint48 at) external view {
        Liveness reason = liveness(id, scope, subject, at);
        if (reason != Liveness.Live) revert NotLive(id, reason);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_liveness_gives_the_first_reason_in_order
    function liveness(bytes32 id, bytes32 scope, bytes32 subject, uint48 at) public view returns (Liveness) {
        Authorization storage a = _authorizations[id];
        AuthorizationRecord record = a.record;
        Liveness reason = record.at(at);
        if (reason != Liveness.Live || record.binds(scope, subject)) return reason;
        return a.holder.carriesScope(scope) ? Liveness.OtherSubject : Liveness.OutOfScope;
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_signature_is_good_for_one_nonce
    function nonces(address insured) public view override(IAuthorizationRegistry, Nonces) returns (uint256) {
        return super.nonces(insured);
    }

    function _requireInTime(uint256 deadline) private view {
        if (block.timestamp > deadline) revert SignatureExpired(deadline, block.timestamp);
    }

    function _requireGrantable(uint256 index, Grant calldata g) private view {
        if (g.id == 0 || g.subject == 0 || g.scope == 0 || g.consentDigest == 0 || g.insured == address(0)) {
            revert GrantRefused(index, g.id, GrantRefusal.ZeroField);
        }
        if (_authorizations[g.id].record.isKnown()) revert GrantRefused(index, g.id, GrantRefusal.AlreadyKnown);
        if (g.expires <= block.timestamp) revert GrantRefused(index, g.id, GrantRefusal.ExpiryPassed);
    }

    function _grantSigned(uint256 index, Grant calldata g, uint256 deadline, bytes calldata signature) private {
        _requireGrantable(index, g);
        bytes32 structHash = keccak256(abi.encode(GRANT_TYPEHASH, g, _useNonce(g.insured), deadline));
        if (!_signedBy(g.insured, structHash, signature)) {
            revert GrantRefused(index, g.id, GrantRefusal.BadSignature);
        }
        _keep(g, uint48(block.timestamp));
    }

    function _keep(Grant calldata g, uint48 granted) private {
        Authorization storage a = _authorizations[g.id];
        a.record = packRecord(granted, g.expires, g.scope, g.subject);
        a.holder = packHolder(g.insured, g.scope);
        emit AuthorizationGranted(g.id, g.subject, g.scope, g.insured, g.expires, g.consentDigest);
    }

    function _revoke(bytes32 id, address by) private {
        AuthorizationRecord record = _authorizations[id].record;
        if (!record.isKnown()) revert UnknownAuthorization(id);
        if (record.isRevoked()) revert AlreadyRevoked(id);
        _authorizations[id].record = record.revoked();
        emit AuthorizationRevoked(id, by);
    }

    /// Checks that the leaf is in the wave and counts it, so that no wave yields more than it promised.
    function _takeLeaf(bytes32 root, Grant calldata leaf, bytes32[] calldata proof) private returns (uint48 granted) {
        Wave storage wave = _waves[root];
        if (wave.count == 0) revert WaveUnknown(root);
        bytes32 node = keccak256(bytes.concat(keccak256(abi.encode(leaf))));
        if (
            leaf.scope != wave.scope || leaf.expires > wave.expires || !MerkleProof.verifyCalldata(proof, root, node)
        ) revert NotInWave(root, leaf.id);
        if (wave.taken == wave.count) revert WaveExhausted(root, wave.count);
        ++wave.taken;
        return wave.granted;
    }

    function _requireRevokeSigned(bytes32 id, address insured, uint256 deadline, bytes calldata signature) private {
        bytes32 structHash = keccak256(abi.encode(REVOKE_TYPEHASH, id, _useNonce(insured), deadline));
        if (!_signedBy(insured, structHash, signature)) revert RevokeNotSigned(id, insured);
    }

    /// EIP-1271 wallets are asked by staticcall, so none can call back into a half-made change.
    function _signedBy(address signer, bytes32 structHash, bytes calldata signature) private view returns (bool) {
        return SignatureChecker.isValidSignatureNowCalldata(signer, _hashTypedDataV4(structHash), signature);
    }
}
