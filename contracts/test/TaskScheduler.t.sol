// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataCatalog} from "../src/interfaces/IDataCatalog.sol";
import {ITaskScheduler, Task, TaskState} from "../src/interfaces/ITaskScheduler.sol";
import {GivenTask} from "./support/GivenTask.sol";

/// @notice Every move from every state at any time by anybody.
contract TaskSchedulerSpec is GivenTask {
    struct Opening {
        bytes32 datasetId;
        bytes32 purpose;
        bytes32 termsDigest;
        uint48 deadline;
        bool standing;
    }

    function check_open(Given memory g, Opening memory o) public {
        _arrange(g);
        Task memory expected = scheduler.taskOf(g.id);
        bytes memory before = _state(g.probe);

        bool done = _expecting(
            _refusalOfOpen(g, o),
            g,
            abi.encodeCall(
                scheduler.open, (g.id, o.datasetId, o.purpose, o.termsDigest, o.deadline, _kind(o.standing))
            )
        );

        if (done) {
            expected.state = TaskState.Open;
            expected.requester = g.caller;
            expected.deadline = o.deadline;
            expected.kind = _kind(o.standing);
            expected.recordUntil = o.standing ? o.deadline : 0;
            expected.datasetId = o.datasetId;
            expected.purpose = o.purpose;
            expected.termsDigest = o.termsDigest;
        }
        _requireEffect(g, expected, before);
    }

    function check_accept(Given memory g) public {
        _arrange(g);
        Task memory expected = scheduler.taskOf(g.id);
        bytes memory before = _state(g.probe);

        bool done = _expecting(_refusalOfAccept(g), g, abi.encodeCall(scheduler.accept, (g.id)));

        if (done) {
            expected.state = TaskState.Accepted;
            expected.provider = g.caller;
            expected.leaseEnds = BEGIN + g.later + 1 days;
            ++expected.attempts;
        }
        _requireEffect(g, expected, before);
    }

    function check_start(Given memory g) public {
        _arrange(g);
        Task memory expected = scheduler.taskOf(g.id);
        bytes memory before = _state(g.probe);
        bytes memory refusal = _refusalOfPause(g);
        if (refusal.length == 0) refusal = _refusalOfLease(g);
        if (refusal.length == 0) refusal = _refusalOfMove(g, TaskState.Accepted, TaskState.Running);

        if (_expecting(refusal, g, abi.encodeCall(scheduler.start, (g.id)))) expected.state = TaskState.Running;
        _requireEffect(g, expected, before);
    }

    function check_heartbeat(Given memory g) public {
        _arrange(g);
        Task memory expected = scheduler.taskOf(g.id);
        bytes memory before = _state(g.probe);
        bytes memory refusal = _refusalOfLeased(g);
        if (refusal.length == 0) refusal = _refusalOfLease(g);

        bool done = _expecting(refusal, g, abi.encodeCall(scheduler.heartbeat, (g.id)));

        if (done) expected.leaseEnds = BEGIN + g.later + 1 days;
        _requireEffect(g, expected, before);
    }

    function check_fail(Given memory g, bytes32 reason) public {
        _arrange(g);
        Task memory expected = scheduler.taskOf(g.id);
        bytes memory before = _state(g.probe);

        bytes memory refusal = _refusalOfLeased(g);
        if (refusal.length == 0 && g.caller != PROVIDER) refusal = _notTheProvider(g, PROVIDER);
        if (refusal.length == 0) refusal = _refusalOfTime(g);

        if (_expecting(refusal, g, abi.encodeCall(scheduler.fail, (g.id, reason)))) _endAttempt(g, expected);
        _requireEffect(g, expected, before);
    }

    function check_lapse(Given memory g) public {
        _arrange(g);
        Task memory expected = scheduler.taskOf(g.id);
        bytes memory before = _state(g.probe);
        bytes memory refusal = _refusalOfLeased(g);
        if (refusal.length == 0) refusal = _refusalOfTime(g);
        if (refusal.length == 0 && _now(g) < LEASE_ENDS) refusal = _leaseStillHeld(g);

        if (_expecting(refusal, g, abi.encodeCall(scheduler.lapse, (g.id)))) _endAttempt(g, expected);
        _requireEffect(g, expected, before);
    }

    function check_cancel(Given memory g) public {
        _arrange(g);
        Task memory expected = scheduler.taskOf(g.id);
        bytes memory before = _state(g.probe);

        bool done = _expecting(_refusalOfCancel(g), g, abi.encodeCall(scheduler.cancel, (g.id)));

        if (done) expected.state = TaskState.Cancelled;
        _requireEffect(g, expected, before);
    }

    function check_expire(Given memory g) public {
        _arrange(g);
        Task memory expected = scheduler.taskOf(g.id);
        bytes memory before = _state(g.probe);
        bytes memory refusal;
        if (_stateOf(g) != TaskState.Open && !_leased(g)) refusal = _notAllowed(g, TaskState.Expired);
        else if (_now(g) < DEADLINE) {
            refusal =
                abi.encodeWithSelector(ITaskScheduler.DeadlineNotPassed.selector, g.id, DEADLINE, uint256(_now(g)));
        }

        if (_expecting(refusal, g, abi.encodeCall(scheduler.expire, (g.id)))) expected.state = TaskState.Expired;
        _requireEffect(g, expected, before);
    }

    function check_commitResult(Given memory g, bytes32 result) public {
        _arrange(g);
        Task memory expected = scheduler.taskOf(g.id);
        bytes memory before = _state(g.probe);

        bool done = _expecting(_refusalOfCommit(g, result), g, abi.encodeCall(scheduler.commitResult, (g.id, result)));

        if (done) {
            if (g.caller == REQUESTER) expected.requesterResult = result;
            else expected.providerResult = result;
            if (g.committed != 0 && result == RESULT) _complete(g, expected);
            else if (g.committed != 0) expected.state = TaskState.Disputed;
        }
        _requireEffect(g, expected, before);
    }

    function check_resolve(Given memory g, bytes32 result) public {
        _arrange(g);
        Task memory expected = scheduler.taskOf(g.id);
        bytes memory before = _state(g.probe);

        bool done = _expecting(_refusalOfResolve(g, result), g, abi.encodeCall(scheduler.resolve, (g.id, result)));

        if (done && result == 0) expected.state = TaskState.Failed;
        else if (done) _complete(g, expected);
        _requireEffect(g, expected, before);
    }

    function check_requireRecordable(Given memory g) public {
        _arrange(g);
        (bool done, bytes memory answer) = _callExpecting(
            _refusalOfRecording(g), g.caller, address(scheduler), abi.encodeCall(scheduler.requireRecordable, (g.id))
        );
        if (done) vm.assertEq(abi.decode(answer, (bytes32)), PURPOSE, "the purpose");
    }

    // ------------------------------------------------------------------ at random

    function test_open(Given memory g, Opening memory o, uint8 pick) public {
        _meet(g, pick);
        if (pick < 200) (o.datasetId, o.purpose) = (DATASET, PURPOSE);
        if (pick % 16 == 0) o.termsDigest = 0;
        if (pick % 16 == 1) o.deadline = _now(g);
        if (pick % 16 == 2) g.id = 0;
        check_open(g, o);
    }

    function test_accept(Given memory g, uint8 pick) public {
        _meet(g, pick);
        check_accept(g);
    }

    function test_start(Given memory g, uint8 pick) public {
        _meet(g, pick);
        check_start(g);
    }

    function test_heartbeat(Given memory g, uint8 pick) public {
        _meet(g, pick);
        check_heartbeat(g);
    }

    function test_fail(Given memory g, uint8 pick, bytes32 reason) public {
        _meet(g, pick);
        check_fail(g, reason);
    }

    function test_lapse(Given memory g, uint8 pick) public {
        _meet(g, pick);
        check_lapse(g);
    }

    function test_cancel(Given memory g, uint8 pick) public {
        _meet(g, pick);
        check_cancel(g);
    }

    function test_expire(Given memory g, uint8 pick) public {
        _meet(g, pick);
        check_expire(g);
    }

    function test_commitResult(Given memory g, uint8 pick, bytes32 result) public {
        _meet(g, pick);
        if (pick % 3 == 0) result = RESULT;
        check_commitResult(g, result);
    }

    function test_resolve(Given memory g, uint8 pick, bytes32 result) public {
        if (pick % 4 != 0) g.state = uint8(TaskState.Disputed);
        if (pick % 4 != 3) (g.caller, pick) = (ARBITER, 6);
        _meet(g, pick);
        check_resolve(g, [bytes32(0), RESULT, OTHER_RESULT, result][uint256(result) % 4]);
    }

    function test_requireRecordable(Given memory g, uint8 pick) public {
        if (pick % 4 == 0) g.state = uint8(TaskState.Completed);
        if (pick % 4 == 1) g.state = uint8(TaskState.Running);
        _meet(g, pick);
        check_requireRecordable(g);
    }

    // ------------------------------------------------------------------ what must be refused

    function _refusalOfOpen(Given memory g, Opening memory o) private pure returns (bytes memory) {
        if (g.caller != REQUESTER) return _lacksRole(g.caller, REQUESTER_ROLE);
        if (g.paused) return _isPaused();
        if (g.id == 0 || o.termsDigest == 0) return abi.encodeWithSelector(ITaskScheduler.ZeroField.selector, g.id);
        if (o.deadline <= _now(g)) {
            return abi.encodeWithSelector(ITaskScheduler.DeadlinePassed.selector, g.id, o.deadline, uint256(_now(g)));
        }
        if (o.datasetId != DATASET) return abi.encodeWithSelector(IDataCatalog.DatasetUnknown.selector, o.datasetId);
        if (g.retired) return abi.encodeWithSelector(IDataCatalog.DatasetNoLongerOffered.selector, DATASET);
        if (o.purpose != PURPOSE) {
            return abi.encodeWithSelector(IDataCatalog.PurposeNotListed.selector, DATASET, o.purpose);
        }
        return _stateOf(g) == TaskState.None ? bytes("") : _notAllowed(g, TaskState.Open);
    }

    function _refusalOfAccept(Given memory g) private pure returns (bytes memory refusal) {
        if (g.caller != PROVIDER && g.caller != OTHER_PROVIDER) return _lacksRole(g.caller, PROVIDER_ROLE);
        refusal = _refusalOfPause(g);
        if (refusal.length == 0) refusal = _refusalOfMove(g, TaskState.Open, TaskState.Accepted);
        if (refusal.length == 0) refusal = _refusalOfTime(g);
        if (refusal.length == 0 && g.retired) {
            refusal = abi.encodeWithSelector(IDataCatalog.DatasetNoLongerOffered.selector, DATASET);
        }
        if (refusal.length == 0 && g.caller != PROVIDER) refusal = _notTheProvider(g, PROVIDER);
    }

    function _refusalOfLease(Given memory g) private pure returns (bytes memory refusal) {
        address holder = _holder(g);
        if (g.caller != holder) return _notTheProvider(g, holder);
        refusal = _refusalOfTime(g);
        if (refusal.length == 0 && _now(g) >= LEASE_ENDS) {
            refusal = abi.encodeWithSelector(ITaskScheduler.LeaseLapsed.selector, g.id, LEASE_ENDS, uint256(_now(g)));
        }
    }

    function _refusalOfLeased(Given memory g) private pure returns (bytes memory) {
        if (_leased(g)) return "";
        return abi.encodeWithSelector(ITaskScheduler.TaskNotLeased.selector, g.id, _stateOf(g));
    }

    function _refusalOfCancel(Given memory g) private pure returns (bytes memory) {
        if (_stateOf(g) != TaskState.Open && !_leased(g)) return _notAllowed(g, TaskState.Cancelled);
        if (g.caller != REQUESTER) {
            return abi.encodeWithSelector(ITaskScheduler.NotTheRequester.selector, g.id, g.caller, REQUESTER);
        }
        return _stateOf(g) == TaskState.Running && _now(g) < LEASE_ENDS ? _leaseStillHeld(g) : bytes("");
    }

    function _refusalOfCommit(Given memory g, bytes32 result) private pure returns (bytes memory refusal) {
        refusal = _refusalOfPause(g);
        if (refusal.length == 0 && _stateOf(g) != TaskState.Running) {
            refusal = abi.encodeWithSelector(ITaskScheduler.TaskNotRunning.selector, g.id, _stateOf(g));
        }
        if (refusal.length == 0) refusal = _refusalOfTime(g);
        if (refusal.length != 0) return refusal;
        if (result == 0) return abi.encodeWithSelector(ITaskScheduler.ZeroField.selector, g.id);
        if (g.caller != REQUESTER && g.caller != PROVIDER) {
            return abi.encodeWithSelector(ITaskScheduler.NotAParty.selector, g.id, g.caller);
        }
        if (g.caller == PROVIDER) refusal = _refusalOfLease(g);
        if (refusal.length == 0 && g.committed == (g.caller == REQUESTER ? 1 : 2)) {
            refusal = abi.encodeWithSelector(ITaskScheduler.AlreadyCommitted.selector, g.id, g.caller, RESULT);
        }
    }

    function _refusalOfResolve(Given memory g, bytes32 result) private pure returns (bytes memory refusal) {
        if (g.caller != ARBITER) return _lacksRole(g.caller, ARBITER_ROLE);
        if (g.paused) return _isPaused();
        refusal = _refusalOfMove(g, TaskState.Disputed, TaskState.Completed);
        if (refusal.length == 0 && result != 0 && result != RESULT && result != OTHER_RESULT) {
            refusal = abi.encodeWithSelector(ITaskScheduler.NotACommittedResult.selector, g.id, result);
        }
    }

    function _refusalOfRecording(Given memory g) private pure returns (bytes memory) {
        bool standing = g.standing && g.id == KNOWN;
        if (_stateOf(g) != (standing ? TaskState.Running : TaskState.Completed)) {
            return abi.encodeWithSelector(
                ITaskScheduler.NotRecordable.selector, g.id, _kind(standing), _stateOf(g)
            );
        }
        uint48 until = standing ? DEADLINE : BEGIN + 30 days;
        if (_now(g) < until) return "";
        return abi.encodeWithSelector(ITaskScheduler.RecordingOver.selector, g.id, until, uint256(_now(g)));
    }

    function _refusalOfPause(Given memory g) private pure returns (bytes memory) {
        return g.paused ? _isPaused() : bytes("");
    }

    function _refusalOfTime(Given memory g) private pure returns (bytes memory) {
        if (_now(g) < DEADLINE) return "";
        return abi.encodeWithSelector(ITaskScheduler.DeadlinePassed.selector, g.id, DEADLINE, uint256(_now(g)));
    }

    function _refusalOfMove(Given memory g, TaskState from, TaskState to) private pure returns (bytes memory) {
        return _stateOf(g) == from ? bytes("") : _notAllowed(g, to);
    }

    function _notAllowed(Given memory g, TaskState to) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ITaskScheduler.MoveNotAllowed.selector, g.id, _stateOf(g), to);
    }

    function _leaseStillHeld(Given memory g) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ITaskScheduler.LeaseStillHeld.selector, g.id, LEASE_ENDS, uint256(_now(g)));
    }

    function _notTheProvider(Given memory g, address provider) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ITaskScheduler.NotTheProvider.selector, g.id, g.caller, provider);
    }

    // ------------------------------------------------------------------ what must follow

    function _expecting(bytes memory refusal, Given memory g, bytes memory data) private returns (bool done) {
        (done,) = _callExpecting(refusal, g.caller, address(scheduler), data);
    }

    function _endAttempt(Given memory g, Task memory expected) private pure {
        expected.state = _attempts(g) == 3 ? TaskState.Failed : TaskState.Open;
        expected.provider = address(0);
        expected.leaseEnds = 0;
        expected.requesterResult = 0;
        expected.providerResult = 0;
    }

    function _complete(Given memory g, Task memory expected) private pure {
        expected.state = TaskState.Completed;
        if (!g.standing) expected.recordUntil = _now(g) + 30 days;
    }

    /// The task is as expected, and any other as it was.
    function _requireEffect(Given memory g, Task memory expected, bytes memory before) private view {
        vm.assertEq(abi.encode(scheduler.taskOf(g.id)), abi.encode(expected), "effect");
        if (g.probe != g.id) vm.assertEq(_state(g.probe), before, "no side effect");
    }

    function _state(bytes32 id) private view returns (bytes memory) {
        return abi.encode(scheduler.taskOf(id));
    }
}
