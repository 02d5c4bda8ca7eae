// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TaskKind} from "../../src/interfaces/ITaskScheduler.sol";
import {Consents} from "./Consents.sol";
import {Promise} from "./World.sol";

/// @notice Tasks of both kinds, brought forward by the parties and hindered by everybody.
abstract contract Tasks is Consents {
    struct Assignment {
        bytes32 id;
        bytes32 purpose;
        TaskKind kind;
        uint48 deadline;
        bool accepted;
        bool running;
        bool disputed;
        uint48 completed; // seconds; zero: never
        bytes32[2] committed; // by the requester, by the provider
    }

    Assignment[] internal tasks;

    function open(uint256 chance) external {
        bytes32 id = keccak256(abi.encode("task", tasks.length));
        bytes32 purpose = purposes[chance & 1];
        TaskKind kind = TaskKind(chance >> 1 & 1);
        uint48 deadline = time + 6 hours + uint48((chance >> 64) % 5 days);
        bytes memory data =
            abi.encodeCall(scheduler.open, (id, DATASET, purpose, keccak256("terms"), deadline, kind));
        if (!_done(_caller(REQUESTER, chance), address(scheduler), data)) return;
        _promise(Promise.PauseStopsGrants, !paused[address(scheduler)]);
        Assignment storage t = tasks.push();
        (t.id, t.purpose, t.kind, t.deadline) = (id, purpose, kind, deadline);
    }

    /// The next step on the way to a result.
    function advance(uint256 chance) external {
        if (tasks.length == 0) return;
        Assignment storage t = tasks[_recent(chance, tasks.length)];
        if (t.disputed) return _resolve(t, chance);
        if (t.running) return t.kind == TaskKind.OneOff || chance & 7 == 0 ? _commit(t, chance) : _heartbeat(t);
        address provider = _caller(PROVIDER, chance);
        if (t.accepted) {
            if (_done(provider, address(scheduler), abi.encodeCall(scheduler.start, (t.id)))) t.running = true;
        } else if (_done(provider, address(scheduler), abi.encodeCall(scheduler.accept, (t.id)))) {
            t.accepted = true;
        }
    }

    /// What ends an attempt or the task, or tries to.
    function hinder(uint256 chance) external {
        if (tasks.length == 0 || chance & 3 != 0) return;
        uint256 number = chance >> 128 & 1 == 0 ? _recent(chance, tasks.length) : _pick(chance, tasks.length);
        Assignment storage t = tasks[number];
        uint256 way = chance >> 64 & 3;
        bytes memory data = way == 0
            ? abi.encodeCall(scheduler.fail, (t.id, keccak256("reason")))
            : way == 1
                ? abi.encodeCall(scheduler.lapse, (t.id))
                : way == 2 ? abi.encodeCall(scheduler.cancel, (t.id)) : abi.encodeCall(scheduler.expire, (t.id));
        if (!_done(_caller(way == 2 ? REQUESTER : PROVIDER, chance), address(scheduler), data)) return;
        (t.accepted, t.running) = (false, false);
        delete t.committed;
    }

    function _heartbeat(Assignment storage t) private {
        _done(PROVIDER, address(scheduler), abi.encodeCall(scheduler.heartbeat, (t.id)));
    }

    function _commit(Assignment storage t, uint256 chance) private {
        uint256 side = chance >> 64 & 1;
        bytes32 digest = bytes32(1 + ((chance >> 72 & 7) == 0 ? 1 : uint256(0)));
        bytes memory data = abi.encodeCall(scheduler.commitResult, (t.id, digest));
        if (!_done(side == 0 ? REQUESTER : PROVIDER, address(scheduler), data)) return;
        t.committed[side] = digest;
        if (t.committed[0] == 0 || t.committed[1] == 0) return;
        t.running = false;
        if (t.committed[0] == t.committed[1]) t.completed = time;
        else t.disputed = true;
    }

    function _resolve(Assignment storage t, uint256 chance) private {
        bytes32 digest = bytes32(chance >> 64 & 3);
        bytes memory data = abi.encodeCall(scheduler.resolve, (t.id, digest));
        if (!_done(_caller(ARBITER, chance), address(scheduler), data)) return;
        t.disputed = false;
        if (digest != 0) t.completed = time;
    }

    function _isRecordable(Assignment storage t) internal view returns (bool) {
        if (t.kind == TaskKind.Standing) return t.running && time < t.deadline;
        return t.completed != 0 && time < t.completed + 30 days;
    }
}
