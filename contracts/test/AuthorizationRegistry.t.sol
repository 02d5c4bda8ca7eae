// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuthorizationRecord} from "../src/base/AuthorizationRecord.sol";
import {Result} from "../src/base/Result.sol";
import {
    Grant,
    GrantRefusal,
    IAuthorizationRegistry,
    Liveness
} from "../src/interfaces/IAuthorizationRegistry.sol";
import {GivenRegistry} from "./support/GivenRegistry.sol";

/// @notice Every way in which a single grant comes, goes on, ends and is asked about. Waves have a spec of their own.
contract AuthorizationRegistrySpec is GivenRegistry {
    struct Renewal {
        uint40 expires;
        bytes32 consentDigest;
    }

    /// What is asked of an authorization.
    struct Question {
        bytes32 scope;
        bytes32 subject;
        uint40 time;
    }

    function check_admitScope(Given memory g, bytes32 scope, bytes32 probe) public {
        vm.assume(g.caller != address(0));
        _pauseAndWait(g);
        uint16 number = registry.scopeNumberOf(probe);
        bytes memory refusal;
        if (g.caller != ENROLMENT) refusal = _lacksRole(g.caller, ENROLMENT_ROLE);
        else if (g.paused) refusal = _paused();
        else if (scope == 0) refusal = _scopeRefused(scope, GrantRefusal.ZeroField);
        else if (scope == SCOPE) refusal = _scopeRefused(scope, GrantRefusal.AlreadyKnown);

        bool done = _expecting(refusal, g, abi.encodeCall(registry.admitScope, (scope)));

        uint16 expected = done && probe == scope ? SCOPE_NUMBER + 1 : number;
        vm.assertEq(registry.scopeNumberOf(probe), expected, "numbered in order, and no other");
    }

    function check_grant(Given memory g, Consent memory c, Signing memory s) public {
        Grant memory a = _arrange(g, c);
        Seen memory seen = _look(g, a, _signerOf(a));
        bytes memory refusal = g.paused ? _paused() : _late(g, s);
        if (refusal.length == 0) refusal = _refusalOfGrant(g, a, s, 0);
        bytes memory signature = _wronged(_toGrant(a, seen.nonce, s.deadline), s);

        bool done = _expecting(refusal, g, abi.encodeCall(registry.grant, (a, s.deadline, signature)));

        _requireEffect(seen, done ? _recordOf(a, _now(g)) : _asGiven(g, a), done ? 1 : 0);
    }

    /// None, one or two at once: the second signed with the nonce that follows.
    function check_grantBatch(Given memory g, Consent memory c, Signing memory s, bytes32 second, uint8 count)
        public
    {
        count = _each(count, 2);
        vm.assume(c.insured == 1 && c.guardian == 0); // whoever else: check_grant
        Grant memory a = _arrange(g, c);
        Grant memory b = _other(a, second);
        vm.assume(a.subject != b.subject && g.probe != _idOf(b));
        Seen memory seen = _look(g, a, _signerOf(a));

        bool done = _expecting(_refusalOfBatch(g, a, b, s, count), g, _batch(a, b, s, count, seen.nonce));

        _requireEffect(seen, done ? _recordOf(a, _now(g)) : _asGiven(g, a), done ? count : 0);
        AuthorizationRecord none;
        _requireRecord(_idOf(b), done && count == 2 ? _recordOf(b, _now(g)) : none);
    }

    function check_grantBatch_of_unequal_lengths(Given memory g, uint8 grants, uint8 signatures) public {
        (grants, signatures) = (_each(grants, 2), _each(signatures, 2));
        vm.assume(grants != signatures);
        g.caller = ENROLMENT;
        _pauseAndWait(g);
        bytes memory refusal = g.paused
            ? _paused()
            : grants == 0
                ? abi.encodeWithSelector(IAuthorizationRegistry.EmptyBatch.selector)
                : abi.encodeWithSelector(IAuthorizationRegistry.LengthMismatch.selector, grants, signatures);
        _expecting(
            refusal, g, abi.encodeCall(registry.grantBatch, (new Grant[](grants), _now(g), new bytes[](signatures)))
        );
    }

    function check_renew(Given memory g, Consent memory c, Signing memory s, Renewal memory r) public {
        s.signer = _each(s.signer, 3);
        Grant memory a = _arrange(g, c);
        Seen memory seen = _look(g, a, _holder(s.signer));
        bytes memory signature =
            _wronged(_toRenew(seen.id, r.expires, r.consentDigest, seen.nonce, s.deadline), s);

        bool done = _expecting(
            _refusalOfRenew(g, a, s, r),
            g,
            abi.encodeCall(registry.renew, (a, r.expires, r.consentDigest, seen.signer, s.deadline, signature))
        );

        AuthorizationRecord expected = _asGiven(g, a);
        _requireEffect(seen, done ? expected.renewed(r.expires) : expected, done ? 1 : 0);
    }

    /// Whether paused or not.
    function check_revoke(Given memory g, Consent memory c, Signing memory s) public {
        s.signer = _each(s.signer, 3);
        Grant memory a = _arrange(g, c);
        Seen memory seen = _look(g, a, _holder(s.signer));
        bytes memory refusal = _refusalOfRevocation(g, seen.id);
        if (refusal.length == 0) refusal = _late(g, s);
        if (refusal.length == 0) refusal = _refusalOfHolder(seen.id, a, s);
        bytes memory signature = _wronged(_toRevoke(seen.id, seen.nonce, s.deadline), s);

        bool done =
            _expecting(refusal, g, abi.encodeCall(registry.revoke, (a, seen.signer, s.deadline, signature)));

        AuthorizationRecord expected = _asGiven(g, a);
        _requireEffect(seen, done ? expected.revoked() : expected, done ? 1 : 0);
    }

    /// Whether paused or not.
    function check_revokeFor(Given memory g, Consent memory c) public {
        vm.assume(c.insured == 1 && c.guardian == 0); // nobody signs here
        Grant memory a = _arrange(g, c);
        Seen memory seen = _look(g, a, insuredWallet);
        bytes memory refusal =
            g.caller == REVOKER ? _refusalOfRevocation(g, seen.id) : _lacksRole(g.caller, REVOKER_ROLE);

        bool done = _expecting(refusal, g, abi.encodeCall(registry.revokeFor, (seen.id)));

        AuthorizationRecord expected = _asGiven(g, a);
        _requireEffect(seen, done ? expected.revoked() : expected, 0);
    }

    /// liveness, requireLive and areLive say the same.
    function check_liveness(Given memory g, Consent memory c, Question memory q) public {
        vm.assume(c.insured == 1 && c.guardian == 0); // nobody signs here
        Grant memory a = _arrange(g, c);
        bytes32 id = _idOf(a);
        Liveness reason = _reason(g, a, q);
        vm.assertEq(uint8(registry.liveness(id, q.scope, q.subject, q.time)), uint8(reason), "the first reason");
        bytes memory refusal = reason == Liveness.Live
            ? bytes("")
            : abi.encodeWithSelector(IAuthorizationRegistry.NotLive.selector, id, reason);
        _expecting(refusal, g, abi.encodeCall(registry.requireLive, (id, q.scope, q.subject, q.time)));
    }

    /// Any mix of this authorization and an unknown one, up to two: live when each is.
    function check_areLive(Given memory g, Consent memory c, Question memory q, uint16 number, bool[2] memory known)
        public
    {
        vm.assume(c.insured == 1 && c.guardian == 0); // nobody signs here
        Grant memory a = _arrange(g, c);
        vm.assume(g.probe != _idOf(a));
        q.time = _now(g);
        q.scope = number == SCOPE_NUMBER ? SCOPE : bytes32(0);
        bool live = _reason(g, a, q) == Liveness.Live;
        Result[] memory results = new Result[](2);
        for (uint256 i = 0; i < 2; ++i) {
            results[i].authorizationId = known[i] ? _idOf(a) : g.probe;
            results[i].subject = q.subject;
        }
        vm.assertEq(registry.areLive(number, results), live && known[0] && known[1], "each of both");
        vm.assertEq(registry.areLive(number, new Result[](0)), true, "each of none");
    }

    function check_idOf(Grant memory a) public view {
        vm.assertEq(registry.idOf(a), _idOf(a), "the leaf hash of a standard Merkle tree");
    }

    // ------------------------------------------------------------------ at random

    function test_admitScope(Given memory g, bytes32 scope, bytes32 probe, uint8 pick) public {
        g.paused = pick % 8 == 7;
        if (pick % 4 != 0) g.caller = ENROLMENT;
        if (g.caller == address(0)) g.caller = ADMIN;
        if (pick % 16 == 1) scope = 0;
        if (pick % 16 == 2) scope = SCOPE;
        check_admitScope(g, scope, pick % 3 == 0 ? scope : pick % 3 == 1 ? SCOPE : probe);
    }

    function test_grant(Given memory g, Consent memory c, Signing memory s, uint8 pick) public {
        if (pick % 8 != 0) g.stage = 0;
        _meet(g, c, pick);
        _meetSigning(s, g, c, pick);
        check_grant(g, c, s);
    }

    function test_grantBatch(Given memory g, Consent memory c, Signing memory s, bytes32 second, uint8 pick) public {
        if (pick % 8 != 0) g.stage = 0;
        _meet(g, c, pick);
        if (pick % 8 != 1) g.caller = ENROLMENT;
        (c.insured, c.guardian) = (1, 0);
        _meetSigning(s, g, c, pick);
        check_grantBatch(g, c, s, pick % 32 == 9 ? bytes32(0) : second, pick < 16 ? pick % 2 : 2);
    }

    function test_grantBatch_of_unequal_lengths(Given memory g, uint8 grants, bool more) public {
        grants %= 3;
        check_grantBatch_of_unequal_lengths(g, grants, (grants + (more ? 1 : 2)) % 3);
    }

    function test_renew(Given memory g, Consent memory c, Signing memory s, Renewal memory r, uint8 pick) public {
        if (pick % 8 != 0) g.stage = 1;
        _meet(g, c, pick);
        _meetSigning(s, g, c, pick);
        if (pick % 16 != 9) r.expires = r.expires % 4 == 0 ? c.expires : c.expires / 2 + r.expires / 2;
        if (pick % 32 == 10) r.consentDigest = 0;
        check_renew(g, c, s, r);
    }

    function test_revoke(Given memory g, Consent memory c, Signing memory s, uint8 pick) public {
        if (pick % 8 != 0) g.stage = 1;
        _meet(g, c, pick);
        _meetSigning(s, g, c, pick);
        check_revoke(g, c, s);
    }

    function test_revokeFor(Given memory g, Consent memory c, uint8 pick) public {
        _meet(g, c, pick);
        if (pick % 2 == 0) g.caller = REVOKER;
        (c.insured, c.guardian) = (1, 0);
        check_revokeFor(g, c);
    }

    function test_liveness(Given memory g, Consent memory c, Question memory q, uint8 pick) public {
        _meet(g, c, pick);
        (c.insured, c.guardian) = (1, 0);
        check_liveness(g, c, _nearly(q, c, pick));
    }

    function test_areLive(Given memory g, Consent memory c, Question memory q, uint16 number, uint8 pick) public {
        if (pick % 4 != 0) g.stage = 1;
        _meet(g, c, pick);
        bool[2] memory known = [pick % 8 != 1, pick % 8 != 2];
        (c.insured, c.guardian) = (1, 0);
        check_areLive(g, c, _nearly(q, c, pick), pick % 16 == 3 ? number : SCOPE_NUMBER, known);
    }

    function test_idOf(Grant memory a) public view {
        check_idOf(a);
    }

    function _nearly(Question memory q, Consent memory c, uint8 pick) private pure returns (Question memory) {
        if (pick % 8 != 1) q.scope = SCOPE;
        if (pick % 8 != 2) q.subject = bytes32(_subject(c.subject) | uint256(pick) << 160);
        uint40 last = c.expires > 0 ? c.expires - 1 : 0;
        if (pick % 8 != 3) q.time = [BEGIN, BEGIN - 1, c.expires, last][q.time % 4];
        return q;
    }

    // ------------------------------------------------------------------ what must be refused

    function _refusalOfGrant(Given memory g, Grant memory a, Signing memory s, uint256 index)
        private
        view
        returns (bytes memory)
    {
        GrantRefusal reason;
        if (_subject(a.subject) == 0 || a.consentDigest == 0 || _signerOf(a) == address(0)) {
            reason = GrantRefusal.ZeroField;
        } else if (a.insured == a.guardian) {
            reason = GrantRefusal.GuardianIsInsured;
        } else if (a.scope != SCOPE) {
            reason = GrantRefusal.ScopeNotAdmitted;
        } else if (g.stage != uint8(Stage.Unknown) && index == 0) {
            reason = GrantRefusal.AlreadyKnown;
        } else if (a.expires <= _now(g)) {
            reason = GrantRefusal.ExpiryPassed;
        } else if (!_isSignedBy(_signerOf(a), s)) {
            reason = GrantRefusal.BadSignature;
        } else {
            return "";
        }
        return abi.encodeWithSelector(IAuthorizationRegistry.GrantRefused.selector, index, _idOf(a), reason);
    }

    function _refusalOfBatch(Given memory g, Grant memory a, Grant memory b, Signing memory s, uint8 count)
        private
        view
        returns (bytes memory refusal)
    {
        if (g.caller != ENROLMENT) return _lacksRole(g.caller, ENROLMENT_ROLE);
        refusal = g.paused ? _paused() : _late(g, s);
        if (refusal.length != 0) return refusal;
        if (count == 0) return abi.encodeWithSelector(IAuthorizationRegistry.EmptyBatch.selector);
        refusal = _refusalOfGrant(g, a, s, 0);
        if (refusal.length == 0 && count == 2) refusal = _refusalOfGrant(g, b, s, 1);
    }

    function _refusalOfRenew(Given memory g, Grant memory a, Signing memory s, Renewal memory r)
        private
        view
        returns (bytes memory refusal)
    {
        refusal = g.paused ? _paused() : _late(g, s);
        if (refusal.length != 0) return refusal;
        bytes32 id = _idOf(a);
        Liveness reason = _reason(g, a, Question(a.scope, a.subject, _now(g)));
        if (reason != Liveness.Live) {
            return abi.encodeWithSelector(IAuthorizationRegistry.NotLive.selector, id, reason);
        }
        if (r.expires <= a.expires) {
            return abi.encodeWithSelector(
                IAuthorizationRegistry.ExpiryNotLater.selector, id, a.expires, r.expires
            );
        }
        if (r.consentDigest == 0) return abi.encodeWithSelector(IAuthorizationRegistry.ZeroConsent.selector, id);
        return _refusalOfHolder(id, a, s);
    }

    function _refusalOfRevocation(Given memory g, bytes32 id) private pure returns (bytes memory) {
        if (g.stage == uint8(Stage.Unknown)) {
            return abi.encodeWithSelector(IAuthorizationRegistry.UnknownAuthorization.selector, id);
        }
        if (g.stage == uint8(Stage.Granted)) return "";
        return abi.encodeWithSelector(IAuthorizationRegistry.AlreadyRevoked.selector, id);
    }

    function _scopeRefused(bytes32 scope, GrantRefusal reason) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAuthorizationRegistry.ScopeRefused.selector, scope, reason);
    }

    /// Said of the story, not of the word that is kept: AuthorizationRecordSpec has that.
    function _reason(Given memory g, Grant memory a, Question memory q) private pure returns (Liveness) {
        if (g.stage == uint8(Stage.Unknown)) return Liveness.Unknown;
        if (g.stage == uint8(Stage.Revoked)) return Liveness.Revoked;
        if (q.time < BEGIN) return Liveness.NotYetGranted;
        if (q.time >= a.expires) return Liveness.Expired;
        if (q.scope != SCOPE) return Liveness.OutOfScope;
        return _subject(q.subject) == _subject(a.subject) ? Liveness.Live : Liveness.OtherSubject;
    }

    // ------------------------------------------------------------------ what must follow

    function _batch(Grant memory a, Grant memory b, Signing memory s, uint8 count, uint256 nonce)
        private
        view
        returns (bytes memory)
    {
        Grant[] memory gs = new Grant[](count);
        bytes[] memory signatures = new bytes[](count);
        if (count > 0) (gs[0], signatures[0]) = (a, _wronged(_toGrant(a, nonce, s.deadline), s));
        if (count > 1) (gs[1], signatures[1]) = (b, _wronged(_toGrant(b, nonce + 1, s.deadline), s));
        return abi.encodeCall(registry.grantBatch, (gs, s.deadline, signatures));
    }
}
