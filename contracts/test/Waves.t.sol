// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuthorizationRecord} from "../src/base/AuthorizationRecord.sol";
import {Grant, GrantRefusal, IAuthorizationRegistry} from "../src/interfaces/IAuthorizationRegistry.sol";
import {GivenWave} from "./support/GivenWave.sol";

/// @notice Grants by the thousand: a wave's root, and what comes or is revoked out of it.
contract WavesSpec is GivenWave {
    /// The arguments of grantWave.
    struct Promise {
        bytes32 root;
        uint64 count;
        bytes32 scope;
        uint40 expires;
        bytes32 text;
    }

    /// What is kept of it shows when leaves are taken, below.
    function check_grantWave(Given memory g, Promise memory p, bool again) public {
        vm.assume(g.caller != address(0) && !(again && p.root == 0));
        if (again) _grantWave(Root(p.root, true, false, 1, BEGIN + 1));
        _pauseAndWait(g);

        _expecting(
            _refusalOfWave(g, p, again),
            g,
            abi.encodeCall(registry.grantWave, (p.root, p.count, p.scope, p.expires, p.text))
        );
    }

    function check_materialize(Given memory g, Consent memory c, Root memory r, Path memory p) public {
        vm.assume(c.insured <= 1 && c.guardian <= 1); // each way to name nobody, and oneself
        _materialize(g, c, r, p);
    }

    function _materialize(Given memory g, Consent memory c, Root memory r, Path memory p) private {
        Grant memory a = _arrangeWave(g, c, r, p);
        Seen memory seen = _look(g, a, insuredWallet);
        bytes memory refusal = g.paused ? _paused() : _refusalOfWaveFor(r, a);
        if (refusal.length == 0) refusal = _refusalOfLeaf(g, a);
        if (refusal.length == 0) refusal = _refusalOfPath(r, a, p);

        bool done = _expecting(refusal, g, abi.encodeCall(registry.materialize, (r.root, a, _proof(p))));

        _requireEffect(seen, done ? _leafOf(r, a) : _asGiven(g, a), 0);
    }

    /// Whether paused or not.
    function check_revokeInWaveFor(Given memory g, Consent memory c, Root memory r, Path memory p) public {
        vm.assume(c.insured == 1 && c.guardian == 0); // nobody signs here
        Grant memory a = _arrangeWave(g, c, r, p);
        Seen memory seen = _look(g, a, insuredWallet);
        bytes memory refusal = g.caller == REVOKER
            ? _refusalOfRevocationInWave(g, r, a, p)
            : _lacksRole(g.caller, REVOKER_ROLE);

        bool done = _expecting(refusal, g, abi.encodeCall(registry.revokeInWaveFor, (r.root, a, _proof(p))));

        _requireEffect(seen, done ? _known(g, r, a).revoked() : _asGiven(g, a), 0);
    }

    /// Whether paused or not. Fuzzed only: with its signatures it does not end in minutes for the solver, to which
    /// revokeInWaveFor and `revoke` are its two halves.
    function _revokeInWave(
        Given memory g,
        Consent memory c,
        Root memory r,
        Path memory p,
        Signing memory s
    ) private {
        s.signer = _each(s.signer, 3);
        Grant memory a = _arrangeWave(g, c, r, p);
        Seen memory seen = _look(g, a, _holder(s.signer));
        bytes memory refusal = _refusalOfRevocationInWave(g, r, a, p);
        if (refusal.length == 0) refusal = _late(g, s);
        if (refusal.length == 0) refusal = _refusalOfHolder(seen.id, a, s);
        bytes memory signature = _wronged(_toRevoke(seen.id, seen.nonce, s.deadline), s);

        bool done = _expecting(
            refusal,
            g,
            abi.encodeCall(registry.revokeInWave, (r.root, a, _proof(p), seen.signer, s.deadline, signature))
        );

        _requireEffect(seen, done ? _known(g, r, a).revoked() : _asGiven(g, a), done ? 1 : 0);
    }

    /// A wave gives out as many as it promised, materialized or revoked, and refuses the next.
    function check_a_wave_gives_out_what_it_promised(Consent memory c, bytes32 second, bool revokes, uint64 count)
        public
    {
        vm.assume(count > 0);
        Grant memory a = _grantOf(c);
        vm.assume(_grantable(c) && _subject(second) != 0 && second != c.subject);
        Grant memory b = _other(a, second);
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = _idOf(b);
        bytes32 root = _node(_idOf(a), _idOf(b));
        _grantWave(Root(root, true, false, count, a.expires));
        registry.materialize(root, a, proof);
        proof[0] = _idOf(a);
        bytes memory data = revokes
            ? abi.encodeCall(registry.revokeInWaveFor, (root, b, proof))
            : abi.encodeCall(registry.materialize, (root, b, proof));
        (bool done,) = _callExpecting(
            count > 1
                ? bytes("")
                : abi.encodeWithSelector(IAuthorizationRegistry.WaveExhausted.selector, root, count),
            REVOKER,
            address(registry),
            data
        );
        AuthorizationRecord expected;
        if (done) expected = revokes ? _recordOf(b, BEGIN).revoked() : _recordOf(b, BEGIN);
        _requireRecord(_idOf(b), expected);
    }

    // ------------------------------------------------------------------ at random

    function test_grantWave(Given memory g, Promise memory p, bool again, uint8 pick) public {
        g.paused = pick % 16 == 15;
        if (pick % 8 != 0) g.caller = ENROLMENT;
        if (g.caller == address(0)) g.caller = ADMIN;
        if (pick % 4 != 1) p.scope = SCOPE;
        if (pick % 32 == 2) p.root = 0;
        if (pick % 32 == 3) p.count = 0;
        if (pick % 32 == 4) p.text = 0;
        if (pick % 32 == 5) p.scope = 0;
        if (pick % 8 == 6) p.expires = _now(g) + p.expires % 2;
        check_grantWave(g, p, again && p.root != 0);
    }

    function test_materialize(Given memory g, Consent memory c, Root memory r, Path memory p, uint8 pick) public {
        _meetWave(g, c, r, p, pick);
        _materialize(g, c, r, p);
    }

    function test_revokeInWaveFor(Given memory g, Consent memory c, Root memory r, Path memory p, uint8 pick)
        public
    {
        _meetWave(g, c, r, p, pick);
        if (pick % 8 != 1) g.caller = REVOKER;
        (c.insured, c.guardian) = (1, 0);
        if (pick % 16 != 5) r.root = _end(_idOf(_grantOf(c)), p);
        check_revokeInWaveFor(g, c, r, p);
    }

    function test_revokeInWave(
        Given memory g,
        Consent memory c,
        Root memory r,
        Path memory p,
        Signing memory s,
        uint8 pick
    ) public {
        _meetWave(g, c, r, p, pick);
        _meetSigning(s, g, c, pick);
        _revokeInWave(g, c, r, p, s);
    }

    function test_a_wave_gives_out_what_it_promised(Consent memory c, bytes32 second, bool revokes, uint64 count)
        public
    {
        Given memory g;
        g.stage = 1;
        _meet(g, c, 1);
        check_a_wave_gives_out_what_it_promised(c, second, revokes, count % 4 + 1);
    }

    // ------------------------------------------------------------------ what must be refused

    function _refusalOfWave(Given memory g, Promise memory p, bool again) private pure returns (bytes memory) {
        if (g.caller != ENROLMENT) return _lacksRole(g.caller, ENROLMENT_ROLE);
        if (g.paused) return _paused();
        GrantRefusal reason;
        if (p.root == 0 || p.count == 0 || p.scope == 0 || p.text == 0) reason = GrantRefusal.ZeroField;
        else if (p.scope != SCOPE && p.scope != OTHER_SCOPE) reason = GrantRefusal.ScopeNotAdmitted;
        else if (again) reason = GrantRefusal.AlreadyKnown;
        else if (p.expires <= _now(g)) reason = GrantRefusal.ExpiryPassed;
        else return "";
        return abi.encodeWithSelector(IAuthorizationRegistry.WaveRefused.selector, p.root, reason);
    }

    function _refusalOfPath(Root memory r, Grant memory a, Path memory p) private pure returns (bytes memory) {
        bytes32 id = _idOf(a);
        if (a.expires > r.expires || _end(id, p) != r.root) {
            return abi.encodeWithSelector(IAuthorizationRegistry.NotInWave.selector, r.root, id);
        }
        return "";
    }

    /// What is revoked: an authorization known before keeps what it was granted with, whatever wave is named.
    function _known(Given memory g, Root memory r, Grant memory a) private pure returns (AuthorizationRecord) {
        return g.stage == uint8(Stage.Unknown) ? _leafOf(r, a) : _asGiven(g, a);
    }

    function _refusalOfRevocationInWave(Given memory g, Root memory r, Grant memory a, Path memory p)
        private
        pure
        returns (bytes memory refusal)
    {
        if (g.stage == uint8(Stage.Granted)) return "";
        if (g.stage == uint8(Stage.Revoked)) {
            return abi.encodeWithSelector(IAuthorizationRegistry.AlreadyRevoked.selector, _idOf(a));
        }
        refusal = _refusalOfWaveFor(r, a);
        if (refusal.length == 0) refusal = _refusalOfPath(r, a, p);
    }
}
