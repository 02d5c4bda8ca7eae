// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuthorizationRecord} from "../src/base/AuthorizationRecord.sol";
import {RegistryHandler} from "./support/RegistryHandler.sol";
import {Spec} from "./support/Spec.sol";

/// @notice What holds of every authorization after any sequence of calls.
contract AuthorizationLivesSpec is Spec {
    uint256 private constant EXPIRES = (2 ** 40 - 1) << 175;
    uint256 private constant REVOKED = 1 << 255;

    RegistryHandler private handler;

    function setUp() public {
        handler = new RegistryHandler();
    }

    /// forge calls these at random, and nothing else.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_a_revoked_authorization_stays_as_it_was_when_it_was_revoked() public view {
        for (uint256 i = 0; i < handler.GRANTS(); ++i) {
            bytes32 id = handler.idAt(i);
            uint256 end = AuthorizationRecord.unwrap(handler.end(id));
            if (end != 0) vm.assertEq(_word(id), end, "revoked, for ever");
        }
    }

    /// An id lives once: whatever happens to it, only its expiry grows, and only its end is added.
    function invariant_a_known_authorization_keeps_its_person_its_scope_and_its_beginning() public view {
        for (uint256 i = 0; i < handler.GRANTS(); ++i) {
            bytes32 id = handler.idAt(i);
            uint256 first = AuthorizationRecord.unwrap(handler.first(id));
            uint256 kept = ~(EXPIRES | REVOKED);
            vm.assertEq(_word(id) & kept, first & kept, "the same authorization");
            vm.assertTrue(_word(id) & EXPIRES >= first & EXPIRES, "no shorter than it was granted");
        }
    }

    /// The handler's calls do what they are named after, or nothing above would be worth much.
    function test_every_way_of_a_life_can_be_gone() public {
        handler.grant(4);
        handler.renew(4, 20 days);
        uint256 granted = AuthorizationRecord.unwrap(handler.first(handler.idAt(4)));
        vm.assertTrue(_word(handler.idAt(4)) > granted, "renewed");
        handler.revoke(4);
        handler.materialize(0);
        vm.assertTrue(_word(handler.idAt(0)) != 0, "materialized");
        handler.revokeFor(0);
        handler.revokeInWave(1);
        handler.pause(true);
        handler.materialize(3);
        vm.assertEq(_word(handler.idAt(3)), 0, "paused");
        handler.revokeInWaveFor(2);
        handler.pause(false);
        handler.materialize(3);
        vm.assertTrue(_word(handler.idAt(3)) != 0, "goes on");
        for (uint256 i = 0; i < 5; ++i) {
            if (i != 3) vm.assertTrue(_word(handler.idAt(i)) & REVOKED != 0, "revoked");
        }
    }

    function _word(bytes32 id) private view returns (uint256) {
        return AuthorizationRecord.unwrap(handler.recordOf(id));
    }
}
