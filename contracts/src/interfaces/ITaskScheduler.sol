// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

enum TaskState {
    None,
    Open,
    Accepted,
    Running,
    Completed,
    Failed,
    Expired,
    Cancelled,
    Disputed
}

enum TaskKind {
    OneOff, // lists against lists: results are recorded once both sides agree on the outcome
    Standing // a hospital's discharges of a day: results are recorded while it runs
}

struct Task {
    address requester;
    uint48 deadline; // seconds; the task lives while now < deadline
    TaskState state;
    TaskKind kind;
    uint8 attempts; // leases taken so far
    address provider; // who holds or held the latest lease
    uint48 leaseEnds; // seconds; the lease is held while now < leaseEnds
    uint48 recordUntil; // seconds; results are recorded while now < recordUntil; zero: a one-off not yet completed
    bytes32 datasetId;
    bytes32 purpose;
    bytes32 termsDigest;
    bytes32 requesterResult; // zero: not committed
    bytes32 providerResult;
}

interface ITaskScheduler {
    event TaskOpened(
        bytes32 indexed taskId,
        bytes32 indexed datasetId,
        address indexed requester,
        TaskKind kind,
        bytes32 purpose,
        bytes32 termsDigest,
        uint48 deadline
    );
    /// Every move of every task, so that one event tells its whole life.
    event TaskMoved(bytes32 indexed taskId, TaskState indexed from, TaskState indexed to, address by);
    event ResultCommitted(bytes32 indexed taskId, address indexed by, bytes32 resultDigest);
    event LeaseHeld(bytes32 indexed taskId, address indexed provider, uint48 until);
    event AttemptFailed(bytes32 indexed taskId, address indexed provider, uint8 attempt, bytes32 reasonDigest);
    event AttemptLapsed(bytes32 indexed taskId, address indexed provider, uint8 attempt);
    /// `resultDigest` is the side that was found right; zero: neither.
    event DisputeResolved(bytes32 indexed taskId, address indexed arbiter, bytes32 resultDigest);

    error ZeroField(bytes32 taskId);
    error MoveNotAllowed(bytes32 taskId, TaskState from, TaskState to);
    error NotTheRequester(bytes32 taskId, address caller, address requester);
    error NotTheProvider(bytes32 taskId, address caller, address provider);
    error NotAParty(bytes32 taskId, address caller);
    error TaskNotRunning(bytes32 taskId, TaskState state);
    error TaskNotLeased(bytes32 taskId, TaskState state);
    error DeadlinePassed(bytes32 taskId, uint48 deadline, uint256 time);
    error DeadlineNotPassed(bytes32 taskId, uint48 deadline, uint256 time);
    error LeaseLapsed(bytes32 taskId, uint48 leaseEnds, uint256 time);
    error LeaseStillHeld(bytes32 taskId, uint48 leaseEnds, uint256 time);
    error AlreadyCommitted(bytes32 taskId, address by, bytes32 resultDigest);
    error NotACommittedResult(bytes32 taskId, bytes32 resultDigest);
    error NotRecordable(bytes32 taskId, TaskKind kind, TaskState state);
    error RecordingOver(bytes32 taskId, uint48 recordUntil, uint256 time);
    error NotAContract(address account);

    /// REQUESTER_ROLE. `purpose` is the scope that authorizations must carry; `termsDigest` the terms registry's root.
    function open(
        bytes32 taskId,
        bytes32 datasetId,
        bytes32 purpose,
        bytes32 termsDigest,
        uint48 deadline,
        TaskKind kind
    ) external;
    function accept(bytes32 taskId) external; // the dataset's provider; takes a lease
    function start(bytes32 taskId) external; // the provider that holds the lease
    function heartbeat(bytes32 taskId) external; // renews the lease
    function fail(bytes32 taskId, bytes32 reasonDigest) external; // provider; back to Open while attempts are left
    /// Anybody, once the lease has lapsed for want of a heartbeat: back to Open, to be leased again, or Failed.
    function lapse(bytes32 taskId) external;
    function cancel(bytes32 taskId) external; // requester, before it runs or once the lease has lapsed
    function expire(bytes32 taskId) external; // anybody, after the deadline
    /// Requester and provider each commit; equal -> Completed, different -> Disputed.
    function commitResult(bytes32 taskId, bytes32 resultDigest) external;
    /// ARBITER_ROLE: the committed digest that was found right -> Completed; zero, neither -> Failed.
    function resolve(bytes32 taskId, bytes32 resultDigest) external;
    /// Whether a task may ever move so: the one transition table.
    function allows(TaskState from, TaskState to) external pure returns (bool);
    function taskOf(bytes32 taskId) external view returns (Task memory);
    function stateOf(bytes32 taskId) external view returns (TaskState);
    /// Reverts unless results may be recorded under the task now: a standing task that runs, or a one-off task that
    /// was completed and whose time for recording is not over. Returns the purpose.
    function requireRecordable(bytes32 taskId) external view returns (bytes32 purpose);
}
