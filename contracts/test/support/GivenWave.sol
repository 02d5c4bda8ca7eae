// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuthorizationRecord, packRecord} from "../../src/base/AuthorizationRecord.sol";
import {Grant, GrantRefusal, IAuthorizationRegistry} from "../../src/interfaces/IAuthorizationRegistry.sol";
import {GivenRegistry} from "./GivenRegistry.sol";

/// @notice A registry with a wave of any root, and a grant that may be in it.
/// @dev Proofs have at most two siblings, joint ones three. What a wave keeps has no getter, and shows in what it refuses.
abstract contract GivenWave is GivenRegistry {
    uint8 internal constant MOST = 2;
    bytes32 internal constant OTHER_SCOPE = keccak256("another scope, admitted too");

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

    function setUp() public override {
        super.setUp();
        vm.prank(ENROLMENT);
        registry.admitScope(OTHER_SCOPE);
    }

    function _arrangeWave(Given memory g, Consent memory c, Root memory r, Path memory p)
        internal
        returns (Grant memory)
    {
        p.length = _each(p.length, MOST);
        vm.assume(r.granted || !r.otherScope);
        if (r.granted) {
            vm.assume(r.root != 0 && r.count > 0 && r.expires > BEGIN);
            _grantWave(r);
        }
        return _arrange(g, c);
    }

    function _grantWave(Root memory r) internal {
        bytes32 scope = r.otherScope ? OTHER_SCOPE : SCOPE;
        vm.prank(ENROLMENT);
        registry.grantWave(r.root, r.count, scope, r.expires, keccak256("the text"));
    }

    function _leafOf(Root memory r, Grant memory a) internal pure returns (AuthorizationRecord) {
        return packRecord(BEGIN, a.expires, r.otherScope ? SCOPE_NUMBER + 1 : SCOPE_NUMBER, a.subject);
    }

    function _proof(Path memory p) internal pure returns (bytes32[] memory proof) {
        proof = new bytes32[](p.length);
        for (uint256 i = 0; i < p.length; ++i) {
            proof[i] = p.siblings[i];
        }
    }

    function _meetWave(Given memory g, Consent memory c, Root memory r, Path memory p, uint8 pick) internal view {
        if (pick % 8 != 0) g.stage = 0;
        _meet(g, c, pick);
        p.length %= 3;
        r.granted = pick % 16 != 1;
        r.otherScope = r.granted && pick % 16 == 2;
        r.count = r.count % 3 + 1;
        r.expires = pick % 16 == 4 ? BEGIN + r.expires % 10 days + 1 : c.expires;
        if (r.expires <= BEGIN) r.expires = BEGIN + 1;
        if (pick % 16 != 5) r.root = _end(_idOf(_grantOf(c)), p);
    }

    // ------------------------------------------------------------------ what must be refused

    function _refusalOfWaveFor(Root memory r, Grant memory a) internal pure returns (bytes memory) {
        if (!r.granted) return abi.encodeWithSelector(IAuthorizationRegistry.WaveUnknown.selector, r.root);
        if (a.scope == (r.otherScope ? OTHER_SCOPE : SCOPE)) return "";
        return abi.encodeWithSelector(IAuthorizationRegistry.OtherScope.selector, r.root, a.scope);
    }

    function _refusalOfLeaf(Given memory g, Grant memory a) internal pure returns (bytes memory) {
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

    function _grantRefused(uint256 index, Grant memory a, GrantRefusal reason) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IAuthorizationRegistry.GrantRefused.selector, index, _idOf(a), reason);
    }

    // ------------------------------------------------------------------ trees

    function _node(bytes32 one, bytes32 other) internal pure returns (bytes32) {
        return one < other ? keccak256(abi.encode(one, other)) : keccak256(abi.encode(other, one));
    }

    /// Where a path leads.
    function _end(bytes32 id, Path memory p) internal pure returns (bytes32 node) {
        node = id;
        for (uint256 i = 0; i < p.length; ++i) {
            node = _node(node, p.siblings[i]);
        }
    }
}
