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

interface ITaskScheduler {
    event TaskOpened(bytes32 indexed taskId, bytes32 indexed datasetId, address indexed requester, bytes32 purpose, bytes32 termsDigest, uint48 deadline);
    /// Every move of every task, so that one event tells its whole life.
    event TaskMoved(bytes32 indexed taskId, TaskState indexed from, TaskState indexed to, address by);
    event ResultCommitted(bytes32 indexed taskId, address indexed by, bytes32 resultDigest);

    /// REQUESTER_ROLE. `purpose` is the scope that authorizations must carry; `termsDigest` the terms registry's root.
    function open(bytes32 taskId, bytes32 datasetId, bytes32 purpose, bytes32 termsDigest, uint48 deadline) external;
    function accept(bytes32 taskId) external; // the dataset's provider; takes a lease
    function start(bytes32 taskId) external; // the provider that holds the lease
    function heartbeat(bytes32 taskId) external; // renews the lease
    function fail(bytes32 taskId, bytes32 reasonDigest) external; // provider; back to Open while attempts are left
    function cancel(bytes32 taskId) external; // requester, before it runs
    function expire(bytes32 taskId) external; // anybody, after the deadline
    /// Requester and provider each commit; equal -> Completed, different -> Disputed.
    function commitResult(bytes32 taskId, bytes32 resultDigest) external;
    function stateOf(bytes32 taskId) external view returns (TaskState);
    function purposeOf(bytes32 taskId) external view returns (bytes32);
    /// Reverts unless Running and before the deadline; returns the purpose.
    function requireRunning(bytes32 taskId) external view returns (bytes32 purpose);
}
