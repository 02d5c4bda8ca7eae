// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Liveness} from "../interfaces/IAuthorizationRegistry.sol";

/// @notice What decides whether an authorization is live, in one slot, since recording a result reads it:
///
///   bit  255       revoked
///   bits 208..254  granted: seconds, 47 bits; zero means that the id is unknown
///   bits 160..207  expires: seconds, 48 bits; live while now < expires
///   bits   0..159  binding: low 160 bits of keccak256(scope, subject)
type AuthorizationRecord is uint256;

/// @notice What is needed only to revoke, and to tell why a binding does not fit:
///
///   bits 160..255  scope tag: low 96 bits of keccak256(scope). It names the reason of a refusal that the
///                  160-bit binding has already decided; nothing is ever admitted by it
///   bits   0..159  insured: who may revoke
type AuthorizationHolder is uint256;

using {isKnown, isRevoked, revoked, at, binds} for AuthorizationRecord global;
using {insured, carriesScope} for AuthorizationHolder global;

uint256 constant REVOKED = 1 << 255;
uint256 constant GRANTED_MASK = (1 << 47) - 1;
uint256 constant EXPIRES_MASK = (1 << 48) - 1;
uint256 constant BINDING_MASK = (1 << 160) - 1;

/// `granted` is a block timestamp: 47 bits of seconds last four million years.
function packRecord(uint48 granted, uint48 expires, bytes32 scope, bytes32 subject) pure returns (AuthorizationRecord) {
    return AuthorizationRecord.wrap(uint256(granted) << 208 | uint256(expires) << 160 | _binding(scope, subject));
}

function packHolder(address insured_, bytes32 scope) pure returns (AuthorizationHolder) {
    return AuthorizationHolder.wrap(_scopeTag(scope) << 160 | uint160(insured_));
}

function isKnown(AuthorizationRecord record) pure returns (bool) {
    return AuthorizationRecord.unwrap(record) != 0;
}

function isRevoked(AuthorizationRecord record) pure returns (bool) {
    return AuthorizationRecord.unwrap(record) & REVOKED != 0;
}

function revoked(AuthorizationRecord record) pure returns (AuthorizationRecord) {
    return AuthorizationRecord.wrap(AuthorizationRecord.unwrap(record) | REVOKED);
}

/// Live at `time`, whatever the scope and subject.
function at(AuthorizationRecord record, uint48 time) pure returns (Liveness) {
    uint256 word = AuthorizationRecord.unwrap(record);
    if (word == 0) return Liveness.Unknown;
    if (word & REVOKED != 0) return Liveness.Revoked;
    if (time < (word >> 208 & GRANTED_MASK)) return Liveness.NotYetGranted;
    if (time >= (word >> 160 & EXPIRES_MASK)) return Liveness.Expired;
    return Liveness.Live;
}

function binds(AuthorizationRecord record, bytes32 scope, bytes32 subject) pure returns (bool) {
    return AuthorizationRecord.unwrap(record) & BINDING_MASK == _binding(scope, subject);
}

function insured(AuthorizationHolder holder) pure returns (address) {
    return address(uint160(AuthorizationHolder.unwrap(holder)));
}

function carriesScope(AuthorizationHolder holder, bytes32 scope) pure returns (bool) {
    return AuthorizationHolder.unwrap(holder) >> 160 == _scopeTag(scope);
}

function _binding(bytes32 scope, bytes32 subject) pure returns (uint256) {
    return uint256(keccak256(abi.encode(scope, subject))) & BINDING_MASK;
}

function _scopeTag(bytes32 scope) pure returns (uint256) {
    return uint96(uint256(keccak256(abi.encode(scope))));
}
