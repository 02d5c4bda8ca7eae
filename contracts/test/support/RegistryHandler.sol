// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuthorizationRecord} from "../../src/base/AuthorizationRecord.sol";
import {SeparateRoles} from "../../src/base/SeparateRoles.sol";
import {Grant, IAuthorizationRegistry} from "../../src/interfaces/IAuthorizationRegistry.sol";
import {GivenRegistry} from "./GivenRegistry.sol";

/// @notice Anything that can happen to a few grants, of which some stand in a wave, in any order at any time; and
/// what of each was seen first. Calls may be refused: what they do when they are not is what is looked at.
contract RegistryHandler is GivenRegistry {
    uint256 public constant GRANTS = 6; // the last two can only be granted directly

    /// Of each grant, the word it was first known by, and the one it had when it was revoked.
    mapping(bytes32 id => AuthorizationRecord) public first;
    mapping(bytes32 id => AuthorizationRecord) public end;

    Grant[] private _grants;
    bytes32 private _root;
    uint40 private _time = BEGIN;

    constructor() {
        setUp();
        bytes32[4] memory leaves;
        for (uint256 i = 0; i < GRANTS; ++i) {
            address guardian = i % 2 == 0 ? address(0) : guardianWallet;
            bytes32 subject = keccak256(abi.encode("a person", i));
            _grants.push(Grant(subject, SCOPE, "consent", insuredWallet, guardian, BEGIN + 10 days));
            if (i < 4) leaves[i] = _idOf(_grants[i]);
        }
        _root = _node(_node(leaves[0], leaves[1]), _node(leaves[2], leaves[3]));
        vm.prank(ENROLMENT);
        registry.grantWave(_root, 4, SCOPE, BEGIN + 10 days, "the text");
    }

    /// Once: forge would call it at random too.
    function setUp() public override {
        if (address(registry) == address(0)) super.setUp();
    }

    function idAt(uint256 i) external view returns (bytes32) {
        return _idOf(_grants[i % GRANTS]);
    }

    function recordOf(bytes32 id) external view returns (AuthorizationRecord) {
        return registry.recordOf(id);
    }

    function wait(uint32 time) external {
        _time += time % 3 days;
        vm.warp(_time);
    }

    function pause(bool stops) external {
        _call(stops ? PAUSER : ADMIN, stops ? abi.encodeCall(SeparateRoles.pause, ()) : _unpause());
    }

    function grant(uint256 i) external {
        Grant memory a = _grants[i % GRANTS];
        bytes32 digest = _toGrant(a, registry.nonces(_signerOf(a)), _time);
        _call(ADMIN, abi.encodeCall(registry.grant, (a, _time, abi.encode(digest))));
    }

    function materialize(uint256 i) external {
        i %= 4;
        _call(ADMIN, abi.encodeCall(registry.materialize, (_root, _grants[i], _proofOf(i))));
    }

    function renew(uint256 i, uint40 expires) external {
        Grant memory a = _grants[i % GRANTS];
        expires = _time + expires % 40 days;
        bytes32 digest = _toRenew(_idOf(a), expires, "renewed", registry.nonces(insuredWallet), _time);
        _call(
            ADMIN,
            abi.encodeCall(registry.renew, (a, expires, "renewed", insuredWallet, _time, abi.encode(digest)))
        );
    }

    function revoke(uint256 i) external {
        Grant memory a = _grants[i % GRANTS];
        bytes memory signature = abi.encode(_toRevoke(_idOf(a), registry.nonces(insuredWallet), _time));
        _call(ADMIN, abi.encodeCall(registry.revoke, (a, insuredWallet, _time, signature)));
    }

    function revokeInWave(uint256 i) external {
        i %= 4;
        Grant memory a = _grants[i];
        bytes memory signature = abi.encode(_toRevoke(_idOf(a), registry.nonces(insuredWallet), _time));
        _call(
            ADMIN,
            abi.encodeCall(registry.revokeInWave, (_root, a, _proofOf(i), insuredWallet, _time, signature))
        );
    }

    function revokeFor(uint256 i) external {
        _call(REVOKER, abi.encodeCall(registry.revokeFor, (_idOf(_grants[i % GRANTS]))));
    }

    function revokeInWaveFor(uint256 i) external {
        i %= 4;
        _call(REVOKER, abi.encodeCall(registry.revokeInWaveFor, (_root, _grants[i], _proofOf(i))));
    }

    function _call(address caller, bytes memory data) private {
        vm.prank(caller);
        (bool done,) = address(registry).call(data);
        if (!done) return;
        for (uint256 i = 0; i < GRANTS; ++i) {
            bytes32 id = _idOf(_grants[i]);
            AuthorizationRecord now_ = registry.recordOf(id);
            if (!first[id].isKnown()) first[id] = now_;
            if (!end[id].isKnown() && now_.isRevoked()) end[id] = now_;
        }
    }

    function _proofOf(uint256 i) private view returns (bytes32[] memory proof) {
        proof = new bytes32[](2);
        proof[0] = _idOf(_grants[i ^ 1]);
        proof[1] = _node(_idOf(_grants[i ^ 2]), _idOf(_grants[i ^ 3]));
    }

    function _node(bytes32 one, bytes32 other) private pure returns (bytes32) {
        return one < other ? keccak256(abi.encode(one, other)) : keccak256(abi.encode(other, one));
    }

    function _unpause() private pure returns (bytes memory) {
        return abi.encodeCall(SeparateRoles.unpause, ());
    }
}
