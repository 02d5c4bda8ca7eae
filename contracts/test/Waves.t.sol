// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuthorizationRecord, packRecord} from "../src/base/AuthorizationRecord.sol";
import {
    Grant,
    GrantRefusal,
    IAuthorizationRegistry,
    WaveLeaf
} from "../src/interfaces/IAuthorizationRegistry.sol";
import {GivenRegistry} from "./support/GivenRegistry.sol";

/// @notice Grants by the thousand: a wave's root, and what comes or is revoked out of it.
/// @dev Proofs have at most three siblings here. What a wave keeps has no getter, and shows in what it refuses.
contract WavesSpec is GivenRegistry {
    uint256 private constant MOST = 3;

    /// A wave as it was granted, at BEGIN, if it was.
    struct Root {
        bytes32 root;
        bool granted;
        bool otherScope;
        uint64 count;
        uint40 expires;
    }

    struct Path {
        uint8 length;
        bytes32[3] siblings;
    }

    /// Up to two leaves that differ in their subject, what each has of the siblings given, and where it joins.
    struct Joint {
        uint8 leaves;
        bytes32 second;
        uint8[2] own;
        uint8[2] joins;
        uint8 given;
        bytes32[3] siblings;
    }

    /// The arguments of grantWave.
    struct Promise {
        bytes32 root;
        uint64 count;
        bytes32 scope;
        uint40 expires;
        bytes32 text;
    }

    bytes32 private constant OTHER_SCOPE = keccak256("another scope, admitted too");

    function setUp() public override {
        super.setUp();
        vm.prank(ENROLMENT);
        registry.admitScope(OTHER_SCOPE);
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
        Grant memory a = _arrangeWave(g, c, r, p);
        Seen memory seen = _look(g, a, insuredWallet);
        bytes memory refusal = g.caller == REVOKER
            ? _refusalOfRevocationInWave(g, r, a, p)
            : _lacksRole(g.caller, REVOKER_ROLE);

        bool done = _expecting(refusal, g, abi.encodeCall(registry.revokeInWaveFor, (r.root, a, _proof(p))));

        _requireEffect(seen, done ? _leafOf(r, a).revoked() : _asGiven(g, a), 0);
    }

    /// Whether paused or not.
    function check_revokeInWave(
        Given memory g,
        Consent memory c,
        Root memory r,
        Path memory p,
        Signing memory s
    ) public {
        vm.assume(s.signer <= 3);
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

        _requireEffect(seen, done ? _leafOf(r, a).revoked() : _asGiven(g, a), done ? 1 : 0);
    }

    /// A wave gives out as many as it promised, materialized or revoked, and refuses the next.
    function check_a_wave_gives_out_what_it_promised(Consent memory c, bytes32 second, bool revokes, uint64 count)
        public
    {
        vm.assume(count > 0);
        Grant memory a = _grantOf(c);
        vm.assume(_grantable(c) && _subject(second) != 0 && second != c.subject);
        Grant memory b = Grant(second, a.scope, a.consentDigest, a.insured, a.guardian, a.expires);
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

    /// None, one or two at once, by a joint proof of at most three siblings.
    function check_materializeBatch(Given memory g, Consent memory c, Root memory r, Joint memory j) public {
        vm.assume(j.leaves <= 2 && j.given <= MOST && uint256(j.own[0]) + j.own[1] <= j.given);
        vm.assume(j.leaves == 2 || (j.own[1] == 0 && j.joins[1] == 0 && j.second == 0));
        vm.assume(j.leaves > 0 || (j.own[0] == 0 && j.joins[0] == 0));
        Path memory none;
        Grant memory a = _arrangeWave(g, c, r, none);
        Grant memory b = _other(a, j.second);
        Seen memory seen = _look(g, a, insuredWallet);
        vm.assume(g.probe != _idOf(b));

        bool done = _expecting(_refusalOfJoint(g, r, a, b, j), g, _joint(r.root, a, j));

        _requireEffect(seen, done ? _leafOf(r, a) : _asGiven(g, a), 0);
        if (j.leaves < 2 || b.subject == a.subject) return;
        AuthorizationRecord expected;
        if (done) expected = _leafOf(r, b);
        _requireRecord(_idOf(b), expected);
        if (done) vm.assertEq(_endOfSecond(_idOf(a), _idOf(b), j), r.root, "its own plain proof leads to the root");
    }

    /// A leaf that claims more siblings than there are.
    function check_materializeBatch_short_of_siblings(Given memory g, Consent memory c, Root memory r, Joint memory j)
        public
    {
        vm.assume(j.leaves == 1 && j.given < j.own[0] && j.own[0] <= MOST && j.joins[0] == 0 && r.granted);
        Path memory none;
        Grant memory a = _arrangeWave(g, c, r, none);
        vm.prank(g.caller);
        (bool done,) = address(registry).call(_joint(r.root, a, j));
        vm.assertEq(done, false, "no sibling is made up");
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
        check_materialize(g, c, r, p);
    }

    function test_revokeInWaveFor(Given memory g, Consent memory c, Root memory r, Path memory p, uint8 pick)
        public
    {
        _meetWave(g, c, r, p, pick);
        if (pick % 8 != 1) g.caller = REVOKER;
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
        check_revokeInWave(g, c, r, p, s);
    }

    function test_a_wave_gives_out_what_it_promised(Consent memory c, bytes32 second, bool revokes, uint64 count)
        public
    {
        Given memory g;
        g.stage = 1;
        _meet(g, c, 1);
        check_a_wave_gives_out_what_it_promised(c, second, revokes, count % 4 + 1);
    }

    function test_materializeBatch(Given memory g, Consent memory c, Root memory r, Joint memory j, uint8 pick)
        public
    {
        _meetJoint(j, pick);
        Path memory path = Path(j.own[0], j.siblings);
        _meetWave(g, c, r, path, pick);
        if (j.leaves == 2 && pick % 8 != 7) _join(c, j);
        if (pick % 16 != 5) r.root = _end(_idOf(_grantOf(c)), Path(j.own[0], j.siblings));
        check_materializeBatch(g, c, r, j);
    }

    function test_materializeBatch_short_of_siblings(
        Given memory g,
        Consent memory c,
        Root memory r,
        Joint memory j,
        uint8 pick
    ) public {
        Path memory path = Path(0, j.siblings);
        _meetWave(g, c, r, path, pick);
        r.granted = true;
        (j.leaves, j.given, j.joins[0]) = (1, j.given % 3, 0);
        j.own[0] = j.given + 1;
        check_materializeBatch_short_of_siblings(g, c, r, j);
    }

    function _meetJoint(Joint memory j, uint8 pick) private pure {
        j.leaves = pick % 32 == 0 ? 0 : j.leaves % 2 + 1;
        j.own[0] = j.leaves == 0 ? 0 : j.own[0] % 3;
        j.own[1] = j.leaves < 2 ? 0 : j.own[1] % 2;
        j.joins[0] = j.leaves > 0 && pick % 16 == 1 ? j.joins[0] : 0;
        j.joins[1] = j.leaves == 2 ? j.joins[1] % (j.own[0] + (pick % 8 == 2 ? 2 : 1)) : 0;
        j.given = j.own[0] + j.own[1] + (pick % 16 == 3 ? 1 : 0);
        if (j.leaves < 2) j.second = 0;
    }

    /// The second leaf's way made to end at the sibling that it joins: that sibling is what it leads to.
    function _join(Consent memory c, Joint memory j) private view {
        if (j.joins[1] == 0 || j.joins[1] > j.own[0]) return;
        bytes32 node = _idOf(_other(_grantOf(c), j.second));
        if (j.own[1] == 1) node = _node(node, j.siblings[j.own[0]]);
        j.siblings[j.joins[1] - 1] = node;
    }

    function _meetWave(Given memory g, Consent memory c, Root memory r, Path memory p, uint8 pick) private view {
        if (pick % 8 != 0) g.stage = 0;
        _meet(g, c, pick);
        p.length %= 4;
        r.granted = pick % 16 != 1;
        r.otherScope = r.granted && pick % 16 == 2;
        r.count = r.count % 3 + 1;
        r.expires = pick % 16 == 4 ? BEGIN + r.expires % 10 days + 1 : c.expires;
        if (r.expires <= BEGIN) r.expires = BEGIN + 1;
        if (pick % 16 != 5) r.root = _end(_idOf(_grantOf(c)), p);
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

    function _refusalOfWaveFor(Root memory r, Grant memory a) private pure returns (bytes memory) {
        if (!r.granted) return abi.encodeWithSelector(IAuthorizationRegistry.WaveUnknown.selector, r.root);
        if (a.scope == (r.otherScope ? OTHER_SCOPE : SCOPE)) return "";
        return abi.encodeWithSelector(IAuthorizationRegistry.OtherScope.selector, r.root, a.scope);
    }

    function _refusalOfLeaf(Given memory g, Grant memory a) private pure returns (bytes memory) {
        GrantRefusal reason;
        if (_subject(a.subject) == 0 || a.consentDigest == 0 || _signerOf(a) == address(0)) {
            reason = GrantRefusal.ZeroField;
        } else if (a.insured == a.guardian) {
            reason = GrantRefusal.GuardianIsInsured;
        } else if (g.stage != uint8(Stage.Unknown)) {
            reason = GrantRefusal.AlreadyKnown;
        } else if (a.expires <= _now(g)) {
            reason = GrantRefusal.ExpiryPassed;
        } else {
            return "";
        }
        return _grantRefused(0, a, reason);
    }

    function _refusalOfPath(Root memory r, Grant memory a, Path memory p) private pure returns (bytes memory) {
        bytes32 id = _idOf(a);
        if (a.expires > r.expires || _end(id, p) != r.root) {
            return abi.encodeWithSelector(IAuthorizationRegistry.NotInWave.selector, r.root, id);
        }
        return "";
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

    function _refusalOfJoint(Given memory g, Root memory r, Grant memory a, Grant memory b, Joint memory j)
        private
        pure
        returns (bytes memory refusal)
    {
        if (g.paused) return _paused();
        if (j.leaves == 0) return abi.encodeWithSelector(IAuthorizationRegistry.EmptyBatch.selector);
        refusal = _refusalOfWaveFor(r, a);
        if (refusal.length == 0) refusal = _refusalOfJoining(r, j, 0);
        if (refusal.length == 0) refusal = _refusalOfLeaf(g, a);
        if (refusal.length == 0) refusal = _refusalOfWay(r, a, j, 0);
        if (refusal.length == 0 && j.leaves == 2) refusal = _refusalOfSecond(r, a, b, j);
        if (refusal.length != 0) return refusal;
        uint256 used = uint256(j.own[0]) + j.own[1];
        if (used != j.given) {
            return abi.encodeWithSelector(IAuthorizationRegistry.SiblingsLeftOver.selector, r.root, used, j.given);
        }
        if (j.leaves > r.count) {
            return abi.encodeWithSelector(IAuthorizationRegistry.WaveExhausted.selector, r.root, r.count);
        }
    }

    function _refusalOfSecond(Root memory r, Grant memory a, Grant memory b, Joint memory j)
        private
        pure
        returns (bytes memory refusal)
    {
        refusal = _refusalOfJoining(r, j, 1);
        if (refusal.length != 0) return refusal;
        if (_subject(b.subject) == 0) return _grantRefused(1, b, GrantRefusal.ZeroField);
        if (b.subject == a.subject) return _grantRefused(1, b, GrantRefusal.AlreadyKnown);
        return _refusalOfWay(r, b, j, 1);
    }

    /// A leaf can join what was led to the root before it, and nothing else.
    function _refusalOfJoining(Root memory r, Joint memory j, uint256 index)
        private
        pure
        returns (bytes memory)
    {
        if (j.joins[index] <= (index == 0 ? 0 : j.own[0])) return "";
        return abi.encodeWithSelector(IAuthorizationRegistry.JoinsAhead.selector, r.root, index, j.joins[index]);
    }

    function _refusalOfWay(Root memory r, Grant memory a, Joint memory j, uint256 index)
        private
        pure
        returns (bytes memory)
    {
        bytes32 id = _idOf(a);
        bytes32 node = id;
        uint256 from = index == 0 ? 0 : j.own[0];
        for (uint256 i = from; i < from + j.own[index]; ++i) {
            node = _node(node, j.siblings[i]);
        }
        bytes32 end = j.joins[index] == 0 ? r.root : j.siblings[j.joins[index] - 1];
        if (a.expires <= r.expires && node == end) return "";
        return abi.encodeWithSelector(IAuthorizationRegistry.NotInWave.selector, r.root, id);
    }

    function _grantRefused(uint256 index, Grant memory a, GrantRefusal reason) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAuthorizationRegistry.GrantRefused.selector, index, _idOf(a), reason);
    }

    // ------------------------------------------------------------------ trees

    function _node(bytes32 one, bytes32 other) private pure returns (bytes32) {
        return one < other ? keccak256(abi.encode(one, other)) : keccak256(abi.encode(other, one));
    }

    /// Where a path leads.
    function _end(bytes32 id, Path memory p) private pure returns (bytes32 node) {
        node = id;
        for (uint256 i = 0; i < p.length; ++i) {
            node = _node(node, p.siblings[i]);
        }
    }

    /// Where the second leaf's whole path leads: its own siblings, and from where it joins the first leaf's path
    /// that path's: the node beside which it joins, and what follows there.
    function _endOfSecond(bytes32 first, bytes32 second, Joint memory j) private pure returns (bytes32 node) {
        node = second;
        for (uint256 i = j.own[0]; i < uint256(j.own[0]) + j.own[1]; ++i) {
            node = _node(node, j.siblings[i]);
        }
        if (j.joins[1] == 0) return node;
        for (uint256 i = 0; i < j.joins[1] - 1; ++i) {
            first = _node(first, j.siblings[i]);
        }
        node = _node(node, first);
        for (uint256 i = j.joins[1]; i < j.own[0]; ++i) {
            node = _node(node, j.siblings[i]);
        }
    }

    // ------------------------------------------------------------------ how it is brought about

    function _arrangeWave(Given memory g, Consent memory c, Root memory r, Path memory p)
        private
        returns (Grant memory)
    {
        vm.assume(p.length <= MOST && (r.granted || !r.otherScope));
        if (r.granted) {
            vm.assume(r.root != 0 && r.count > 0 && r.expires > BEGIN);
            _grantWave(r);
        }
        return _arrange(g, c);
    }

    function _grantWave(Root memory r) private {
        bytes32 scope = r.otherScope ? OTHER_SCOPE : SCOPE;
        vm.prank(ENROLMENT);
        registry.grantWave(r.root, r.count, scope, r.expires, keccak256("the text"));
    }

    function _leafOf(Root memory r, Grant memory a) private pure returns (AuthorizationRecord) {
        return packRecord(BEGIN, a.expires, r.otherScope ? SCOPE_NUMBER + 1 : SCOPE_NUMBER, a.subject);
    }

    function _other(Grant memory a, bytes32 subject) private pure returns (Grant memory) {
        return Grant(subject, a.scope, a.consentDigest, a.insured, a.guardian, a.expires);
    }

    function _proof(Path memory p) private pure returns (bytes32[] memory proof) {
        proof = new bytes32[](p.length);
        for (uint256 i = 0; i < p.length; ++i) {
            proof[i] = p.siblings[i];
        }
    }

    function _joint(bytes32 root, Grant memory a, Joint memory j) private view returns (bytes memory) {
        WaveLeaf[] memory leaves = new WaveLeaf[](j.leaves);
        for (uint256 i = 0; i < j.leaves; ++i) {
            leaves[i] = WaveLeaf(
                i == 0 ? a.subject : j.second,
                a.consentDigest,
                a.insured,
                a.guardian,
                a.expires,
                j.own[i],
                j.joins[i]
            );
        }
        bytes32[] memory given = _proof(Path(j.given, j.siblings));
        return abi.encodeCall(registry.materializeBatch, (root, a.scope, leaves, given));
    }
}
