// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Result} from "../src/base/Result.sol";
import {
    Confirmation,
    IMatchResultStore,
    PayoutRefusal,
    PayoutState,
    Refusal
} from "../src/interfaces/IMatchResultStore.sol";
import {ITaskScheduler, TaskKind, TaskState} from "../src/interfaces/ITaskScheduler.sol";
import {GivenStore} from "./support/GivenStore.sol";

/// @notice Any batch at any stage of a claim; any version of any claim is watched, so what
/// is stated of it is effect and absence of side effects at once.
/// @dev Batches are fuzzed only: for the solver even a batch of one does not end in minutes.
contract MatchResultStoreSpec is GivenStore {
    function _recordBatch(Given memory g, bytes32 taskId, Result[] memory items) private {
        Picture memory expected = _arrange(g);
        bytes memory refusal = g.caller == RECORDER ? bytes("") : _lacksRole(g.caller, RECORDER_ROLE);
        if (refusal.length == 0) refusal = _refusalOfOffice(g);
        if (refusal.length == 0) refusal = _refusalOfBatch(g, taskId, items.length);
        if (refusal.length == 0) refusal = _firstRefused(items, _newRefusals(g, items));
        if (_expecting(refusal, g, abi.encodeCall(store.recordBatch, (taskId, items)))) {
            for (uint256 i = 0; i < items.length; ++i) {
                if (items[i].claimKey == g.claimKey) _expectVersion(g, expected, items[i], 1);
            }
        }
        _requireEffect(g, expected);
    }

    function _preview(Given memory g, bytes32 taskId, Result[] memory items) private {
        Picture memory expected = _arrange(g);
        bytes memory refusal = _refusalOfOffice(g);
        if (refusal.length == 0) refusal = _refusalOfBatch(g, taskId, items.length);
        bytes memory data = abi.encodeCall(store.preview, (taskId, items));
        (bool done, bytes memory answer) = _callExpecting(refusal, g.caller, address(store), data);
        if (done) vm.assertEq(answer, abi.encode(_newRefusals(g, items)), "as recordBatch would");
        _requireEffect(g, expected);
    }

    function _supersedeBatch(Given memory g, bytes32 taskId, Result[] memory items) private {
        Picture memory expected = _arrange(g);
        bytes memory refusal = g.caller == RECORDER ? bytes("") : _lacksRole(g.caller, RECORDER_ROLE);
        if (refusal.length == 0) refusal = _refusalOfBatch(g, taskId, items.length);
        if (refusal.length == 0) refusal = _refusalOfSupersession(g, items);
        if (_expecting(refusal, g, abi.encodeCall(store.supersedeBatch, (taskId, items)))) {
            for (uint256 i = 0; i < items.length; ++i) {
                if (items[i].claimKey == g.claimKey) {
                    _expectVersion(g, expected, items[i], _latest(g, g.claimKey) + 1);
                }
            }
        }
        _requireEffect(g, expected);
    }

    function _previewSupersession(Given memory g, bytes32 taskId, Result[] memory items) private {
        Picture memory expected = _arrange(g);
        bytes memory refusal = _refusalOfBatch(g, taskId, items.length);
        Refusal[] memory refusals = new Refusal[](items.length);
        for (uint256 i = 0; refusal.length == 0 && i < items.length; ++i) {
            if (i > 0 && items[i].claimKey <= items[i - 1].claimKey) refusal = _notAscending(items, i);
            refusals[i] = _nextRefusal(g, items[i]);
        }
        bytes memory data = abi.encodeCall(store.previewSupersession, (taskId, items));
        (bool done, bytes memory answer) = _callExpecting(refusal, g.caller, address(store), data);
        if (done) vm.assertEq(answer, abi.encode(refusals), "as supersedeBatch would");
        _requireEffect(g, expected);
    }

    function _confirmPayouts(Given memory g, Confirmation[] memory items) private {
        vm.assume(g.later == 0); // no time matters
        Picture memory expected = _arrange(g);
        bytes memory refusal = g.caller == PAYER ? bytes("") : _lacksRole(g.caller, PAYER_ROLE);
        if (refusal.length == 0 && g.paused) refusal = _isPaused();
        if (refusal.length == 0 && items.length == 0) {
            refusal = abi.encodeWithSelector(IMatchResultStore.EmptyBatch.selector);
        }
        bool paid;
        for (uint256 i = 0; refusal.length == 0 && i < items.length; ++i) {
            Confirmation memory c = items[i];
            PayoutRefusal why = _payoutRefusal(g, c.claimKey, c.version, c.payoutDigest);
            // only one claim can be paid here, so that an earlier item has just paid it
            if (why == PayoutRefusal.None && paid) why = PayoutRefusal.AlreadyPaid;
            if (why != PayoutRefusal.None) refusal = _payoutRefused(i, c.claimKey, c.version, why);
            paid = true;
        }
        bool done = _expecting(refusal, g, abi.encodeCall(store.confirmPayouts, (items)));
        if (done && g.claimKey == CLAIM && g.version == expected.latest) expected.state = PayoutState.Paid;
        _requireEffect(g, expected);
    }

    function check_reverse(Given memory g, bytes32 claimKey, uint32 version, bytes32 reason) public {
        vm.assume(g.later == 0); // no time matters
        Picture memory expected = _arrange(g);
        bytes memory refusal = g.caller == RECORDER ? bytes("") : _lacksRole(g.caller, RECORDER_ROLE);
        PayoutRefusal why = _payoutRefusal(g, claimKey, version, reason);
        if (refusal.length == 0 && why != PayoutRefusal.None && why != PayoutRefusal.AlreadyPaid) {
            refusal = _payoutRefused(0, claimKey, version, why);
        }
        bool done = _expecting(refusal, g, abi.encodeCall(store.reverse, (claimKey, version, reason)));
        if (done && g.claimKey == claimKey && g.version == version) expected.state = PayoutState.Reversed;
        _requireEffect(g, expected);
    }

    function check_handOver(Given memory g, address successor) public {
        vm.assume(g.later == 0 && g.stage <= uint8(Stage.Recorded)); // no time matters, nor what became of a claim
        Picture memory expected = _arrange(g);
        address before = store.successor();
        bytes memory refusal;
        if (g.caller != ADMIN) refusal = _lacksRole(g.caller, ADMIN_ROLE);
        else if (before != address(0)) {
            refusal = abi.encodeWithSelector(IMatchResultStore.StoreHandedOver.selector, before);
        } else if (successor.code.length == 0) {
            refusal = abi.encodeWithSelector(IMatchResultStore.NotAContract.selector, successor);
        } else if (successor != address(registry)) {
            refusal = _lacksRole(successor, SUCCESSOR_ROLE); // it was never appointed
        }
        bool done = _expecting(refusal, g, abi.encodeCall(store.handOver, (successor)));
        vm.assertEq(store.successor(), done ? successor : before, "the successor");
        _requireEffect(g, expected);
    }

    // ------------------------------------------------------------------ at random

    function test_recordBatch(Given memory g, bytes32 taskId, Result[] memory items, uint8 pick) public {
        _recordBatch(g, _meet(g, taskId, pick), _met(items, pick));
    }

    function test_preview(Given memory g, bytes32 taskId, Result[] memory items, uint8 pick) public {
        _preview(g, _meet(g, taskId, pick), _met(items, pick));
    }

    function test_supersedeBatch(Given memory g, bytes32 taskId, Result[] memory items, uint8 pick) public {
        if (g.stage % 6 == 0) ++g.stage;
        _supersedeBatch(g, _meet(g, taskId, pick), _met(items, pick));
    }

    function test_previewSupersession(Given memory g, bytes32 taskId, Result[] memory items, uint8 pick) public {
        if (g.stage % 6 == 0) ++g.stage;
        _previewSupersession(g, _meet(g, taskId, pick), _met(items, pick));
    }

    function test_confirmPayouts(Given memory g, Confirmation[] memory items, uint8 pick) public {
        _meet(g, pick);
        g.later = 0;
        if (pick % 16 != 3) g.caller = PAYER;
        for (uint256 i = 0; i < items.length; ++i) {
            items[i].version %= 3;
            if (uint256(items[i].claimKey) % 8 != 0) items[i].claimKey = CLAIM;
            if (pick % 4 == 0) items[i].version = _latest(g, CLAIM);
            if (uint256(items[i].payoutDigest) % 16 == 0) items[i].payoutDigest = 0;
        }
        if (pick % 4 == 0 && items.length > 1) assembly { mstore(items, 1) }
        _confirmPayouts(g, items);
    }

    function test_reverse(Given memory g, bytes32 claimKey, uint32 version, bytes32 reason, uint8 pick) public {
        _meet(g, pick);
        g.later = 0;
        if (pick % 8 == 0) reason = 0;
        check_reverse(g, uint256(claimKey) % 8 == 0 ? claimKey : CLAIM, version % 3, reason);
    }

    function test_handOver(Given memory g, address successor, uint8 pick) public {
        _meet(g, pick);
        g.later = 0;
        g.stage %= 2;
        if (pick % 4 == 0) g.caller = ADMIN;
        check_handOver(g, [successor, address(registry), address(old), address(registry)][uint160(successor) % 4]);
    }

    function _meet(Given memory g, bytes32 taskId, uint8 pick) private pure returns (bytes32) {
        _meet(g, pick);
        return pick % 16 == 4 ? taskId : TASK;
    }

    /// At most eight; every field of an item is known, another, or at times zero.
    function _met(Result[] memory items, uint8 pick) private view returns (Result[] memory) {
        if (items.length > 8) assembly { mstore(items, 8) }
        for (uint256 i = 0; i < items.length; ++i) {
            Result memory r = items[i];
            uint256 chance = uint256(keccak256(abi.encode(r, pick)));
            uint256 hard = pick % 4 == 0 ? 8 : 64; // rarely anything but good, or batches would never pass
            bytes32[5] memory ids = [revoked, short, foreign, bytes32(0), r.authorizationId];
            r.authorizationId = chance % hard < 5 ? ids[chance % hard] : live;
            bytes32 high = bytes32(uint256(1) << 255); // a bit of the subject that the registry does not keep
            bytes32[4] memory subjects = [r.subject, bytes32(0), SUBJECT ^ high, SUBJECT ^ bytes32(uint256(1))];
            r.subject = chance >> 16 & hard - 1 < 4 ? subjects[chance >> 16 & 3] : SUBJECT;
            r.resultDigest = [RESULT, r.resultDigest, r.resultDigest, OLDER_RESULT][chance >> 32 & 3];
            if (chance >> 48 & hard - 1 == 0) r.resultDigest = 0;
            bytes32[4] memory claims = [CLAIM, OLD_CLAIM, bytes32(0), items[0].claimKey];
            if (chance >> 64 & hard - 1 < 4) r.claimKey = claims[chance >> 64 & 3];
            if (pick % 2 == 0 && i == 0) r.claimKey = CLAIM;
        }
        return items;
    }

    // ------------------------------------------------------------------ what must be refused

    function _refusalOfOffice(Given memory g) private view returns (bytes memory) {
        if (g.office == uint8(Office.HandedOver)) {
            return abi.encodeWithSelector(IMatchResultStore.StoreHandedOver.selector, registry);
        }
        if (g.office == uint8(Office.Held)) return "";
        return abi.encodeWithSelector(IMatchResultStore.NotTheSuccessor.selector, old, old.successor());
    }

    function _refusalOfBatch(Given memory g, bytes32 taskId, uint256 items) private pure returns (bytes memory) {
        if (g.paused) return _isPaused();
        if (items == 0) return abi.encodeWithSelector(IMatchResultStore.EmptyBatch.selector);
        if (taskId != TASK) {
            return abi.encodeWithSelector(
                ITaskScheduler.NotRecordable.selector, taskId, TaskKind.OneOff, TaskState.None
            );
        }
        if (_now(g) < DEADLINE) return "";
        return abi.encodeWithSelector(ITaskScheduler.RecordingOver.selector, TASK, DEADLINE, uint256(_now(g)));
    }

    function _newRefusals(Given memory g, Result[] memory items) private view returns (Refusal[] memory refusals) {
        refusals = new Refusal[](items.length);
        for (uint256 i = 0; i < items.length; ++i) {
            bytes32 claimKey = items[i].claimKey;
            if (_hasZero(items[i])) refusals[i] = Refusal.ZeroField;
            else if (_among(items, i)) refusals[i] = Refusal.RepeatedInBatch;
            else if (_latest(g, claimKey) != 0) refusals[i] = Refusal.AlreadyRecorded;
            else if (claimKey == OLD_CLAIM) refusals[i] = Refusal.RecordedInPredecessor;
            else refusals[i] = _consentRefusal(g, items[i]);
        }
    }

    function _firstRefused(Result[] memory items, Refusal[] memory refusals) private pure returns (bytes memory) {
        for (uint256 i = 0; i < items.length; ++i) {
            if (refusals[i] != Refusal.None) return _itemRefused(i, items[i].claimKey, refusals[i]);
        }
        return "";
    }

    function _refusalOfSupersession(Given memory g, Result[] memory items) private view returns (bytes memory) {
        for (uint256 i = 0; i < items.length; ++i) {
            if (i > 0 && items[i].claimKey <= items[i - 1].claimKey) return _notAscending(items, i);
            Refusal refusal = _nextRefusal(g, items[i]);
            if (refusal != Refusal.None) return _itemRefused(i, items[i].claimKey, refusal);
        }
        return "";
    }

    function _nextRefusal(Given memory g, Result memory r) private view returns (Refusal) {
        if (_hasZero(r)) return Refusal.ZeroField;
        if (_latest(g, r.claimKey) == 0) return Refusal.ClaimUnknown;
        if (r.resultDigest == RESULT && r.authorizationId == live) return Refusal.ResultUnchanged;
        return _consentRefusal(g, r);
    }

    function _consentRefusal(Given memory g, Result memory r) private view returns (Refusal) {
        bytes32 id = r.authorizationId;
        if (id == revoked) return Refusal.AuthorizationRevoked;
        if (id == short && _now(g) >= SHORT) return Refusal.AuthorizationExpired;
        if (id == foreign) return Refusal.AuthorizationOutOfScope;
        if (id != live && id != short) return Refusal.AuthorizationUnknown;
        bool same = uint256(r.subject) << 97 == uint256(SUBJECT) << 97;
        return same ? Refusal.None : Refusal.AuthorizationOtherSubject;
    }

    function _payoutRefusal(Given memory g, bytes32 claimKey, uint32 version, bytes32 digest)
        private
        pure
        returns (PayoutRefusal)
    {
        if (digest == 0) return PayoutRefusal.ZeroField;
        uint32 latest = _latest(g, claimKey);
        if (latest == 0) return PayoutRefusal.ClaimUnknown;
        if (version != latest) return PayoutRefusal.NotTheCurrentVersion;
        if (g.stage == uint8(Stage.Paid)) return PayoutRefusal.AlreadyPaid;
        return g.stage == uint8(Stage.Reversed) ? PayoutRefusal.Reversed : PayoutRefusal.None;
    }

    function _itemRefused(uint256 i, bytes32 claimKey, Refusal refusal) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMatchResultStore.ItemRefused.selector, i, claimKey, refusal);
    }

    function _notAscending(Result[] memory items, uint256 i) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMatchResultStore.KeysNotAscending.selector, i, items[i].claimKey);
    }

    function _payoutRefused(uint256 i, bytes32 claimKey, uint32 version, PayoutRefusal refusal)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IMatchResultStore.PayoutRefused.selector, i, claimKey, version, refusal);
    }

    function _hasZero(Result memory r) private pure returns (bool) {
        return r.claimKey == 0 || r.resultDigest == 0 || r.authorizationId == 0 || r.subject == 0;
    }

    function _among(Result[] memory items, uint256 end) private pure returns (bool) {
        for (uint256 i = 0; i < end; ++i) {
            if (items[i].claimKey == items[end].claimKey) return true;
        }
        return false;
    }

    // ------------------------------------------------------------------ what must follow

    function _expecting(bytes memory refusal, Given memory g, bytes memory data) private returns (bool done) {
        (done,) = _callExpecting(refusal, g.caller, address(store), data);
    }

    /// The version that is watched, once `version` of its claim has been recorded.
    function _expectVersion(Given memory g, Picture memory expected, Result memory r, uint32 version) private pure {
        expected.latest = version;
        expected.recorded = true;
        if (g.version != version) return;
        expected.commitment = keccak256(
            abi.encode(
                keccak256(abi.encode(r.resultDigest, r.authorizationId)),
                keccak256(abi.encode(TASK, uint256(version)))
            )
        );
        expected.state = PayoutState.Recorded;
    }

    function _requireEffect(Given memory g, Picture memory expected) private view {
        vm.assertEq(abi.encode(_picture(g)), abi.encode(expected), "the version that is watched");
    }
}
