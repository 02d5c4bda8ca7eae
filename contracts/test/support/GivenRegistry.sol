// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {AuthorizationRecord, packRecord} from "../../src/base/AuthorizationRecord.sol";
import {RoleHolder, SeparateRoles} from "../../src/base/SeparateRoles.sol";
import {Grant, IAuthorizationRegistry} from "../../src/interfaces/IAuthorizationRegistry.sol";
import {DigestWallet} from "./DigestWallet.sol";
import {Spec} from "./Spec.sol";
import {typedDigest} from "./TypedData.sol";

/// @notice A registry with one admitted scope, and one grant of any content brought to any stage of its life.
/// @dev Who signs is a contract wallet, or an account whose signature has no signature's length. Signatures by keys
/// are left to the Python tests: no prover inverts a curve.
abstract contract GivenRegistry is Spec {
    bytes32 internal constant ENROLMENT_ROLE = keccak256("ENROLMENT_ROLE");
    bytes32 internal constant REVOKER_ROLE = keccak256("REVOKER_ROLE");
    address internal constant ENROLMENT = address(0xB1);
    address internal constant REVOKER = address(0xB2);
    address internal constant OUTSIDER = address(0xB4); // an account without code
    bytes32 internal constant SCOPE = keccak256("the admitted scope");
    uint16 internal constant SCOPE_NUMBER = 1;
    uint40 internal constant BEGIN = 1_000_000;

    bytes32 private constant GRANT_TYPEHASH = keccak256(
        "Grant(bytes32 subject,bytes32 scope,bytes32 consentDigest,"
        "address insured,address guardian,uint40 expires,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant RENEW_TYPEHASH =
        keccak256("Renew(bytes32 id,uint40 expires,bytes32 consentDigest,uint256 nonce,uint256 deadline)");
    bytes32 private constant REVOKE_TYPEHASH = keccak256("Revoke(bytes32 id,uint256 nonce,uint256 deadline)");

    enum Stage {
        Unknown,
        Granted,
        Revoked
    }

    /// Where a call starts: how far the grant has come, who calls and when.
    struct Given {
        uint8 stage;
        bool paused;
        address caller;
        uint32 later; // seconds after BEGIN
        bytes32 probe; // another authorization
    }

    /// A grant whose holders are few: see _holder.
    struct Consent {
        bytes32 subject;
        bytes32 scope;
        bytes32 consentDigest;
        uint8 insured;
        uint8 guardian;
        uint40 expires;
    }

    /// Who signs, until when it is good, and what is wrong with what is signed (zero: nothing).
    struct Signing {
        uint8 signer;
        uint256 deadline;
        uint256 wrong;
    }

    /// What was so before a call.
    struct Seen {
        bytes32 id;
        bytes32 probe;
        address signer;
        uint256 nonce;
        bytes others;
    }

    IAuthorizationRegistry internal registry;
    address internal insuredWallet;
    address internal guardianWallet;

    function setUp() public virtual {
        vm.warp(BEGIN);
        insuredWallet = address(new DigestWallet());
        guardianWallet = address(new DigestWallet());
        RoleHolder[] memory holders = new RoleHolder[](4);
        holders[0] = RoleHolder(ADMIN_ROLE, ADMIN);
        holders[1] = RoleHolder(ENROLMENT_ROLE, ENROLMENT);
        holders[2] = RoleHolder(REVOKER_ROLE, REVOKER);
        holders[3] = RoleHolder(keccak256("PAUSER_ROLE"), PAUSER);
        registry = IAuthorizationRegistry(
            _deploy("AuthorizationRegistry.sol:AuthorizationRegistry", abi.encode(holders))
        );
        vm.prank(ENROLMENT);
        registry.admitScope(SCOPE);
    }

    /// A holder by number: nobody, two wallets, an account that has no wallet's code.
    function _holder(uint8 number) internal view returns (address) {
        if (number == 0) return address(0);
        if (number == 1) return insuredWallet;
        return number == 2 ? guardianWallet : OUTSIDER;
    }

    function _grantOf(Consent memory c) internal view returns (Grant memory) {
        return Grant(c.subject, c.scope, c.consentDigest, _holder(c.insured), _holder(c.guardian), c.expires);
    }

    function _arrange(Given memory g, Consent memory c) internal returns (Grant memory a) {
        g.stage = _each(g.stage, uint8(Stage.Revoked));
        (c.insured, c.guardian) = (_each(c.insured, 3), _each(c.guardian, 3));
        vm.assume(g.caller != address(0)); // nobody signs for it
        a = _grantOf(c);
        if (g.stage != uint8(Stage.Unknown)) {
            vm.assume(_grantable(c) && (c.guardian == 0 ? c.insured <= 2 : c.guardian <= 2));
            registry.grant(a, BEGIN, abi.encode(_toGrant(a, 0, BEGIN)));
        }
        if (g.stage == uint8(Stage.Revoked)) {
            vm.prank(REVOKER);
            registry.revokeFor(_idOf(a));
        }
        _pauseAndWait(g);
    }

    function _pauseAndWait(Given memory g) internal {
        if (g.paused) {
            vm.prank(PAUSER);
            SeparateRoles(address(registry)).pause();
        }
        vm.warp(_now(g));
    }

    function _grantable(Consent memory c) internal pure returns (bool) {
        return c.scope == SCOPE && c.expires > BEGIN && c.consentDigest != 0 && _subject(c.subject) != 0
            && c.insured <= 3 && c.guardian <= 3 && c.insured != c.guardian;
    }

    // ------------------------------------------------------------------ for what forge tries

    /// What would seldom meet by chance is picked from a few.
    function _meet(Given memory g, Consent memory c, uint8 pick) internal pure {
        g.stage %= 3;
        g.paused = pick % 8 == 7;
        if (pick % 4 != 0) g.caller = [ENROLMENT, REVOKER, PAUSER][pick % 3];
        if (g.caller == address(0)) g.caller = ADMIN;
        c.insured %= 4;
        c.guardian %= 4;
        if (c.expires % 4 != 0) c.expires = BEGIN + 1 + c.expires % 10 days;
        uint40 left = c.expires > BEGIN && c.expires - BEGIN < 2 ** 32 ? c.expires - BEGIN : 1;
        g.later = [0, uint32(left - 1), uint32(left), g.later % 10 days][g.later % 4];
        if (g.stage == uint8(Stage.Unknown)) {
            if (pick % 16 != 0) c.scope = SCOPE;
            if (pick % 16 == 1) c.subject = 0;
            if (pick % 16 == 2) c.consentDigest = 0;
            return;
        }
        c.scope = SCOPE;
        if (c.expires <= BEGIN) c.expires = BEGIN + 1;
        if (c.guardian == 0 && (c.insured == 0 || c.insured == 3)) c.insured = 1;
        if (c.guardian == 3) c.guardian = 2;
        if (c.insured == c.guardian) c.insured = 3 - c.insured;
    }

    function _meetSigning(Signing memory s, Given memory g, Consent memory c, uint8 pick) internal pure {
        s.signer = [c.insured, c.guardian, s.signer % 4, c.guardian == 0 ? c.insured : c.guardian][pick % 4];
        if (pick % 16 != 3) s.wrong = 0;
        if (pick % 32 != 5) s.deadline = uint256(_now(g)) + s.deadline % 2;
    }

    // ------------------------------------------------------------------ what is so, told without asking

    function _now(Given memory g) internal pure returns (uint40) {
        return BEGIN + g.later;
    }

    /// Of a commitment to a person, what is kept.
    function _subject(bytes32 subject) internal pure returns (uint256) {
        return uint256(subject) % 2 ** 159;
    }

    function _idOf(Grant memory a) internal pure returns (bytes32) {
        return keccak256(
            bytes.concat(
                keccak256(
                    abi.encode(a.subject, a.scope, a.consentDigest, a.insured, a.guardian, uint256(a.expires))
                )
            )
        );
    }

    /// The same for another subject.
    function _other(Grant memory a, bytes32 subject) internal pure returns (Grant memory) {
        return Grant(subject, a.scope, a.consentDigest, a.insured, a.guardian, a.expires);
    }

    function _recordOf(Grant memory a, uint40 granted) internal pure returns (AuthorizationRecord) {
        return packRecord(granted, a.expires, SCOPE_NUMBER, a.subject);
    }

    function _asGiven(Given memory g, Grant memory a) internal pure returns (AuthorizationRecord record) {
        if (g.stage == uint8(Stage.Unknown)) return record;
        record = _recordOf(a, BEGIN);
        return g.stage == uint8(Stage.Revoked) ? record.revoked() : record;
    }

    /// Who has to sign a grant: the guardian of whoever has one.
    function _signerOf(Grant memory a) internal pure returns (address) {
        return a.guardian == address(0) ? a.insured : a.guardian;
    }

    function _toGrant(Grant memory a, uint256 nonce, uint256 deadline) internal view returns (bytes32) {
        return _typed(keccak256(abi.encode(GRANT_TYPEHASH, a, nonce, deadline)));
    }

    function _toRenew(bytes32 id, uint40 expires, bytes32 consentDigest, uint256 nonce, uint256 deadline)
        internal
        view
        returns (bytes32)
    {
        return _typed(keccak256(abi.encode(RENEW_TYPEHASH, id, expires, consentDigest, nonce, deadline)));
    }

    function _toRevoke(bytes32 id, uint256 nonce, uint256 deadline) internal view returns (bytes32) {
        return _typed(keccak256(abi.encode(REVOKE_TYPEHASH, id, nonce, deadline)));
    }

    function _wronged(bytes32 digest, Signing memory s) internal pure returns (bytes memory) {
        return abi.encode(uint256(digest) ^ s.wrong);
    }

    function _isSignedBy(address signer, Signing memory s) internal view returns (bool) {
        return s.wrong == 0 && (signer == insuredWallet || signer == guardianWallet);
    }

    /// Who revokes or renews is a holder, and has signed.
    function _refusalOfHolder(bytes32 id, Grant memory a, Signing memory s) internal view returns (bytes memory) {
        address signer = _holder(s.signer);
        if (signer == address(0) || (signer != a.insured && signer != a.guardian)) {
            return abi.encodeWithSelector(IAuthorizationRegistry.NotAHolder.selector, id, signer);
        }
        if (_isSignedBy(signer, s)) return "";
        return abi.encodeWithSelector(IAuthorizationRegistry.NotSigned.selector, id, signer);
    }

    function _paused() internal pure returns (bytes memory) {
        return abi.encodeWithSelector(Pausable.EnforcedPause.selector);
    }

    function _late(Given memory g, Signing memory s) internal pure returns (bytes memory) {
        if (_now(g) <= s.deadline) return "";
        return abi.encodeWithSelector(IAuthorizationRegistry.SignatureExpired.selector, s.deadline, _now(g));
    }

    // ------------------------------------------------------------------ what must follow

    function _look(Given memory g, Grant memory a, address signer) internal view returns (Seen memory seen) {
        seen.id = _idOf(a);
        vm.assume(g.probe != seen.id);
        seen.probe = g.probe;
        seen.signer = signer;
        seen.nonce = registry.nonces(signer);
        seen.others = _others(seen);
    }

    function _expecting(bytes memory refusal, Given memory g, bytes memory data) internal returns (bool done) {
        (done,) = _callExpecting(refusal, g.caller, address(registry), data);
    }

    /// The record is as expected, its signer has signed as often, and all else is as it was.
    function _requireEffect(Seen memory seen, AuthorizationRecord expected, uint256 signed) internal view {
        _requireRecord(seen.id, expected);
        vm.assertEq(registry.nonces(seen.signer), seen.nonce + signed, "a nonce for each signature");
        vm.assertEq(_others(seen), seen.others, "no side effect");
    }

    function _requireRecord(bytes32 id, AuthorizationRecord expected) internal view {
        vm.assertEq(
            AuthorizationRecord.unwrap(registry.recordOf(id)), AuthorizationRecord.unwrap(expected), "the record"
        );
    }

    function _others(Seen memory seen) private view returns (bytes memory) {
        address other = seen.signer == insuredWallet ? guardianWallet : insuredWallet;
        return abi.encode(registry.recordOf(seen.probe), registry.nonces(other), registry.scopeNumberOf(SCOPE));
    }

    function _typed(bytes32 structHash) private view returns (bytes32) {
        return typedDigest("AuthorizationRegistry", address(registry), structHash);
    }
}
