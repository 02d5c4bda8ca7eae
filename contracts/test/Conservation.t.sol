// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuditCheckpoints} from "../src/interfaces/IAuditCheckpoints.sol";
import {IAuthorizationRegistry} from "../src/interfaces/IAuthorizationRegistry.sol";
import {IMatchResultStore} from "../src/interfaces/IMatchResultStore.sol";
import {ITaskScheduler} from "../src/interfaces/ITaskScheduler.sol";
import {Life} from "./lives/Life.sol";
import {Promise} from "./lives/World.sol";
import {IPausable} from "./support/Spec.sol";
import {Vm} from "./support/Vm.sol";

/// @notice What no sequence of calls can undo, over the four contracts and a line of stores.
contract ConservationSpec {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    Life private life;

    function setUp() public {
        life = new Life();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(life);
    }

    /// After every call. One function for all: each would see the same lives again.
    function invariant_every_promise_is_kept() public view {
        _requireKept(Promise.ConsentLive, "a result without a live authorization of its subject");
        _requireKept(Promise.TaskRecordable, "a result under a task that was not recordable");
        _requireKept(Promise.RecordedOnce, "a claim recorded twice in a line of stores, or out of office");
        _requireKept(Promise.RecorderOnly, "a result by somebody but the recorder");
        _requireKept(Promise.PaidOnce, "a version paid twice, after its reversal, or by another");
        _requireKept(Promise.RevokedForGood, "a revoked authorization renewed");
        _requireKept(Promise.SuccessorAnnounced, "a store handed over before anybody could see it coming");
        _requireKept(Promise.LogGrows, "a checkpoint that does not extend the last, or of one witness");
        _requireKept(Promise.PauseStopsGrants, "something granted in a pause");
        _requireKept(Promise.PauseNeverStopsWithdrawals, "a withdrawal that was stopped, or anybody's");
    }

    /// At the end of every life: the contracts remember what it does.
    function afterInvariant() public view {
        vm.assertTrue(life.consentsAreAsGranted(), "an authorization is not as it was granted, or revoked no more");
        vm.assertTrue(life.claimsAreWhereTheyWereRecorded(), "a claim's versions are not what was recorded");
        vm.assertTrue(life.logIsAsItGrew(), "the log's head is not the last checkpoint");
    }

    /// Without this, promises could be kept because nothing ever happens.
    function test_a_long_life_sees_everything() public {
        for (uint256 i = 0; i < 4_000; ++i) {
            uint256 chance = uint256(keccak256(abi.encode(i)));
            _live(i % 13, chance);
        }
        bytes4[17] memory selectors = [
            IAuthorizationRegistry.grant.selector,
            IAuthorizationRegistry.materialize.selector,
            IAuthorizationRegistry.renew.selector,
            IAuthorizationRegistry.revoke.selector,
            IAuthorizationRegistry.revokeFor.selector,
            ITaskScheduler.fail.selector,
            ITaskScheduler.lapse.selector,
            ITaskScheduler.cancel.selector,
            ITaskScheduler.expire.selector,
            ITaskScheduler.resolve.selector,
            IMatchResultStore.recordBatch.selector,
            IMatchResultStore.supersedeBatch.selector,
            IMatchResultStore.confirmPayouts.selector,
            IMatchResultStore.reverse.selector,
            IMatchResultStore.handOver.selector,
            IAuditCheckpoints.recordCheckpoint.selector,
            IPausable.pause.selector
        ];
        for (uint256 i = 0; i < selectors.length; ++i) {
            if (life.happened(selectors[i]) == 0) vm.assertEq(bytes32(selectors[i]), 0, "this never happens");
        }
        invariant_every_promise_is_kept();
        afterInvariant();
    }

    function _live(uint256 what, uint256 chance) private {
        if (what == 0) life.grant(chance);
        else if (what == 1) life.renew(chance);
        else if (what == 2) life.revoke(chance);
        else if (what == 3) life.open(chance);
        else if (what == 4) life.hinder(chance);
        else if (what == 5) life.brake(chance);
        else if (what == 6) life.supersede(chance);
        else if (what == 7) life.confirm(chance);
        else if (what == 8) life.reverse(chance);
        else if (what == 9) life.migrate(chance);
        else if (what == 10) life.checkpoint(chance);
        else if (what == 11) life.wait_(chance);
        else life.record(chance, uint8(chance));
        life.advance(chance >> 3);
    }

    function _requireKept(Promise which, string memory otherwise) private view {
        vm.assertTrue(!life.broken(which), otherwise);
    }
}
