// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {AuthorizationRecord, packRecord, SUBJECT_MASK} from "./base/AuthorizationRecord.sol";
import {Result} from "./base/Result.sol";
import {RoleHolder, SeparateRoles} from "./base/SeparateRoles.sol";
import {Grant, GrantRefusal, IAuthorizationRegistry, Liveness, WaveLeaf} from "./interfaces/IAuthorizationRegistry.sol";

/// @title 授权存证: who has consented to what, until when.
/// @notice An authorization lives once: granted directly or out of a wave, perhaps renewed while it is live, then
/// perhaps revoked, for ever. The insured person signs, or the guardian of a minor; either may revoke, and both may
/// be contract wallets (EIP-1271).
/// @dev One slot an authorization. Who may revoke it is not stored: whoever revokes shows the grant, whose hash is
/// the id. The digest of the signed consent is in the event (a receipt proves it) and in the id.
contract AuthorizationRegistry is IAuthorizationRegistry, SeparateRoles, EIP712, Nonces {
    bytes32 public constant ENROLMENT_ROLE = keccak256("ENROLMENT_ROLE");
    bytes32 public constant REVOKER_ROLE = keccak256("REVOKER_ROLE");

    bytes32 private constant GRANT_TYPEHASH = keccak256(
        "Grant(bytes32 subject,bytes32 scope,bytes32 consentDigest,"
        "address insured,address guardian,uint40 expires,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant RENEW_TYPEHASH =
        keccak256("Renew(bytes32 id,uint40 expires,bytes32 consentDigest,uint256 nonce,uint256 deadline)");
    bytes32 private constant REVOKE_TYPEHASH = keccak256("Revoke(bytes32 id,uint256 nonce,uint256 deadline)");

    struct Wave {
        uint40 granted;
        uint40 expires;
        uint16 scopeNumber;
        uint64 count; // leaves promised; zero: unknown wave
        uint64 taken; // leaves materialized or revoked so far
    }

    mapping(bytes32 id => AuthorizationRecord) private _records;
    mapping(bytes32 root => Wave) private _waves;
    mapping(bytes32 scope => uint16 number) private _scopeNumbers;
    uint16 private _scopeCount;

    constructor(RoleHolder[] memory holders) SeparateRoles(holders) EIP712("AuthorizationRegistry", "1") {}

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_scope_is_admitted_once_by_the_enrolment_role
    function admitScope(bytes32 scope) external onlyRole(ENROLMENT_ROLE) whenNotPaused {
        if (scope == 0) revert ScopeRefused(scope, GrantRefusal.ZeroField);
        if (_scopeNumbers[scope] != 0) revert ScopeRefused(scope, GrantRefusal.AlreadyKnown);
        _scopeNumbers[scope] = ++_scopeCount;
        emit ScopeAdmitted(scope, _scopeCount);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_signed_grant_relayed_by_anyone_is_live
    function grant(Grant calldata g, uint256 deadline, bytes calldata signature) external whenNotPaused {
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
        whenNotPaused
    {
        _requireInTime(deadline);
        if (gs.length == 0) revert EmptyBatch();
        if (gs.length != signatures.length) revert LengthMismatch(gs.length, signatures.length);
        for (uint256 i = 0; i < gs.length; ++i) {
            _grantSigned(i, gs[i], deadline, signatures[i]);
        }
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @dev A wave is renewed by the next one: granted before this one expires, it leaves no moment without a live
    /// authorization (test_a_wave_granted_before_the_last_expires_leaves_no_gap).
    /// @custom:invariant test_a_wave_is_granted_once_by_the_enrolment_role
    function grantWave(bytes32 root, uint64 count, bytes32 scope, uint40 expires, bytes32 consentTextDigest)
        external
        onlyRole(ENROLMENT_ROLE)
        whenNotPaused
    {
        if (root == 0 || count == 0 || scope == 0 || consentTextDigest == 0) {
            revert WaveRefused(root, GrantRefusal.ZeroField);
        }
        uint16 scopeNumber = _scopeNumbers[scope];
        if (scopeNumber == 0) revert WaveRefused(root, GrantRefusal.ScopeNotAdmitted);
        if (_waves[root].count != 0) revert WaveRefused(root, GrantRefusal.AlreadyKnown);
        if (expires <= block.timestamp) revert WaveRefused(root, GrantRefusal.ExpiryPassed);
        _waves[root] = Wave(uint40(block.timestamp), expires, scopeNumber, count, 0);
        emit WaveGranted(root, scope, count, expires, consentTextDigest);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_leaf_of_a_wave_is_materialized_once_by_anyone
    function materialize(bytes32 root, Grant calldata leaf, bytes32[] calldata proof) external whenNotPaused {
        Wave memory wave = _knownWave(root, leaf.scope);
        _materialize(0, root, wave, leaf, proof, root);
        _countTaken(root, wave, 1);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @dev A sibling is taken as a node of the tree once the proof that it is part of has led to the root.
    /// @custom:invariant test_leaves_of_a_wave_are_materialized_together_by_one_joint_proof
    function materializeBatch(bytes32 root, bytes32 scope, WaveLeaf[] calldata leaves, bytes32[] calldata siblings)
        external
        whenNotPaused
    {
        if (leaves.length == 0) revert EmptyBatch();
        Wave memory wave = _knownWave(root, scope);
        Grant memory g;
        g.scope = scope;
        uint256 from;
        for (uint256 i = 0; i < leaves.length; ++i) {
            WaveLeaf calldata leaf = leaves[i];
            (g.subject, g.consentDigest) = (leaf.subject, leaf.consentDigest);
            (g.insured, g.guardian, g.expires) = (leaf.insured, leaf.guardian, leaf.expires);
            if (leaf.joins > from) revert JoinsAhead(root, i, leaf.joins);
            uint256 to = from + leaf.siblings;
            _materialize(i, root, wave, g, siblings[from:to], leaf.joins == 0 ? root : siblings[leaf.joins - 1]);
            from = to;
        }
        if (from != siblings.length) revert SiblingsLeftOver(root, from, siblings.length);
        _countTaken(root, wave, leaves.length);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_renewal_extends_a_live_authorization_only
    function renew(
        Grant calldata g,
        uint40 expires,
        bytes32 consentDigest,
        address signer,
        uint256 deadline,
        bytes calldata signature
    ) external whenNotPaused {
        _requireInTime(deadline);
        bytes32 id = idOf(g);
        AuthorizationRecord record = _records[id];
        Liveness reason = record.liveness(_scopeNumbers[g.scope], g.subject, uint40(block.timestamp));
        if (reason != Liveness.Live) revert NotLive(id, reason);
        if (expires <= record.expires()) revert ExpiryNotLater(id, record.expires(), expires);
        if (consentDigest == 0) revert ZeroConsent(id);
        _records[id] = record.renewed(expires);
        emit AuthorizationRenewed(id, signer, expires, consentDigest);
        bytes32 structHash =
            keccak256(abi.encode(RENEW_TYPEHASH, id, expires, consentDigest, _useNonce(signer), deadline));
        _requireSignedByHolder(id, g, signer, structHash, signature);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_revocation_is_terminal
    function revoke(Grant calldata g, address signer, uint256 deadline, bytes calldata signature) external {
        bytes32 id = idOf(g);
        _revokeKnown(id, signer);
        _requireRevokeSigned(id, g, signer, deadline, signature);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_leaf_revoked_in_its_wave_can_never_be_materialized
    function revokeInWave(
        bytes32 root,
        Grant calldata leaf,
        bytes32[] calldata proof,
        address signer,
        uint256 deadline,
        bytes calldata signature
    ) external {
        bytes32 id = _revokeInWave(root, leaf, proof, signer);
        _requireRevokeSigned(id, leaf, signer, deadline, signature);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_only_the_revoker_revokes_without_a_signature
    function revokeFor(bytes32 id) external onlyRole(REVOKER_ROLE) {
        _revokeKnown(id, msg.sender);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_only_the_revoker_revokes_without_a_signature
    function revokeInWaveFor(bytes32 root, Grant calldata leaf, bytes32[] calldata proof)
        external
        onlyRole(REVOKER_ROLE)
    {
        _revokeInWave(root, leaf, proof, msg.sender);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_requireLive_reverts_with_the_reason_that_liveness_gives
    function requireLive(bytes32 id, bytes32 scope, bytes32 subject, uint40 time) external view {
        Liveness reason = liveness(id, scope, subject, time);
        if (reason != Liveness.Live) revert NotLive(id, reason);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_batch_is_live_when_each_of_it_is
    function areLive(uint16 scopeNumber, Result[] calldata results) external view returns (bool) {
        for (uint256 i = 0; i < results.length; ++i) {
            Result calldata r = results[i];
            if (!_records[r.authorizationId].isLive(scopeNumber, r.subject, uint40(block.timestamp))) return false;
        }
        return true;
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_the_record_is_the_stated_word_in_the_stated_slot
    function recordOf(bytes32 id) external view returns (AuthorizationRecord) {
        return _records[id];
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_scope_is_admitted_once_by_the_enrolment_role
    function scopeNumberOf(bytes32 scope) external view returns (uint16) {
        return _scopeNumbers[scope];
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_liveness_gives_the_first_reason_in_order
    function liveness(bytes32 id, bytes32 scope, bytes32 subject, uint40 time) public view returns (Liveness) {
        return _records[id].liveness(_scopeNumbers[scope], subject, time);
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_an_id_is_the_hash_of_its_grant
    function idOf(Grant memory g) public pure returns (bytes32 id) {
        // keccak256(bytes.concat(keccak256(abi.encode(g)))): a struct of six words lies in memory as abi.encode would
        // copy it, and copying costs more than hashing.
        // slither-disable-next-line assembly -- hashes a struct where it lies (check_idOf)
        assembly ("memory-safe") {
            mstore(0, keccak256(g, 192))
            id := keccak256(0, 32)
        }
    }

    /// @inheritdoc IAuthorizationRegistry
    /// @custom:invariant test_a_signature_is_good_for_one_nonce
    function nonces(address signer) public view override(IAuthorizationRegistry, Nonces) returns (uint256) {
        return super.nonces(signer);
    }

    function _requireInTime(uint256 deadline) private view {
        if (block.timestamp > deadline) revert SignatureExpired(deadline, block.timestamp);
    }

    /// All leaves of a wave have its scope.
    function _knownWave(bytes32 root, bytes32 scope) private view returns (Wave memory wave) {
        wave = _waves[root];
        // slither-disable-next-line incorrect-equality -- zero means unknown; no transfer moves it
        if (wave.count == 0) revert WaveUnknown(root);
        if (wave.scopeNumber != _scopeNumbers[scope]) revert OtherScope(root, scope);
    }

    /// Nothing is taken out of a wave beyond what it promised.
    function _countTaken(bytes32 root, Wave memory wave, uint256 more) private {
        uint256 taken = wave.taken + more;
        if (taken > wave.count) revert WaveExhausted(root, wave.count);
        _waves[root].taken = uint64(taken);
    }

    /// `end` is the root, or a node that has already been led there.
    function _requireInWave(
        bytes32 root,
        Wave memory wave,
        uint40 expires,
        bytes32 id,
        bytes32[] calldata proof,
        bytes32 end
    ) private pure {
        if (expires > wave.expires || !MerkleProof.verifyCalldata(proof, end, id)) revert NotInWave(root, id);
    }

    /// What a grant and a leaf must both be before they are kept.
    function _requireGrantable(uint256 index, bytes32 id, Grant memory g, uint16 scopeNumber) private view {
        GrantRefusal refusal;
        // A subject is zero when nothing of it is kept: else a result without a subject would pass for its own.
        bool noSubject = uint256(g.subject) & SUBJECT_MASK == 0;
        if (noSubject || g.consentDigest == 0 || (g.insured == address(0) && g.guardian == address(0))) {
            refusal = GrantRefusal.ZeroField;
        } else if (g.insured == g.guardian) {
            refusal = GrantRefusal.GuardianIsInsured;
            // slither-disable-next-line incorrect-equality -- zero is the number of no scope; no transfer moves it
        } else if (scopeNumber == 0) {
            refusal = GrantRefusal.ScopeNotAdmitted;
        } else if (_records[id].isKnown()) {
            refusal = GrantRefusal.AlreadyKnown;
        } else if (g.expires <= block.timestamp) {
            refusal = GrantRefusal.ExpiryPassed;
        } else {
            return;
        }
        revert GrantRefused(index, id, refusal);
    }

    function _grantSigned(uint256 index, Grant calldata g, uint256 deadline, bytes calldata signature) private {
        bytes32 id = idOf(g);
        uint16 scopeNumber = _scopeNumbers[g.scope];
        _requireGrantable(index, id, g, scopeNumber);
        address signer = g.guardian == address(0) ? g.insured : g.guardian;
        bytes32 structHash = keccak256(abi.encode(GRANT_TYPEHASH, g, _useNonce(signer), deadline));
        if (!_signedBy(signer, structHash, signature)) revert GrantRefused(index, id, GrantRefusal.BadSignature);
        _records[id] = packRecord(uint40(block.timestamp), g.expires, scopeNumber, g.subject);
        emit AuthorizationGranted(id, g.subject, g.scope, g.insured, g.guardian, g.expires, g.consentDigest);
    }

    function _materialize(
        uint256 index,
        bytes32 root,
        Wave memory wave,
        Grant memory leaf,
        bytes32[] calldata proof,
        bytes32 end
    ) private {
        bytes32 id = idOf(leaf);
        _requireGrantable(index, id, leaf, wave.scopeNumber);
        _requireInWave(root, wave, leaf.expires, id, proof, end);
        _records[id] = packRecord(wave.granted, leaf.expires, wave.scopeNumber, leaf.subject);
        emit AuthorizationMaterialized(
            id, leaf.subject, root, leaf.insured, leaf.guardian, leaf.expires, leaf.consentDigest
        );
    }

    function _revokeKnown(bytes32 id, address by) private {
        AuthorizationRecord record = _records[id];
        if (!record.isKnown()) revert UnknownAuthorization(id);
        if (record.isRevoked()) revert AlreadyRevoked(id);
        _records[id] = record.revoked();
        emit AuthorizationRevoked(id, by);
    }

    /// Revoked before it ever came on chain. One that has come is revoked as any other: a relayer need not know.
    function _revokeInWave(bytes32 root, Grant calldata leaf, bytes32[] calldata proof, address by)
        private
        returns (bytes32 id)
    {
        id = idOf(leaf);
        if (!_records[id].isKnown()) {
            Wave memory wave = _knownWave(root, leaf.scope);
            _requireInWave(root, wave, leaf.expires, id, proof, root);
            _countTaken(root, wave, 1);
            _records[id] = packRecord(wave.granted, leaf.expires, wave.scopeNumber, leaf.subject);
        }
        _revokeKnown(id, by);
    }

    function _requireRevokeSigned(
        bytes32 id,
        Grant calldata g,
        address signer,
        uint256 deadline,
        bytes calldata signature
    ) private {
        _requireInTime(deadline);
        bytes32 structHash = keccak256(abi.encode(REVOKE_TYPEHASH, id, _useNonce(signer), deadline));
        _requireSignedByHolder(id, g, signer, structHash, signature);
    }

    function _requireSignedByHolder(
        bytes32 id,
        Grant calldata g,
        address signer,
        bytes32 structHash,
        bytes calldata signature
    ) private view {
        if (signer == address(0) || (signer != g.insured && signer != g.guardian)) revert NotAHolder(id, signer);
        if (!_signedBy(signer, structHash, signature)) revert NotSigned(id, signer);
    }

    /// EIP-1271 wallets are asked by staticcall, so none can call back into a half-made change.
    function _signedBy(address signer, bytes32 structHash, bytes calldata signature) private view returns (bool) {
        return SignatureChecker.isValidSignatureNowCalldata(signer, _hashTypedDataV4(structHash), signature);
    }
}
