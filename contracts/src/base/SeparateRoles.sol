// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

/// @title Roles of which one account holds at most one.
/// @notice OpenZeppelin's AccessControl, with separation of duties held by the contract: whoever enrols cannot
/// record, whoever records cannot confirm a payment, and DEFAULT_ADMIN_ROLE counts like any other: the admin
/// appoints and dismisses but cannot act. An admin that renounces becomes a nobody and may be appointed again.
abstract contract SeparateRoles is AccessControl {
    error AlreadyHoldsRole(address account, bytes32 held, bytes32 wanted);
    error ZeroAdmin();

    /// The complement of the one role an account holds; zero for none (DEFAULT_ADMIN_ROLE itself is zero).
    mapping(address account => bytes32 notRole) private _held;

    constructor(address admin) {
        if (admin == address(0)) revert ZeroAdmin();
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    function _grantRole(bytes32 role, address account) internal override returns (bool granted) {
        bytes32 held = _held[account];
        if (held != 0 && held != ~role) revert AlreadyHoldsRole(account, ~held, role);
        granted = super._grantRole(role, account);
        if (granted) _held[account] = ~role;
    }

    function _revokeRole(bytes32 role, address account) internal override returns (bool revoked) {
        revoked = super._revokeRole(role, account);
        if (revoked) delete _held[account];
    }
}
