// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Result} from "../../src/base/Result.sol";
import {SeparateRoles} from "../../src/base/SeparateRoles.sol";
import {CoSignature, IAuditCheckpoints} from "../../src/interfaces/IAuditCheckpoints.sol";
import {Confirmation, IMatchResultStore, PayoutState} from "../../src/interfaces/IMatchResultStore.sol";
import {Tasks} from "./Tasks.sol";
import {Promise} from "./World.sol";

/// @notice Results recorded, superseded, paid and reversed, while the store is handed over from one to the next.
contract Life is Tasks {
    struct Claim {
        uint256 home; // of its store, counted from one; zero: recorded nowhere
        PayoutState[] versions;
    }

    uint256 private constant CLAIMS = 40;
    Claim[CLAIMS] private claims;
    mapping(uint256 store => uint256) private predecessorOf;
    mapping(uint256 store => uint48) private announcedAt;
    uint256 private office; // the store that takes new claims
    uint64 private logSize;
    bytes32 private logRoot;

    // ------------------------------------------------------------------ results

    function record(uint256 chance, uint8 more) external {
        if (consents.length == 0 || tasks.length == 0) return;
        uint256 place = chance & 7 == 0 ? _pick(chance, stores.length) : office;
        Assignment storage t = tasks[_recent(chance >> 16, tasks.length)];
        uint256[] memory numbers = new uint256[](1 + more % 3);
        Result[] memory items = new Result[](numbers.length);
        bool live = true;
        for (uint256 i = 0; i < items.length; ++i) {
            uint256 own = uint256(keccak256(abi.encode(chance, i)));
            numbers[i] = _pick(own, CLAIMS);
            bool isLive;
            (items[i], isLive) = _item(numbers[i], t, own);
            live = live && isLive;
        }
        address caller = _caller(RECORDER, chance);
        bytes memory data = abi.encodeCall(IMatchResultStore.recordBatch, (t.id, items));
        if (!_done(caller, address(stores[place]), data)) return;
        _promiseOfRecording(caller, place, t, live);
        _promise(Promise.RecordedOnce, place == office);
        for (uint256 i = 0; i < numbers.length; ++i) {
            Claim storage c = claims[numbers[i]];
            _promise(Promise.RecordedOnce, c.home == 0);
            c.home = place + 1;
            c.versions.push(PayoutState.Recorded);
        }
    }

    function supersede(uint256 chance) external {
        uint256 number = _pick(chance, CLAIMS);
        Claim storage c = claims[number];
        if (c.home == 0 || tasks.length == 0) return;
        uint256 place = chance & 7 == 0 ? (chance >> 32) % stores.length : c.home - 1;
        Assignment storage t = tasks[_recent(chance >> 16, tasks.length)];
        Result[] memory items = new Result[](1);
        bool live;
        (items[0], live) = _item(number, t, chance);
        address caller = _caller(RECORDER, chance);
        bytes memory data = abi.encodeCall(IMatchResultStore.supersedeBatch, (t.id, items));
        if (!_done(caller, address(stores[place]), data)) return;
        _promiseOfRecording(caller, place, t, live);
        _promise(Promise.RecordedOnce, c.home == place + 1);
        c.versions.push(PayoutState.Recorded);
    }

    function confirm(uint256 chance) external {
        uint256 number = _pick(chance, CLAIMS);
        Claim storage c = claims[number];
        if (c.home == 0) return;
        uint32 version = _someVersion(c, chance);
        Confirmation[] memory items = new Confirmation[](1);
        items[0] = Confirmation(_key(number), version, keccak256("payout"));
        address caller = _caller(PAYER, chance);
        IMatchResultStore store = stores[c.home - 1];
        if (!_done(caller, address(store), abi.encodeCall(store.confirmPayouts, (items)))) return;
        _promise(Promise.PauseStopsGrants, !paused[address(store)]);
        bool payable_ = version == c.versions.length && c.versions[version - 1] == PayoutState.Recorded;
        _promise(Promise.PaidOnce, caller == PAYER && payable_);
        c.versions[version - 1] = PayoutState.Paid;
    }

    function reverse(uint256 chance) external {
        uint256 number = _pick(chance, CLAIMS);
        Claim storage c = claims[number];
        if (c.home == 0 || chance & 1 == 0) return;
        uint32 version = _someVersion(c, chance);
        address caller = _caller(RECORDER, chance);
        IMatchResultStore store = stores[c.home - 1];
        bytes memory data = abi.encodeCall(store.reverse, (_key(number), version, keccak256("reason")));
        bool done = _done(caller, address(store), data);
        bool right = version == c.versions.length && c.versions[version - 1] != PayoutState.Reversed;
        _promise(Promise.PauseNeverStopsWithdrawals, done == (right && caller == RECORDER));
        if (done) c.versions[version - 1] = PayoutState.Reversed;
    }

    // ------------------------------------------------------------------ offices, and the log

    /// A successor is deployed, more than one at times, or one of them takes office.
    function migrate(uint256 chance) external {
        if (chance & 7 == 0 && stores.length < 6) {
            predecessorOf[stores.length] = office;
            vm.warp(time);
            _deployStore(stores[office]);
            announcedAt[stores.length - 1] = time;
            bytes memory announcement = abi.encodeCall(
                SeparateRoles.announceRoleChange, (SUCCESSOR_ROLE, address(stores[stores.length - 1]), true)
            );
            _done(ADMIN, address(stores[office]), announcement);
        }
        uint256 to = _pick(chance, stores.length);
        if (to == office || to == 0 || predecessorOf[to] != office || chance >> 64 & 3 != 0) return;
        if (chance >> 66 & 1 == 0) {
            bytes memory appointment = abi.encodeCall(IAccessControl.grantRole, (SUCCESSOR_ROLE, address(stores[to])));
            _done(ADMIN, address(stores[office]), appointment);
        }
        bytes memory data = abi.encodeCall(IMatchResultStore.handOver, (address(stores[to])));
        if (!_done(_caller(ADMIN, chance), address(stores[office]), data)) return;
        _promise(Promise.SuccessorAnnounced, time >= announcedAt[to] + 2 days);
        office = to;
    }

    /// A log that doubles: its old root is then the left half of the new one.
    function checkpoint(uint256 chance) external {
        uint256 place = chance & 3 == 0 ? _pick(chance, stores.length) : office;
        bytes32 right = bytes32(chance);
        bytes32[] memory proof = new bytes32[](logSize == 0 ? 0 : 1);
        if (logSize != 0) proof[0] = right;
        bytes32 root = logSize == 0 ? right : sha256(abi.encodePacked(bytes1(0x01), logRoot, right));
        bool honest = chance >> 64 & 3 != 0;
        if (!honest) root = keccak256(abi.encode(chance));
        bool larger = chance >> 72 & 3 != 0;
        uint64 size = logSize == 0 ? 1 : larger ? logSize * 2 : logSize;
        CoSignature[] memory signatures = new CoSignature[](1 + (chance >> 80 & 1));
        for (uint256 i = 0; i < signatures.length; ++i) {
            signatures[i].signer = witnesses[(chance >> 88) % 3 * (1 + i) % 3];
        }
        bool two = signatures.length == 2 && signatures[0].signer != signatures[1].signer;
        bytes memory data =
            abi.encodeCall(IAuditCheckpoints.recordCheckpoint, (size, root, proof, signatures));
        if (!_done(address(this), address(stores[place]), data)) return;
        bool extends = logSize == 0 || (honest && size == 2 * logSize);
        _promise(Promise.LogGrows, place == office && two && extends);
        (logSize, logRoot) = (size, root);
    }

    // ------------------------------------------------------------------ whether the contracts remember the same

    /// Every version of every claim stands in its home, with its own end, and nowhere else.
    function claimsAreWhereTheyWereRecorded() external view returns (bool) {
        for (uint256 number = 0; number < CLAIMS; ++number) {
            for (uint256 place = 0; place < stores.length; ++place) {
                Claim storage c = claims[number];
                uint256 versions = c.home == place + 1 ? c.versions.length : 0;
                if (stores[place].versionOf(_key(number)) != versions) return false;
                for (uint32 v = 1; v <= versions; ++v) {
                    if (stores[place].payoutStateOf(_key(number), v) != c.versions[v - 1]) return false;
                }
                PayoutState next = stores[place].payoutStateOf(_key(number), uint32(versions + 1));
                if (next != PayoutState.None) return false;
            }
        }
        return true;
    }

    function logIsAsItGrew() external view returns (bool) {
        return stores[office].latestCheckpoint().size == logSize && stores[office].latestCheckpoint().root == logRoot;
    }

    // ------------------------------------------------------------------ what helps to tell

    /// Mostly of a consent for the task's purpose, of its own subject.
    function _item(uint256 number, Assignment storage t, uint256 chance)
        private
        view
        returns (Result memory r, bool live)
    {
        uint256 from = _recent(chance >> 96, consents.length);
        for (uint256 i = 0; i < 4 && consents[from].g.scope != t.purpose; ++i) {
            from = (from + 1) % consents.length;
        }
        Consent storage c = consents[from];
        bytes32 subject = chance >> 128 & 15 == 0 ? bytes32(uint256(4)) : c.g.subject;
        r = Result(_key(number), keccak256(abi.encode(chance)), c.id, subject);
        live = _isLive(c, t.purpose, subject);
    }

    function _promiseOfRecording(address caller, uint256 place, Assignment storage t, bool live) private {
        _promise(Promise.RecorderOnly, caller == RECORDER);
        _promise(Promise.ConsentLive, live);
        _promise(Promise.TaskRecordable, _isRecordable(t));
        _promise(Promise.PauseStopsGrants, !paused[address(stores[place])]);
    }

    /// The latest mostly.
    function _someVersion(Claim storage c, uint256 chance) private view returns (uint32) {
        uint256 latest = c.versions.length;
        return uint32(chance >> 64 & 3 == 0 ? 1 + (chance >> 72) % latest : latest);
    }

    function _key(uint256 number) private pure returns (bytes32) {
        return keccak256(abi.encode("claim", number));
    }
}
