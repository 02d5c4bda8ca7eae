// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {RoleHolder} from "../../src/base/SeparateRoles.sol";
import {IAuthorizationRegistry} from "../../src/interfaces/IAuthorizationRegistry.sol";
import {IDataCatalog} from "../../src/interfaces/IDataCatalog.sol";
import {IMatchResultStore} from "../../src/interfaces/IMatchResultStore.sol";
import {ITaskScheduler} from "../../src/interfaces/ITaskScheduler.sol";
import {IPausable, Spec} from "../support/Spec.sol";

/// @notice A wallet that has signed whatever it is shown. Who signs what is the registry's own specs' matter.
contract Willing is IERC1271 {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return IERC1271.isValidSignature.selector;
    }
}

/// What has to hold in every life, however it goes.
enum Promise {
    ConsentLive, // no result without an authorization of its subject for its task's purpose that is live then
    TaskRecordable, // a standing task runs, a one-off one is completed
    RecordedOnce, // a claim, in one store of the line, which is the one in office
    RecorderOnly,
    PaidOnce, // each version, by the payer, and never after a reversal
    RevokedForGood,
    SuccessorAnnounced, // two days before a store is handed over
    LogGrows, // consistently, with two witnesses, in the store in office
    PauseStopsGrants,
    PauseNeverStopsWithdrawals
}

/// @notice The four contracts together, a clock, and what has been promised so far. What a life remembers is
/// noted from the calls that succeeded, never asked of the contracts.
abstract contract World is Spec {
    address internal constant ENROLLER = address(0xB0);
    address internal constant PROVIDER = address(0xB1);
    address internal constant REVOKER = address(0xB2);
    address internal constant REQUESTER = address(0xC1);
    address internal constant ARBITER = address(0xD1);
    address internal constant RECORDER = address(0xE1);
    address internal constant PAYER = address(0xE2);
    bytes32 internal constant DATASET = keccak256("dataset");
    bytes32 internal constant SUCCESSOR_ROLE = keccak256("SUCCESSOR_ROLE");
    uint48 internal constant BEGIN = 1_000_000;

    IAuthorizationRegistry internal registry;
    IDataCatalog internal catalog;
    ITaskScheduler internal scheduler;
    IMatchResultStore[] internal stores;
    address[3] internal witnesses;
    bytes32[2] internal purposes = [keccak256("settling"), keccak256("auditing")];

    mapping(Promise => bool) public broken;
    mapping(bytes4 selector => uint256) public happened; // calls that succeeded
    mapping(address => bool) internal paused;
    uint48 internal time = BEGIN;

    constructor() {
        vm.warp(BEGIN);
        RoleHolder[] memory holders = _offices(2);
        holders[2] = RoleHolder(keccak256("ENROLMENT_ROLE"), ENROLLER);
        holders[3] = RoleHolder(keccak256("REVOKER_ROLE"), REVOKER);
        registry =
            IAuthorizationRegistry(_deploy("AuthorizationRegistry.sol:AuthorizationRegistry", abi.encode(holders)));
        holders = _offices(1);
        holders[2] = RoleHolder(keccak256("PROVIDER_ROLE"), PROVIDER);
        catalog = IDataCatalog(_deploy("DataCatalog.sol:DataCatalog", abi.encode(holders)));
        holders = _offices(3);
        holders[2] = RoleHolder(keccak256("PROVIDER_ROLE"), PROVIDER);
        holders[3] = RoleHolder(keccak256("REQUESTER_ROLE"), REQUESTER);
        holders[4] = RoleHolder(keccak256("ARBITER_ROLE"), ARBITER);
        scheduler = ITaskScheduler(_deploy("TaskScheduler.sol:TaskScheduler", abi.encode(holders, catalog)));
        for (uint256 i = 0; i < 3; ++i) {
            witnesses[i] = address(new Willing());
        }
        _deployStore(IMatchResultStore(address(0)));
        _list();
    }

    function _list() private {
        bytes32[] memory listed = new bytes32[](2);
        (listed[0], listed[1]) = (purposes[0], purposes[1]);
        vm.prank(PROVIDER);
        catalog.register(DATASET, 4, listed);
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(ENROLLER);
            registry.admitScope(purposes[i]);
        }
    }

    function _deployStore(IMatchResultStore predecessor) internal {
        RoleHolder[] memory holders = _offices(5);
        holders[2] = RoleHolder(keccak256("RECORDER_ROLE"), RECORDER);
        holders[3] = RoleHolder(keccak256("PAYER_ROLE"), PAYER);
        holders[4] = RoleHolder(keccak256("ENGINE_WITNESS_ROLE"), witnesses[0]);
        holders[5] = RoleHolder(keccak256("HOSPITAL_WITNESS_ROLE"), witnesses[1]);
        holders[6] = RoleHolder(keccak256("AUDITOR_ROLE"), witnesses[2]);
        bytes memory arguments = abi.encode(holders, registry, scheduler, predecessor);
        stores.push(IMatchResultStore(_deploy("MatchResultStore.sol:MatchResultStore", arguments)));
    }

    // ------------------------------------------------------------------ what happens

    function wait_(uint256 chance) external {
        time += uint48([chance % 10 minutes, chance % 6 hours, chance % 30 hours][chance % 3]);
    }

    /// A brake, and three times as often its release.
    function brake(uint256 chance) external {
        address target = [address(registry), address(scheduler), address(stores[_pick(chance, stores.length)])][
            chance >> 32 & 3 < 3 ? chance >> 32 & 3 : 2
        ];
        bool stops = chance >> 40 & 3 == 0;
        bytes memory data = stops ? abi.encodeCall(IPausable.pause, ()) : abi.encodeWithSignature("unpause()");
        if (_done(stops ? PAUSER : ADMIN, target, data)) paused[target] = stops;
    }

    // ------------------------------------------------------------------ what helps to tell

    function _done(address caller, address target, bytes memory data) internal returns (bool done) {
        vm.warp(time);
        vm.prank(caller);
        (done,) = target.call(data);
        if (done) ++happened[bytes4(data)];
    }

    function _promise(Promise which, bool holds) internal {
        if (!holds) broken[which] = true;
    }

    /// `usual` mostly, at times anybody else.
    function _caller(address usual, uint256 chance) internal pure returns (address) {
        if (chance >> 240 & 15 != 0) return usual;
        return [ADMIN, PAUSER, ENROLLER, PROVIDER, REVOKER, REQUESTER, ARBITER, RECORDER, PAYER][
            (chance >> 244) % 9
        ];
    }

    /// One of the last six: what is older has mostly ended.
    function _recent(uint256 chance, uint256 count) internal pure returns (uint256) {
        return count - 1 - _pick(chance, count < 6 ? count : 6);
    }

    function _pick(uint256 chance, uint256 count) internal pure returns (uint256) {
        return (chance >> 8) % count;
    }
}
