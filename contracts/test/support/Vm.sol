// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The cheat codes that forge and halmos both know, and no others: a spec that runs in one runs in both.
interface Vm {
    function assume(bool condition) external pure;
    function getCode(string calldata artifact) external view returns (bytes memory creationCode);
    function prank(address caller) external;
    function warp(uint256 time) external;

    function assertTrue(bool condition, string calldata what) external pure;
    function assertEq(bool left, bool right, string calldata what) external pure;
    function assertEq(uint256 left, uint256 right, string calldata what) external pure;
    function assertEq(address left, address right, string calldata what) external pure;
    function assertEq(bytes32 left, bytes32 right, string calldata what) external pure;
    function assertEq(bytes calldata left, bytes calldata right, string calldata what) external pure;
}
