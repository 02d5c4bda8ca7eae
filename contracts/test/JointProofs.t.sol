// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuthorizationRecord} from "../src/base/AuthorizationRecord.sol";
import {
    Grant,
    GrantRefusal,
    IAuthorizationRegistry,
    WaveLeaf
} from "../src/interfaces/IAuthorizationRegistry.sol";
import {GivenWave} from "./support/GivenWave.sol";

/// @notice Leaves taken out of a wave together: what a joint proof takes, a plain proof of each leaf takes too.
/// @dev Fuzzed only, but for what falls short: two leaves at once do not end in minutes for the solver.
contract JointProofsSpec is GivenWave {
    uint8 private constant MOST_JOINT = 3;

    /// Up to two leaves that differ in their subject, what each has of the siblings given, and where it joins.
    struct Joint {
        uint8 leaves;
        bytes32 second;
        uint8[2] own;
        uint8[2] joins;
        uint8 given;
        bytes32[3] siblings;
    }

    /// None, one or two at once, by a joint proof of at most three siblings.
    function _materializeBatch(Given memory g, Consent memory c, Root memory r, Joint memory j) private {
        (j.leaves, j.given) = (_each(j.leaves, 2), _each(j.given, MOST_JOINT));
        for (uint256 i = 0; i < 2; ++i) {
            j.own[i] = _each(j.own[i], i < j.leaves ? j.given : 0);
            j.joins[i] = _each(j.joins[i], i < j.leaves ? MOST_JOINT : 0);
        }
        vm.assume(j.own[0] + j.own[1] <= j.given && (j.leaves == 2 || j.second == 0));
        vm.assume(c.insured == 1 && c.guardian == 0); // whoever else: check_materialize
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
        (j.leaves, j.given, j.own[0]) = (1, _each(j.given, MOST_JOINT), _each(j.own[0], MOST_JOINT));
        vm.assume(j.given < j.own[0] && j.joins[0] == 0 && r.granted);
        vm.assume(c.insured == 1 && c.guardian == 0); // whoever else: check_materialize
        Path memory none;
        Grant memory a = _arrangeWave(g, c, r, none);
        vm.prank(g.caller);
        (bool done,) = address(registry).call(_joint(r.root, a, j));
        vm.assertEq(done, false, "no sibling is made up");
    }

    // ------------------------------------------------------------------ at random

    function test_materializeBatch(Given memory g, Consent memory c, Root memory r, Joint memory j, uint8 pick)
        public
    {
        _meetJoint(j, pick);
        Path memory path = Path(j.own[0], j.siblings);
        _meetWave(g, c, r, path, pick);
        (c.insured, c.guardian) = (1, 0);
        if (j.leaves == 2 && pick % 8 != 7) _join(c, j);
        if (pick % 16 != 5) r.root = _end(_idOf(_grantOf(c)), Path(j.own[0], j.siblings));
        _materializeBatch(g, c, r, j);
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
        (c.insured, c.guardian) = (1, 0);
        r.granted = true;
        (j.leaves, j.given, j.joins[0]) = (1, j.given % 3, 0);
        j.own[0] = j.given + 1;
        check_materializeBatch_short_of_siblings(g, c, r, j);
    }

    function _meetJoint(Joint memory j, uint8 pick) private pure {
        j.leaves = pick % 32 == 0 ? 0 : j.leaves % 2 + 1;
        j.own[0] = j.leaves == 0 ? 0 : j.own[0] % 3;
        j.own[1] = j.leaves < 2 ? 0 : j.own[1] % 2;
        j.joins[0] = j.leaves > 0 && pick % 16 == 1 ? j.joins[0] % 4 : 0;
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

    // ------------------------------------------------------------------ what must be refused

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

    // ------------------------------------------------------------------ trees

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
