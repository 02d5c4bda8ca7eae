// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What became of every version of a claim, in one slot. All zero until something happens to the first, so
/// that recording writes no more than the commitment:
///
///   bits 248..255            versions after the first
///   bits 2(v-1)..2(v-1)+1    version v, from 1 to 124: 0 recorded, 1 paid, 2 reversed
///
/// Only the latest version can still be paid or reversed; what the others show is how they ended.
type ClaimLife is uint256;

using {latest, codeOf, superseded, paid, reversed} for ClaimLife global;

uint32 constant MAX_VERSIONS = 124;
uint256 constant VERSION_SHIFT = 248;
uint256 constant CODE_MASK = 3;
uint256 constant PAID = 1;
uint256 constant REVERSED_CODE = 2;

function latest(ClaimLife life) pure returns (uint32) {
    return uint32(ClaimLife.unwrap(life) >> VERSION_SHIFT) + 1;
}

/// 0 recorded, 1 paid, 2 reversed, for a version from 1 to the latest.
function codeOf(ClaimLife life, uint32 version) pure returns (uint256) {
    return ClaimLife.unwrap(life) >> 2 * (version - 1) & CODE_MASK;
}

/// One version more; the caller keeps below MAX_VERSIONS.
function superseded(ClaimLife life) pure returns (ClaimLife) {
    return ClaimLife.wrap(ClaimLife.unwrap(life) + (1 << VERSION_SHIFT));
}

function paid(ClaimLife life) pure returns (ClaimLife) {
    return _withLatest(life, PAID);
}

function reversed(ClaimLife life) pure returns (ClaimLife) {
    return _withLatest(life, REVERSED_CODE);
}

function _withLatest(ClaimLife life, uint256 code) pure returns (ClaimLife) {
    uint256 shift = 2 * (life.latest() - 1);
    return ClaimLife.wrap(ClaimLife.unwrap(life) & ~(CODE_MASK << shift) | code << shift);
}
