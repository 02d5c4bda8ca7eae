// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SeparateRoles} from "./base/SeparateRoles.sol";
import {IDataCatalog} from "./interfaces/IDataCatalog.sol";
import {ITaskScheduler, Task, TaskState} from "./interfaces/ITaskScheduler.sol";

/// @title 任务与调度: who asks whom to match what, for which purpose, until when.
/// @notice A task is requested by an insurer and run by the provider of its dataset. The provider holds a lease
/// that it renews while it works; a lapsed lease leaves it only `fail`, which gives the attempt back, and lets
/// the requester cancel. Both sides commit to the result's digest, and a difference is a dispute.
/// @dev A standing task is a task with a far deadline: it stays Running, and results are recorded under it, for
/// as long as its provider renews the lease or its requester bears with a lapsed one.
contract TaskScheduler is ITaskScheduler, SeparateRoles {
    bytes32 public constant PROVIDER_ROLE = keccak256("PROVIDER_ROLE");
    bytes32 public constant REQUESTER_ROLE = keccak256("REQUESTER_ROLE");

    /// How long a sign of life is good for: longer than any one night's outage, shorter than the statutory
    /// three days in which a refusal has to be told.
    uint48 public constant LEASE = 1 days;
    /// A provider that failed three times needs a person, not a fourth try.
    uint8 public constant MAX_ATTEMPTS = 3;

    IDataCatalog public immutable catalog;

    mapping(bytes32 taskId => Task) private _tasks;

    constructor(address admin, IDataCatalog catalog_) SeparateRoles(admin) {
        if (address(catalog_).code.length == 0) revert NotAContract(address(catalog_));
        catalog = catalog_;
    }

    /// The one transition table. Completed, Failed, Expired, Cancelled and Disputed are terminal.
    function _targets(TaskState from) private pure returns (uint256) {
        // forgefmt: disable-start
        if (from == TaskState.None)     return _bit(TaskState.Open);
        if (from == TaskState.Open)     return _bit(TaskState.Accepted)
                                             | _bit(TaskState.Cancelled) | _bit(TaskState.Expired);
        if (from == TaskState.Accepted) return _bit(TaskState.Running)
                                             | _bit(TaskState.Open)      | _bit(TaskState.Failed)
                                             | _bit(TaskState.Cancelled) | _bit(TaskState.Expired);
        if (from == TaskState.Running)  return _bit(TaskState.Completed) | _bit(TaskState.Disputed)
                                             | _bit(TaskState.Open)      | _bit(TaskState.Failed)
                                             | _bit(TaskState.Cancelled) | _bit(TaskState.Expired);
        // forgefmt: disable-end
        return 0;
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_a_task_is_opened_once_by_a_requester_for_a_listed_purpose
    function open(bytes32 taskId, bytes32 datasetId, bytes32 purpose, bytes32 termsDigest, uint48 deadline)
        external
        onlyRole(REQUESTER_ROLE)
    {
        if (taskId == 0 || termsDigest == 0) revert ZeroField(taskId);
        if (deadline <= block.timestamp) revert DeadlinePassed(taskId, deadline, block.timestamp);
        catalog.requireUsable(datasetId, purpose);
        Task storage t = _tasks[taskId];
        // the table lets a leased task go back to Open, but only its provider's failure takes it there
        if (t.state != TaskState.None) revert MoveNotAllowed(taskId, t.state, TaskState.Open);
        _move(t, taskId, TaskState.Open);
        t.requester = msg.sender;
        t.deadline = deadline;
        t.datasetId = datasetId;
        t.purpose = purpose;
        t.termsDigest = termsDigest;
        emit TaskOpened(taskId, datasetId, msg.sender, purpose, termsDigest, deadline);
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_only_the_datasets_provider_accepts
    function accept(bytes32 taskId) external onlyRole(PROVIDER_ROLE) {
        Task storage t = _tasks[taskId];
        _move(t, taskId, TaskState.Accepted);
        _requireBeforeDeadline(t, taskId);
        catalog.requireUsable(t.datasetId, t.purpose);
        address provider = catalog.providerOf(t.datasetId);
        if (msg.sender != provider) revert NotTheProvider(taskId, msg.sender, provider);
        t.provider = msg.sender;
        ++t.attempts;
        _lease(t, taskId);
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_a_lapsed_lease_stops_the_provider_until_it_accepts_again
    function start(bytes32 taskId) external {
        Task storage t = _tasks[taskId];
        _requireLeaseHeld(t, taskId);
        _move(t, taskId, TaskState.Running);
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_a_heartbeat_renews_the_lease
    function heartbeat(bytes32 taskId) external {
        Task storage t = _tasks[taskId];
        if (t.state != TaskState.Accepted && t.state != TaskState.Running) revert TaskNotLeased(taskId, t.state);
        _requireLeaseHeld(t, taskId);
        _lease(t, taskId);
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_a_failed_attempt_reopens_the_task_until_attempts_run_out
    function fail(bytes32 taskId, bytes32 reasonDigest) external {
        Task storage t = _tasks[taskId];
        _move(t, taskId, t.attempts < MAX_ATTEMPTS ? TaskState.Open : TaskState.Failed);
        _requireProvider(t, taskId);
        _requireBeforeDeadline(t, taskId);
        emit AttemptFailed(taskId, msg.sender, t.attempts, reasonDigest);
        delete t.provider;
        delete t.leaseEnds;
        delete t.requesterResult;
        delete t.providerResult;
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_a_running_task_is_cancelled_only_once_its_lease_has_lapsed
    function cancel(bytes32 taskId) external {
        Task storage t = _tasks[taskId];
        bool running = t.state == TaskState.Running;
        _move(t, taskId, TaskState.Cancelled);
        if (msg.sender != t.requester) revert NotTheRequester(taskId, msg.sender, t.requester);
        if (running && block.timestamp < t.leaseEnds) revert LeaseStillHeld(taskId, t.leaseEnds, block.timestamp);
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_anybody_expires_a_task_after_its_deadline_and_nobody_before
    function expire(bytes32 taskId) external {
        Task storage t = _tasks[taskId];
        _move(t, taskId, TaskState.Expired);
        if (block.timestamp < t.deadline) revert DeadlineNotPassed(taskId, t.deadline, block.timestamp);
    }

    /// @inheritdoc ITaskScheduler
    /// @dev Each side commits once; the second commitment ends the task.
    /// @custom:invariant test_equal_results_complete_and_different_results_dispute
    function commitResult(bytes32 taskId, bytes32 resultDigest) external {
        Task storage t = _tasks[taskId];
        if (t.state != TaskState.Running) revert TaskNotRunning(taskId, t.state);
        _requireBeforeDeadline(t, taskId);
        if (resultDigest == 0) revert ZeroField(taskId);
        if (msg.sender == t.requester) {
            if (t.requesterResult != 0) revert AlreadyCommitted(taskId, msg.sender, t.requesterResult);
            t.requesterResult = resultDigest;
        } else if (msg.sender == t.provider) {
            _requireLeaseHeld(t, taskId);
            if (t.providerResult != 0) revert AlreadyCommitted(taskId, msg.sender, t.providerResult);
            t.providerResult = resultDigest;
        } else {
            revert NotAParty(taskId, msg.sender);
        }
        emit ResultCommitted(taskId, msg.sender, resultDigest);
        if (t.requesterResult == 0 || t.providerResult == 0) return;
        _move(t, taskId, t.requesterResult == t.providerResult ? TaskState.Completed : TaskState.Disputed);
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_a_task_is_running_from_start_to_its_deadline
    function requireRunning(bytes32 taskId) external view returns (bytes32 purpose) {
        Task storage t = _tasks[taskId];
        if (t.state != TaskState.Running) revert TaskNotRunning(taskId, t.state);
        _requireBeforeDeadline(t, taskId);
        return t.purpose;
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_the_transition_table_agrees_with_the_independent_one
    function allows(TaskState from, TaskState to) public pure returns (bool) {
        return _targets(from) & _bit(to) != 0;
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_a_task_is_opened_once_by_a_requester_for_a_listed_purpose
    function taskOf(bytes32 taskId) external view returns (Task memory) {
        return _tasks[taskId];
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_a_task_is_opened_once_by_a_requester_for_a_listed_purpose
    function stateOf(bytes32 taskId) external view returns (TaskState) {
        return _tasks[taskId].state;
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_a_task_is_opened_once_by_a_requester_for_a_listed_purpose
    function purposeOf(bytes32 taskId) external view returns (bytes32) {
        return _tasks[taskId].purpose;
    }

    function _bit(TaskState state) private pure returns (uint256) {
        return 1 << uint8(state);
    }

    /// Every change of every task's state, and nothing else, goes through here.
    function _move(Task storage t, bytes32 taskId, TaskState to) private {
        TaskState from = t.state;
        if (!allows(from, to)) revert MoveNotAllowed(taskId, from, to);
        t.state = to;
        emit TaskMoved(taskId, from, to, msg.sender);
    }

    function _lease(Task storage t, bytes32 taskId) private {
        t.leaseEnds = uint48(block.timestamp) + LEASE;
        emit LeaseHeld(taskId, msg.sender, t.leaseEnds);
    }

    function _requireBeforeDeadline(Task storage t, bytes32 taskId) private view {
        if (block.timestamp >= t.deadline) revert DeadlinePassed(taskId, t.deadline, block.timestamp);
    }

    function _requireProvider(Task storage t, bytes32 taskId) private view {
        if (msg.sender != t.provider) revert NotTheProvider(taskId, msg.sender, t.provider);
    }

    function _requireLeaseHeld(Task storage t, bytes32 taskId) private view {
        _requireProvider(t, taskId);
        _requireBeforeDeadline(t, taskId);
        if (block.timestamp >= t.leaseEnds) revert LeaseLapsed(taskId, t.leaseEnds, block.timestamp);
    }
}
