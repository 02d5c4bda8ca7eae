// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RoleHolder, SeparateRoles} from "./base/SeparateRoles.sol";
import {IDataCatalog} from "./interfaces/IDataCatalog.sol";
import {ITaskScheduler, Task, TaskKind, TaskState} from "./interfaces/ITaskScheduler.sol";

/// @title 任务与调度: who asks whom to match what, for which purpose, until when.
/// @notice A task is requested by an insurer and run by the provider of its dataset. The provider holds a lease
/// that it renews while it works. Once the lease has lapsed anybody may put the task up again, and the requester
/// may cancel. Both sides commit to the result's digest; a difference is a dispute, which an arbiter resolves.
/// @dev Results are recorded under a standing task while it runs, a hospital's discharges of a day as they come;
/// under a one-off task only once both sides agree on its outcome, for RECORDING_PERIOD.
contract TaskScheduler is ITaskScheduler, SeparateRoles {
    bytes32 public constant PROVIDER_ROLE = keccak256("PROVIDER_ROLE");
    bytes32 public constant REQUESTER_ROLE = keccak256("REQUESTER_ROLE");
    bytes32 public constant ARBITER_ROLE = keccak256("ARBITER_ROLE");

    /// How long a sign of life is good for: longer than any one night's outage, shorter than the statutory
    /// three days in which a refusal has to be told.
    uint48 public constant LEASE = 1 days;
    /// A provider that failed three times needs a person, not a fourth try.
    uint8 public constant MAX_ATTEMPTS = 3;
    /// How long results may be recorded under a one-off task after it was completed: the thirty days in which the
    /// law wants a claim decided (Insurance Law 23).
    uint48 public constant RECORDING_PERIOD = 30 days;

    IDataCatalog public immutable catalog;

    mapping(bytes32 taskId => Task) private _tasks;

    constructor(RoleHolder[] memory holders, IDataCatalog catalog_) SeparateRoles(holders) {
        if (address(catalog_).code.length == 0) revert NotAContract(address(catalog_));
        catalog = catalog_;
    }

    /// The one transition table. Completed, Failed, Expired and Cancelled are terminal.
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
        if (from == TaskState.Disputed) return _bit(TaskState.Completed) | _bit(TaskState.Failed);
        // forgefmt: disable-end
        return 0;
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_a_task_is_opened_once_by_a_requester_for_a_listed_purpose
    function open(
        bytes32 taskId,
        bytes32 datasetId,
        bytes32 purpose,
        bytes32 termsDigest,
        uint48 deadline,
        TaskKind kind
    ) external onlyRole(REQUESTER_ROLE) whenNotPaused {
        if (taskId == 0 || termsDigest == 0) revert ZeroField(taskId);
        if (deadline <= block.timestamp) revert DeadlinePassed(taskId, deadline, block.timestamp);
        catalog.requireUsable(datasetId, purpose);
        Task storage t = _tasks[taskId];
        // Tasks under way may move back to Open as well, but by their provider's end only.
        if (t.state != TaskState.None) revert MoveNotAllowed(taskId, t.state, TaskState.Open);
        _move(t, taskId, TaskState.Open);
        t.requester = msg.sender;
        t.deadline = deadline;
        t.kind = kind;
        if (kind == TaskKind.Standing) t.recordUntil = deadline;
        t.datasetId = datasetId;
        t.purpose = purpose;
        t.termsDigest = termsDigest;
        emit TaskOpened(taskId, datasetId, msg.sender, kind, purpose, termsDigest, deadline);
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_only_the_datasets_provider_accepts
    function accept(bytes32 taskId) external onlyRole(PROVIDER_ROLE) whenNotPaused {
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
    function start(bytes32 taskId) external whenNotPaused {
        Task storage t = _tasks[taskId];
        _requireLeaseHeld(t, taskId);
        _move(t, taskId, TaskState.Running);
    }

    /// @inheritdoc ITaskScheduler
    /// @dev Never paused: a brake longer than a lease would cost the provider an attempt.
    /// @custom:invariant test_a_heartbeat_renews_the_lease
    function heartbeat(bytes32 taskId) external {
        Task storage t = _tasks[taskId];
        _requireLeased(t, taskId);
        _requireLeaseHeld(t, taskId);
        _lease(t, taskId);
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_a_failed_attempt_reopens_the_task_until_attempts_run_out
    function fail(bytes32 taskId, bytes32 reasonDigest) external {
        Task storage t = _tasks[taskId];
        _requireLeased(t, taskId);
        _requireProvider(t, taskId);
        _requireBeforeDeadline(t, taskId);
        emit AttemptFailed(taskId, msg.sender, t.attempts, reasonDigest);
        _endAttempt(t, taskId);
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_anybody_puts_a_task_with_a_lapsed_lease_up_again
    function lapse(bytes32 taskId) external {
        Task storage t = _tasks[taskId];
        _requireLeased(t, taskId);
        _requireBeforeDeadline(t, taskId);
        if (block.timestamp < t.leaseEnds) revert LeaseStillHeld(taskId, t.leaseEnds, block.timestamp);
        emit AttemptLapsed(taskId, t.provider, t.attempts);
        _endAttempt(t, taskId);
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
    function commitResult(bytes32 taskId, bytes32 resultDigest) external whenNotPaused {
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
        if (t.requesterResult == t.providerResult) _complete(t, taskId);
        else _move(t, taskId, TaskState.Disputed);
    }

    /// @inheritdoc ITaskScheduler
    /// @dev No deadline: a dispute lasts as long as it lasts.
    /// @custom:invariant test_a_dispute_is_resolved_by_the_arbiter_for_one_side_or_neither
    function resolve(bytes32 taskId, bytes32 resultDigest) external onlyRole(ARBITER_ROLE) whenNotPaused {
        Task storage t = _tasks[taskId];
        if (t.state != TaskState.Disputed) revert MoveNotAllowed(taskId, t.state, TaskState.Completed);
        if (resultDigest != 0 && resultDigest != t.requesterResult && resultDigest != t.providerResult) {
            revert NotACommittedResult(taskId, resultDigest);
        }
        emit DisputeResolved(taskId, msg.sender, resultDigest);
        if (resultDigest == 0) _move(t, taskId, TaskState.Failed);
        else _complete(t, taskId);
    }

    /// @inheritdoc ITaskScheduler
    /// @custom:invariant test_results_are_recorded_under_a_running_standing_or_a_completed_one_off_task
    function requireRecordable(bytes32 taskId) external view returns (bytes32 purpose) {
        Task storage t = _tasks[taskId];
        TaskState needed = t.kind == TaskKind.Standing ? TaskState.Running : TaskState.Completed;
        if (t.state != needed) revert NotRecordable(taskId, t.kind, t.state);
        if (block.timestamp >= t.recordUntil) revert RecordingOver(taskId, t.recordUntil, block.timestamp);
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

    function _complete(Task storage t, bytes32 taskId) private {
        _move(t, taskId, TaskState.Completed);
        if (t.kind == TaskKind.OneOff) t.recordUntil = uint48(block.timestamp) + RECORDING_PERIOD;
    }

    /// The provider is let go: to be leased again, or for good once the attempts have run out.
    function _endAttempt(Task storage t, bytes32 taskId) private {
        _move(t, taskId, t.attempts < MAX_ATTEMPTS ? TaskState.Open : TaskState.Failed);
        delete t.provider;
        delete t.leaseEnds;
        delete t.requesterResult;
        delete t.providerResult;
    }

    function _lease(Task storage t, bytes32 taskId) private {
        t.leaseEnds = uint48(block.timestamp) + LEASE;
        emit LeaseHeld(taskId, msg.sender, t.leaseEnds);
    }

    function _requireBeforeDeadline(Task storage t, bytes32 taskId) private view {
        if (block.timestamp >= t.deadline) revert DeadlinePassed(taskId, t.deadline, block.timestamp);
    }

    function _requireLeased(Task storage t, bytes32 taskId) private view {
        if (t.state != TaskState.Accepted && t.state != TaskState.Running) revert TaskNotLeased(taskId, t.state);
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
