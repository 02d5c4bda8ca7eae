// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {RoleHolder} from "../../src/base/SeparateRoles.sol";
import {Vm} from "./Vm.sol";

interface IPausable {
    function pause() external;
}

/// @notice A spec states each external function three times: when it succeeds and with which words it refuses
/// otherwise (liveness), what it changes (effect), and that it changes nothing else (no side effect).
/// forge tries a spec on random arguments, halmos on all of them at once.
/// @dev Arguments that would seldom meet by chance are picked from a few: a caller, a known id, a zero.
abstract contract Spec {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bytes32 internal constant ADMIN_ROLE = 0;
    bytes32 internal constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    address internal constant ADMIN = address(0xA1);
    address internal constant PAUSER = address(0xA2);

    /// An admin, a pauser, and room for `more` behind them.
    function _offices(uint256 more) internal pure returns (RoleHolder[] memory holders) {
        holders = new RoleHolder[](2 + more);
        holders[0] = RoleHolder(ADMIN_ROLE, ADMIN);
        holders[1] = RoleHolder(PAUSER_ROLE, PAUSER);
    }

    function _deploy(string memory name, bytes memory arguments) internal returns (address deployed) {
        bytes memory code = bytes.concat(vm.getCode(name), arguments);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        vm.assertTrue(deployed != address(0), "deployed");
    }

    function _pause(address target) internal {
        vm.prank(PAUSER);
        IPausable(target).pause();
    }

    /// Liveness: done where there was nothing to refuse, else refused in exactly these words.
    function _callExpecting(bytes memory refusal, address caller, address target, bytes memory data)
        internal
        returns (bool done, bytes memory answer)
    {
        vm.prank(caller);
        (done, answer) = target.call(data);
        vm.assertEq(done, refusal.length == 0, "liveness");
        if (!done) vm.assertEq(answer, refusal, "the refusal's words");
    }

    /// A small number that decides lengths and places in memory: each value on a path of its own, for halmos.
    function _each(uint8 number, uint8 most) internal pure returns (uint8 value) {
        vm.assume(number <= most);
        while (value != number) ++value;
    }

    function _lacksRole(address caller, bytes32 role) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, caller, role);
    }

    function _isPaused() internal pure returns (bytes memory) {
        return abi.encodeWithSelector(Pausable.EnforcedPause.selector);
    }
}
