// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ClaimLife, MAX_VERSIONS} from "../src/base/ClaimLife.sol";
import {Spec} from "./support/Spec.sol";

/// @notice The packed word of a claim's versions against its table, for every word of at most MAX_VERSIONS.
contract ClaimLifeSpec is Spec {
    function check_latest(uint256 word) public pure {
        vm.assertEq(ClaimLife.wrap(word).latest(), word / 2 ** 248 + 1, "versions after the first, and that one");
    }

    function check_codeOf(uint256 word, uint32 version) public pure {
        vm.assume(version >= 1 && version <= MAX_VERSIONS);
        uint256 low = _bit(word, 2 * (version - 1));
        uint256 high = _bit(word, 2 * (version - 1) + 1);
        vm.assertEq(ClaimLife.wrap(word).codeOf(version), 2 * high + low, "its two bits");
    }

    function check_paid(uint256 word, uint8 bit) public pure {
        _requireWritten(word, ClaimLife.unwrap(ClaimLife.wrap(word).paid()), 1, bit);
    }

    function check_reversed(uint256 word, uint8 bit) public pure {
        _requireWritten(word, ClaimLife.unwrap(ClaimLife.wrap(word).reversed()), 2, bit);
    }

    /// The new version has what the table calls recorded, and every older one is as it was.
    function check_superseded(uint256 word, uint8 bit) public pure {
        vm.assume(word >> 248 < MAX_VERSIONS - 1);
        ClaimLife life = ClaimLife.wrap(word).superseded();
        vm.assertEq(life.latest(), word / 2 ** 248 + 2, "one version more");
        if (bit < 248) vm.assertEq(_bit(ClaimLife.unwrap(life), bit), _bit(word, bit), "no version's code");
    }

    // ------------------------------------------------------------------ at random

    function test_latest(uint256 word) public pure {
        check_latest(word);
    }

    function test_codeOf(uint256 word, uint32 version) public pure {
        check_codeOf(word, version % MAX_VERSIONS + 1);
    }

    function test_paid(uint256 word, uint8 versions, uint8 bit) public pure {
        check_paid(_of(word, versions), bit);
    }

    function test_reversed(uint256 word, uint8 versions, uint8 bit) public pure {
        check_reversed(_of(word, versions), bit);
    }

    function test_superseded(uint256 word, uint8 versions, uint8 bit) public pure {
        check_superseded(_of(word, versions), bit);
    }

    function _requireWritten(uint256 word, uint256 then, uint256 code, uint8 bit) private pure {
        vm.assume(word >> 248 < MAX_VERSIONS);
        uint32 latest = uint32(word >> 248) + 1;
        vm.assertEq(ClaimLife.wrap(then).codeOf(latest), code, "the latest version's code");
        if (bit / 2 != latest - 1) vm.assertEq(_bit(then, bit), _bit(word, bit), "no other bit");
    }

    function _bit(uint256 word, uint256 index) private pure returns (uint256) {
        return word >> index & 1;
    }

    function _of(uint256 word, uint8 versions) private pure returns (uint256) {
        return word >> 8 | uint256(versions % (MAX_VERSIONS - 1)) << 248;
    }
}
