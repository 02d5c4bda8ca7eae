// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Liveness} from "../interfaces/IAuthorizationRegistry.sol";

/// @notice All that the chain keeps of an authorization, in one slot, since recording a result reads it:
///
///   bit  255       revoked
///   bits 215..254  granted: seconds, 40 bits; zero means that the id is unknown
///   bits 175..214  expires: seconds, 40 bits; live while now < expires
///   bits 159..174  scope: its number among the admitted scopes, 16 bits, from 1
///   bits   0..158  subject: the low 159 bits of the commitment to the person
///
/// 40 bits of seconds last thirty thousand years. 159 bits of a commitment are what an address keeps of a key:
/// another subject with the same bits takes 2^159 tries to find, two subjects with the same bits 2^79.
type AuthorizationRecord is uint256;

using {isKnown, isRevoked, revoked, expires, renewed, isLive, liveness} for AuthorizationRecord global;

uint256 constant REVOKED = 1 << 255;
uint256 constant GRANTED_SHIFT = 215;
uint256 constant EXPIRES_SHIFT = 175;
uint256 constant SCOPE_SHIFT = 159;
uint256 constant SECONDS_MASK = (1 << 40) - 1;
uint256 constant SCOPE_MASK = (1 << 16) - 1;
uint256 constant SUBJECT_MASK = (1 << SCOPE_SHIFT) - 1;
uint256 constant BINDING_MASK = (1 << EXPIRES_SHIFT) - 1;

function packRecord(uint40 granted, uint40 expires_, uint16 scopeNumber, bytes32 subject)
    pure
    returns (AuthorizationRecord)
{
    return AuthorizationRecord.wrap(
        uint256(granted) << GRANTED_SHIFT | uint256(expires_) << EXPIRES_SHIFT | uint256(scopeNumber) << SCOPE_SHIFT
            | uint256(subject) & SUBJECT_MASK
    );
}

function isKnown(AuthorizationRecord record) pure returns (bool) {
    return AuthorizationRecord.unwrap(record) != 0;
}

function isRevoked(AuthorizationRecord record) pure returns (bool) {
    return AuthorizationRecord.unwrap(record) & REVOKED != 0;
}

function expires(AuthorizationRecord record) pure returns (uint40) {
    return uint40(AuthorizationRecord.unwrap(record) >> EXPIRES_SHIFT & SECONDS_MASK);
}

function revoked(AuthorizationRecord record) pure returns (AuthorizationRecord) {
    return AuthorizationRecord.wrap(AuthorizationRecord.unwrap(record) | REVOKED);
}

/// The same authorization, until `until`.
function renewed(AuthorizationRecord record, uint40 until) pure returns (AuthorizationRecord) {
    uint256 word = AuthorizationRecord.unwrap(record) & ~(SECONDS_MASK << EXPIRES_SHIFT);
    return AuthorizationRecord.wrap(word | uint256(until) << EXPIRES_SHIFT);
}

/// Whether it is live at `time` under this scope for this subject, in one look: an unknown record has expired, and
/// a revoked one was granted after all time. `liveness` says why not (check_isLive_is_liveness_Live).
function isLive(AuthorizationRecord record, uint16 scopeNumber, bytes32 subject, uint40 time) pure returns (bool) {
    uint256 word = AuthorizationRecord.unwrap(record);
    uint256 binding = uint256(scopeNumber) << SCOPE_SHIFT | uint256(subject) & SUBJECT_MASK;
    return word & BINDING_MASK == binding && word >> GRANTED_SHIFT <= time
        && time < (word >> EXPIRES_SHIFT & SECONDS_MASK);
}

/// Why the record is not live at `time` under this scope for this subject, or Live.
function liveness(AuthorizationRecord record, uint16 scopeNumber, bytes32 subject, uint40 time)
    pure
    returns (Liveness)
{
    uint256 word = AuthorizationRecord.unwrap(record);
    if (word == 0) return Liveness.Unknown;
    if (word & REVOKED != 0) return Liveness.Revoked;
    if (time < (word >> GRANTED_SHIFT & SECONDS_MASK)) return Liveness.NotYetGranted;
    if (time >= (word >> EXPIRES_SHIFT & SECONDS_MASK)) return Liveness.Expired;
    if (word >> SCOPE_SHIFT & SCOPE_MASK != scopeNumber) return Liveness.OutOfScope;
    if ((word ^ uint256(subject)) & SUBJECT_MASK != 0) return Liveness.OtherSubject;
    return Liveness.Live;
}
