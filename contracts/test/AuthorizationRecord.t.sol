// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuthorizationRecord, packRecord} from "../src/base/AuthorizationRecord.sol";
import {Liveness} from "../src/interfaces/IAuthorizationRegistry.sol";
import {Spec} from "./support/Spec.sol";

/// @notice The packed word against the bits that its table names, for every word there is.
contract AuthorizationRecordSpec is Spec {
    uint256 private constant PERSON_BITS = 159;

    /// What a word says, read bit by bit as the table has it.
    struct Said {
        bool revoked;
        uint40 granted;
        uint40 expires;
        uint16 scopeNumber;
        uint256 subject;
    }

    function check_packRecord(uint40 granted, uint40 expires, uint16 scopeNumber, bytes32 subject) public pure {
        AuthorizationRecord record = packRecord(granted, expires, scopeNumber, subject);
        Said memory expected = Said(false, granted, expires, scopeNumber, uint256(subject) % (1 << PERSON_BITS));
        vm.assertEq(abi.encode(_read(record)), abi.encode(expected), "what was packed is read");
        vm.assertEq(record.isRevoked(), false, "revoked");
        vm.assertEq(record.expires(), expires, "expires");
    }

    function check_renewed(uint256 word, uint40 until) public pure {
        AuthorizationRecord record = AuthorizationRecord.wrap(word);
        Said memory expected = _read(record);
        expected.expires = until;
        vm.assertEq(abi.encode(_read(record.renewed(until))), abi.encode(expected), "only the expiry");
        vm.assertEq(record.renewed(until).expires(), until, "expires");
    }

    function check_revoked(uint256 word) public pure {
        AuthorizationRecord record = AuthorizationRecord.wrap(word);
        Said memory expected = _read(record);
        expected.revoked = true;
        vm.assertEq(abi.encode(_read(record.revoked())), abi.encode(expected), "only the one bit");
        vm.assertEq(record.isRevoked(), _read(record).revoked, "it was told before");
        vm.assertEq(record.revoked().isRevoked(), true, "it is told after");
    }

    function check_isKnown(uint256 word) public pure {
        vm.assertEq(AuthorizationRecord.wrap(word).isKnown(), word != 0, "known");
    }

    function check_liveness_gives_the_first_reason(uint256 word, uint16 scopeNumber, bytes32 subject, uint40 time)
        public
        pure
    {
        AuthorizationRecord record = AuthorizationRecord.wrap(word);
        Said memory said = _read(record);
        Liveness expected = Liveness.Live;
        // the last reason first: an earlier one overrules it
        if (said.subject != uint256(subject) % (1 << PERSON_BITS)) expected = Liveness.OtherSubject;
        if (said.scopeNumber != scopeNumber) expected = Liveness.OutOfScope;
        if (said.expires <= time) expected = Liveness.Expired;
        if (said.granted > time) expected = Liveness.NotYetGranted;
        if (said.revoked) expected = Liveness.Revoked;
        if (word == 0) expected = Liveness.Unknown;
        Liveness told = record.liveness(scopeNumber, subject, time);
        vm.assertEq(uint8(told), uint8(expected), "the first reason in order");
    }

    function check_isLive_is_liveness_Live(uint256 word, uint16 scopeNumber, bytes32 subject, uint40 time)
        public
        pure
    {
        AuthorizationRecord record = AuthorizationRecord.wrap(word);
        bool live = record.liveness(scopeNumber, subject, time) == Liveness.Live;
        vm.assertEq(record.isLive(scopeNumber, subject, time), live, "one look and six agree");
    }

    function check_a_revoked_record_is_never_live(uint256 word, uint16 scopeNumber, bytes32 subject, uint40 time)
        public
        pure
    {
        AuthorizationRecord record = AuthorizationRecord.wrap(word).revoked();
        vm.assertEq(record.isLive(scopeNumber, subject, time), false, "revoked");
    }

    // ------------------------------------------------------------------ at random

    function test_packRecord(uint40 granted, uint40 expires, uint16 scopeNumber, bytes32 subject) public pure {
        check_packRecord(granted, expires, scopeNumber, subject);
    }

    function test_renewed(uint256 word, uint40 until) public pure {
        check_renewed(word, until);
    }

    function test_revoked(uint256 word) public pure {
        check_revoked(word);
    }

    function test_isKnown(uint256 word, uint8 pick) public pure {
        check_isKnown(pick % 8 == 0 ? 0 : word);
    }

    function test_liveness_gives_the_first_reason(uint256 word, uint8 pick, bytes32 subject) public pure {
        Said memory said = _read(AuthorizationRecord.wrap(word));
        (uint16 scopeNumber, uint40 time) = _near(said, pick);
        check_liveness_gives_the_first_reason(
            pick == 0 ? 0 : word, scopeNumber, pick % 2 == 0 ? bytes32(said.subject) : subject, time
        );
    }

    function test_isLive_is_liveness_Live(uint256 word, uint8 pick, bytes32 subject) public pure {
        Said memory said = _read(AuthorizationRecord.wrap(word));
        (uint16 scopeNumber, uint40 time) = _near(said, pick);
        check_isLive_is_liveness_Live(
            pick == 0 ? 0 : word, scopeNumber, pick % 2 == 0 ? bytes32(said.subject) : subject, time
        );
    }

    function test_a_revoked_record_is_never_live(uint256 word, uint8 pick) public pure {
        Said memory said = _read(AuthorizationRecord.wrap(word));
        (uint16 scopeNumber, uint40 time) = _near(said, pick);
        check_a_revoked_record_is_never_live(word, scopeNumber, bytes32(said.subject), time);
    }

    /// Its own scope, or seldom the next one; a moment at either end, or next to it.
    function _near(Said memory said, uint8 pick) private pure returns (uint16 scopeNumber, uint40 time) {
        unchecked {
            scopeNumber = pick % 16 == 1 ? said.scopeNumber + 1 : said.scopeNumber;
            time = [said.granted, said.granted - 1, said.expires, said.expires - 1][pick / 16 % 4];
        }
    }

    function _read(AuthorizationRecord record) private pure returns (Said memory said) {
        uint256 word = AuthorizationRecord.unwrap(record);
        said.revoked = word >> 255 == 1;
        said.granted = uint40(word >> 215);
        said.expires = uint40(word >> 175);
        said.scopeNumber = uint16(word >> 159);
        said.subject = word % (1 << PERSON_BITS);
    }
}
