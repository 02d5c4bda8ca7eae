// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What is recorded of a claim. The store hands a batch on to the registry as it came, which costs a third
/// of picking out of it what the registry looks at.
struct Result {
    bytes32 claimKey; // salted commitment to (hospital, settlement, policy)
    bytes32 resultDigest; // salted commitment to the decision and its inputs
    bytes32 authorizationId;
    bytes32 subject; // must be the authorization's
}
