// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Result} from "../../src/base/Result.sol";
import {RoleHolder, SeparateRoles} from "../../src/base/SeparateRoles.sol";
import {Grant, IAuthorizationRegistry} from "../../src/interfaces/IAuthorizationRegistry.sol";
import {IDataCatalog} from "../../src/interfaces/IDataCatalog.sol";
import {Confirmation, IMatchResultStore, PayoutState} from "../../src/interfaces/IMatchResultStore.sol";
import {ITaskScheduler, TaskKind} from "../../src/interfaces/ITaskScheduler.sol";
import {Spec} from "./Spec.sol";

/// @notice Two stores in a line over the real registry and scheduler: a standing task that runs, an authorization
/// of each kind, a claim in the predecessor, and one claim of the store brought to any stage.
abstract contract GivenStore is Spec {
    bytes32 internal constant RECORDER_ROLE = keccak256("RECORDER_ROLE");
    bytes32 internal constant PAYER_ROLE = keccak256("PAYER_ROLE");
    bytes32 internal constant SUCCESSOR_ROLE = keccak256("SUCCESSOR_ROLE");
    address internal constant RECORDER = address(0xE1);
    address internal constant PAYER = address(0xE2);
    address internal constant PARTY = address(0xB1); // enrols, revokes, provides, requests: one in each contract
    address internal constant REQUESTER = address(0xC1);
    address internal constant REVOKER = address(0xC2);
    bytes32 internal constant TASK = keccak256("a standing task that runs");
    bytes32 internal constant DATASET = keccak256("its dataset");
    bytes32 internal constant PURPOSE = keccak256("its purpose");
    bytes32 internal constant OTHER_PURPOSE = keccak256("another purpose");
    bytes32 internal constant SUBJECT = keccak256("the subject of all authorizations");
    bytes32 internal constant CLAIM = keccak256("the claim that is arranged");
    bytes32 internal constant OLD_CLAIM = keccak256("the claim that the predecessor has recorded");
    bytes32 internal constant RESULT = keccak256("the current result of CLAIM");
    bytes32 internal constant OLDER_RESULT = keccak256("what it was before");
    uint48 internal constant BEGIN = 1_000_000;
    uint48 internal constant DEADLINE = BEGIN + 20 hours; // no heartbeat is needed until then
    uint40 internal constant SHORT = uint40(BEGIN) + 1 hours;

    enum Stage {
        None,
        Recorded,
        Paid,
        Reversed,
        Superseded, // version 2, of which version 1 was never paid
        PaidBefore // version 2, of which version 1 was paid
    }

    enum Office {
        Held,
        HandedOver,
        NotYetTaken
    }

    /// Where a call starts, who calls when, and which version of which claim is watched.
    struct Given {
        uint8 stage;
        uint8 office;
        bool paused;
        address caller;
        uint32 later; // seconds after BEGIN
        bytes32 claimKey;
        uint32 version;
    }

    /// All that the store tells of the version that is watched.
    struct Picture {
        bytes32 commitment;
        PayoutState state;
        uint32 latest;
        bool recorded;
    }

    IAuthorizationRegistry internal registry;
    ITaskScheduler internal scheduler;
    IMatchResultStore internal old;
    IMatchResultStore internal store;
    bytes32 internal live;
    bytes32 internal revoked;
    bytes32 internal short;
    bytes32 internal foreign;

    function setUp() public {
        vm.warp(BEGIN - 2 days); // what an appointment takes
        _enrol();
        IDataCatalog catalog = _schedule();
        old = _store(IMatchResultStore(address(0)));
        store = _store(old);
        vm.prank(ADMIN);
        SeparateRoles(address(old)).announceRoleChange(SUCCESSOR_ROLE, address(store), true);
        vm.warp(BEGIN);
        vm.prank(ADMIN);
        SeparateRoles(address(old)).grantRole(SUCCESSOR_ROLE, address(store));
        _runTask(catalog);
        vm.prank(RECORDER);
        old.recordBatch(TASK, _one(Result(OLD_CLAIM, RESULT, live, SUBJECT)));
    }

    function _enrol() private {
        RoleHolder[] memory holders = _offices(2);
        holders[2] = RoleHolder(keccak256("ENROLMENT_ROLE"), PARTY);
        holders[3] = RoleHolder(keccak256("REVOKER_ROLE"), REVOKER);
        registry = IAuthorizationRegistry(
            _deploy("AuthorizationRegistry.sol:AuthorizationRegistry", abi.encode(holders))
        );
        vm.prank(PARTY);
        registry.admitScope(OTHER_PURPOSE);
        vm.prank(PARTY);
        registry.admitScope(PURPOSE);
        uint40 long = uint40(BEGIN) + 10 days;
        live = _authorize(PURPOSE, "live", long);
        short = _authorize(PURPOSE, "short", SHORT);
        foreign = _authorize(OTHER_PURPOSE, "foreign", long);
        revoked = _authorize(PURPOSE, "revoked", long);
        vm.prank(REVOKER);
        registry.revokeFor(revoked);
    }

    /// By a wave of one, whose root is the id.
    function _authorize(bytes32 scope, bytes memory consent, uint40 expires) private returns (bytes32 id) {
        Grant memory g = Grant(SUBJECT, scope, keccak256(consent), address(0xAA), address(0), expires);
        id = registry.idOf(g);
        vm.prank(PARTY);
        registry.grantWave(id, 1, scope, expires, keccak256("the consent's text"));
        registry.materialize(id, g, new bytes32[](0));
    }

    function _schedule() private returns (IDataCatalog catalog) {
        RoleHolder[] memory holders = _offices(1);
        holders[2] = RoleHolder(keccak256("PROVIDER_ROLE"), PARTY);
        catalog = IDataCatalog(_deploy("DataCatalog.sol:DataCatalog", abi.encode(holders)));
        holders = _offices(2);
        holders[2] = RoleHolder(keccak256("PROVIDER_ROLE"), PARTY);
        holders[3] = RoleHolder(keccak256("REQUESTER_ROLE"), REQUESTER);
        scheduler = ITaskScheduler(_deploy("TaskScheduler.sol:TaskScheduler", abi.encode(holders, catalog)));
    }

    function _runTask(IDataCatalog catalog) private {
        bytes32[] memory purposes = new bytes32[](1);
        purposes[0] = PURPOSE;
        vm.prank(PARTY);
        catalog.register(DATASET, 4, purposes);
        vm.prank(REQUESTER);
        scheduler.open(TASK, DATASET, PURPOSE, keccak256("terms"), DEADLINE, TaskKind.Standing);
        vm.prank(PARTY);
        scheduler.accept(TASK);
        vm.prank(PARTY);
        scheduler.start(TASK);
    }

    function _store(IMatchResultStore predecessor) private returns (IMatchResultStore) {
        RoleHolder[] memory holders = _offices(3);
        holders[2] = RoleHolder(RECORDER_ROLE, RECORDER);
        holders[3] = RoleHolder(PAYER_ROLE, PAYER);
        holders[4] = RoleHolder(SUCCESSOR_ROLE, address(registry));
        bytes memory arguments = abi.encode(holders, registry, scheduler, predecessor);
        return IMatchResultStore(_deploy("MatchResultStore.sol:MatchResultStore", arguments));
    }

    function _meet(Given memory g, uint8 pick) internal pure {
        g.stage %= 6;
        g.office = pick % 8 == 0 ? g.office % 3 : 0;
        g.paused = g.paused && pick % 8 == 1; // so that nothing is paused out of office
        if (pick % 16 != 2) g.caller = [RECORDER, PAYER, RECORDER, ADMIN][pick % 4];
        g.later = [0, 1 hours - 1, 1 hours, 20 hours - 1, 20 hours, g.later % 1 days][g.later % 6];
        g.claimKey = [CLAIM, CLAIM, OLD_CLAIM, g.claimKey][uint256(g.claimKey) % 4];
        g.version %= 4;
    }

    function _arrange(Given memory g) internal returns (Picture memory) {
        g.stage = _each(g.stage, uint8(Stage.PaidBefore));
        g.office = _each(g.office, uint8(Office.NotYetTaken));
        vm.assume(g.caller != address(0)); // nobody signs for it
        vm.assume(!g.paused || g.office == uint8(Office.Held));
        vm.prank(ADMIN);
        old.handOver(address(store));
        _bringTo(Stage(g.stage));
        if (g.office == uint8(Office.HandedOver)) {
            vm.prank(ADMIN);
            store.handOver(address(registry));
        }
        // The store that never took office: it has recorded nothing.
        if (g.office == uint8(Office.NotYetTaken)) {
            vm.assume(g.stage == 0);
            store = _store(old);
        }
        if (g.paused) _pause(address(store));
        vm.warp(_now(g));
        return _picture(g);
    }

    function _bringTo(Stage stage) private {
        if (stage == Stage.None) return;
        bool later = stage == Stage.Superseded || stage == Stage.PaidBefore;
        vm.prank(RECORDER);
        store.recordBatch(TASK, _one(Result(CLAIM, later ? OLDER_RESULT : RESULT, live, SUBJECT)));
        if (stage == Stage.Paid || stage == Stage.PaidBefore) {
            Confirmation[] memory paid = new Confirmation[](1);
            paid[0] = Confirmation(CLAIM, 1, keccak256("payout"));
            vm.prank(PAYER);
            store.confirmPayouts(paid);
        }
        if (stage == Stage.Reversed) {
            vm.prank(RECORDER);
            store.reverse(CLAIM, 1, keccak256("reason"));
        }
        if (later) {
            vm.prank(RECORDER);
            store.supersedeBatch(TASK, _one(Result(CLAIM, RESULT, live, SUBJECT)));
        }
    }

    function _one(Result memory r) internal pure returns (Result[] memory results) {
        results = new Result[](1);
        results[0] = r;
    }

    // ------------------------------------------------------------------ what is so, told without asking

    function _now(Given memory g) internal pure returns (uint48) {
        return BEGIN + g.later;
    }

    /// The current version of a claim in the store; zero: none.
    function _latest(Given memory g, bytes32 claimKey) internal pure returns (uint32) {
        if (claimKey != CLAIM || g.stage == uint8(Stage.None)) return 0;
        return g.stage >= uint8(Stage.Superseded) ? 2 : 1;
    }

    function _picture(Given memory g) internal view returns (Picture memory) {
        return Picture(
            store.commitmentOf(g.claimKey, g.version),
            store.payoutStateOf(g.claimKey, g.version),
            store.versionOf(g.claimKey),
            store.isRecorded(g.claimKey)
        );
    }
}
