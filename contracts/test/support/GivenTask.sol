// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RoleHolder} from "../../src/base/SeparateRoles.sol";
import {IDataCatalog} from "../../src/interfaces/IDataCatalog.sol";
import {ITaskScheduler, TaskKind, TaskState} from "../../src/interfaces/ITaskScheduler.sol";
import {Spec} from "./Spec.sol";

/// @notice One task brought to any of its states by the moves that lead there, and any moment to act on it.
abstract contract GivenTask is Spec {
    bytes32 internal constant PROVIDER_ROLE = keccak256("PROVIDER_ROLE");
    bytes32 internal constant REQUESTER_ROLE = keccak256("REQUESTER_ROLE");
    bytes32 internal constant ARBITER_ROLE = keccak256("ARBITER_ROLE");
    address internal constant PROVIDER = address(0xB1);
    address internal constant OTHER_PROVIDER = address(0xB2);
    address internal constant REQUESTER = address(0xC1);
    address internal constant ARBITER = address(0xD1);
    bytes32 internal constant KNOWN = keccak256("the task that is arranged");
    bytes32 internal constant DATASET = keccak256("a dataset of PROVIDER");
    bytes32 internal constant PURPOSE = keccak256("its one purpose");
    bytes32 internal constant RESULT = keccak256("the result that a side has committed to");
    bytes32 internal constant OTHER_RESULT = keccak256("what the provider commits to in a dispute");
    uint48 internal constant BEGIN = 1_000_000;
    uint48 internal constant LEASE_ENDS = BEGIN + 1 days;
    uint48 internal constant DEADLINE = BEGIN + 10 days;

    /// Where a call starts: the state that KNOWN is in, who calls about which task and when.
    struct Given {
        uint8 state;
        uint8 failures; // while leased: attempts that failed before, 0 to 2
        uint8 committed; // while running: 1 the requester has, 2 the provider has
        address caller;
        uint32 later; // seconds after BEGIN
        bool retired; // before it is leased: its dataset has been
        bool standing; // its kind
        bool paused;
        bytes32 id;
        bytes32 probe;
    }

    ITaskScheduler internal scheduler;
    IDataCatalog internal catalog;

    function setUp() public {
        vm.warp(BEGIN);
        RoleHolder[] memory holders = _offices(1);
        holders[2] = RoleHolder(PROVIDER_ROLE, PROVIDER);
        catalog = IDataCatalog(_deploy("DataCatalog.sol:DataCatalog", abi.encode(holders)));
        holders = _offices(4);
        holders[2] = RoleHolder(PROVIDER_ROLE, PROVIDER);
        holders[3] = RoleHolder(PROVIDER_ROLE, OTHER_PROVIDER);
        holders[4] = RoleHolder(REQUESTER_ROLE, REQUESTER);
        holders[5] = RoleHolder(ARBITER_ROLE, ARBITER);
        scheduler = ITaskScheduler(_deploy("TaskScheduler.sol:TaskScheduler", abi.encode(holders, catalog)));
        bytes32[] memory purposes = new bytes32[](1);
        purposes[0] = PURPOSE;
        vm.prank(PROVIDER);
        catalog.register(DATASET, 4, purposes);
    }

    function _meet(Given memory g, uint8 pick) internal pure {
        g.state %= 9;
        TaskState state = TaskState(g.state);
        bool leased = state == TaskState.Accepted || state == TaskState.Running;
        g.failures = leased ? g.failures % 3 : 0;
        g.committed = state == TaskState.Running ? g.committed % 3 : 0;
        if (state != TaskState.None && state != TaskState.Open) g.retired = false;
        if (state == TaskState.None || g.failures != 0) g.standing = false;
        g.paused = g.paused && pick % 3 == 0 && g.failures == 0 && g.committed == 0 && !g.retired;
        if (pick % 6 != 0) g.caller = [REQUESTER, PROVIDER, PROVIDER, OTHER_PROVIDER, ARBITER][pick % 6 - 1];
        if (pick % 7 != 0) g.id = KNOWN;
        uint32 deadline = 10 days;
        uint32 recordable = 30 days;
        g.later = [uint32(0), 1 days - 1, 1 days, deadline - 1, deadline, recordable - 1, recordable, g.later % deadline][
            g.later % 8
        ];
        if (state == TaskState.Expired) g.later = deadline;
    }

    function _arrange(Given memory g) internal {
        vm.assume(g.state <= uint8(TaskState.Disputed) && g.failures < 3 && g.committed < 3);
        vm.assume(g.caller != address(0)); // nobody signs for it
        TaskState state = TaskState(g.state);
        vm.assume(g.failures == 0 || state == TaskState.Accepted || state == TaskState.Running);
        vm.assume(g.committed == 0 || state == TaskState.Running);
        vm.assume(!g.standing || (state != TaskState.None && g.failures == 0));
        vm.assume(!g.paused || (g.failures == 0 && g.committed == 0 && !g.retired));
        vm.assume(!g.retired || state == TaskState.None || state == TaskState.Open);
        vm.assume(state != TaskState.Expired || _now(g) >= DEADLINE);
        if (state != TaskState.None) _bringTo(state, g);
        if (g.retired) {
            vm.prank(PROVIDER);
            catalog.retire(DATASET);
        }
        if (g.paused) _pause(address(scheduler));
        vm.warp(_now(g));
    }

    function _bringTo(TaskState state, Given memory g) private {
        vm.prank(REQUESTER);
        scheduler.open(KNOWN, DATASET, PURPOSE, keccak256("terms"), DEADLINE, _kind(g.standing));
        uint256 failures = state == TaskState.Failed ? 3 : g.failures;
        for (uint256 i = 0; i < failures; ++i) {
            _acceptKnown();
            vm.prank(PROVIDER);
            scheduler.fail(KNOWN, keccak256("reason"));
        }
        if (state == TaskState.Cancelled) {
            vm.prank(REQUESTER);
            scheduler.cancel(KNOWN);
        } else if (state == TaskState.Expired) {
            vm.warp(DEADLINE);
            scheduler.expire(KNOWN);
        } else if (state != TaskState.Open && state != TaskState.Failed) {
            _acceptKnown();
            if (state != TaskState.Accepted) _run(state, g.committed);
        }
    }

    function _acceptKnown() private {
        vm.prank(PROVIDER);
        scheduler.accept(KNOWN);
    }

    function _run(TaskState state, uint8 committed) private {
        vm.prank(PROVIDER);
        scheduler.start(KNOWN);
        bool ended = state != TaskState.Running;
        if (ended || committed == 1) {
            vm.prank(REQUESTER);
            scheduler.commitResult(KNOWN, RESULT);
        }
        if (ended || committed == 2) {
            vm.prank(PROVIDER);
            scheduler.commitResult(KNOWN, state == TaskState.Disputed ? OTHER_RESULT : RESULT);
        }
    }

    // ------------------------------------------------------------------ what is so, told without asking

    function _kind(bool standing) internal pure returns (TaskKind) {
        return standing ? TaskKind.Standing : TaskKind.OneOff;
    }

    function _now(Given memory g) internal pure returns (uint48) {
        return BEGIN + g.later;
    }

    function _stateOf(Given memory g) internal pure returns (TaskState) {
        return g.id == KNOWN ? TaskState(g.state) : TaskState.None;
    }

    function _leased(Given memory g) internal pure returns (bool) {
        TaskState state = _stateOf(g);
        return state == TaskState.Accepted || state == TaskState.Running;
    }

    /// The provider whom the task names, zero for none.
    function _holder(Given memory g) internal pure returns (address) {
        TaskState state = _stateOf(g);
        bool ended = state == TaskState.Completed || state == TaskState.Disputed;
        return ended || _leased(g) ? PROVIDER : address(0);
    }

    /// Leases taken so far.
    function _attempts(Given memory g) internal pure returns (uint256) {
        TaskState state = _stateOf(g);
        if (state == TaskState.None) return 0;
        if (state == TaskState.Failed) return 3;
        return g.failures + (_holder(g) == address(0) ? 0 : 1);
    }
}
