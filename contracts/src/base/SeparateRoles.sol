// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// @notice Who holds what from the first block on.
struct RoleHolder {
    bytes32 role;
    address account;
}

/// @title Roles of which one account holds at most one, changed in the open, and a brake.
/// @notice OpenZeppelin's AccessControl, with three rules held by the contract itself:
/// Separation of duties: whoever enrols cannot record, whoever records cannot confirm a payment, and
/// DEFAULT_ADMIN_ROLE counts like any other: the admin appoints and dismisses but cannot act.
/// Delay: an appointment or a dismissal is announced, and can be carried out only ROLE_DELAY later. Those of the
/// first block are named in the constructor, so the deployer never holds anything. Whoever holds a role can give it up
/// at once, but the last admin stays: without one, nothing that is paused would ever go on.
/// Pause: PAUSER_ROLE stops at once whatever creates or grants; only the admin lets it go on. What withdraws
/// (revoking, reversing, retiring, ending a task) is never stopped.
abstract contract SeparateRoles is AccessControl, Pausable {
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    /// Time for everybody concerned to see a change of roles, and to pause or to withdraw.
    uint48 public constant ROLE_DELAY = 2 days;
    /// An announcement that nobody carried out by then is stale, and must be made again.
    uint48 public constant ROLE_WINDOW = 14 days;

    event RoleChangeAnnounced(bytes32 indexed role, address indexed account, bool indexed grants, uint48 notBefore);
    event RoleChangeWithdrawn(bytes32 indexed role, address indexed account, bool indexed grants);

    error AlreadyHoldsRole(address account, bytes32 held, bytes32 wanted);
    error NoAdmin();
    error ZeroAccount(bytes32 role);
    error RoleChangeNotAnnounced(bytes32 role, address account, bool grants);
    error RoleChangeTooEarly(bytes32 role, address account, uint48 notBefore, uint256 time);
    error RoleChangeStale(bytes32 role, address account, uint48 notAfter, uint256 time);
    error RoleChangeNeedless(bytes32 role, address account, bool grants);

    /// The complement of the one role an account holds; zero for none (DEFAULT_ADMIN_ROLE itself is zero).
    mapping(address account => bytes32 notRole) private _held;
    /// Seconds from which an announced change may be carried out; zero: not announced.
    mapping(bytes32 role => mapping(address account => mapping(bool grants => uint48))) private _announced;
    uint256 private _admins;

    constructor(RoleHolder[] memory holders) {
        for (uint256 i = 0; i < holders.length; ++i) {
            if (holders[i].account == address(0)) revert ZeroAccount(holders[i].role);
            _grantRole(holders[i].role, holders[i].account);
        }
        if (_admins == 0) revert NoAdmin();
    }

    /// @notice Announce that `account` is to get (`grants`) or to lose `role`. Announcing again restarts the delay.
    /// @custom:invariant test_a_role_changes_only_after_the_announced_delay
    function announceRoleChange(bytes32 role, address account, bool grants) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (account == address(0)) revert ZeroAccount(role);
        if (hasRole(role, account) == grants) revert RoleChangeNeedless(role, account, grants);
        uint48 notBefore = uint48(block.timestamp) + ROLE_DELAY;
        _announced[role][account][grants] = notBefore;
        emit RoleChangeAnnounced(role, account, grants, notBefore);
    }

    /// @notice Take an announcement back.
    /// @custom:invariant test_a_withdrawn_announcement_changes_no_role
    function withdrawRoleChange(bytes32 role, address account, bool grants) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (_announced[role][account][grants] == 0) revert RoleChangeNotAnnounced(role, account, grants);
        delete _announced[role][account][grants];
        emit RoleChangeWithdrawn(role, account, grants);
    }

    /// @notice Carry out an announced appointment.
    /// @custom:invariant test_a_role_changes_only_after_the_announced_delay
    function grantRole(bytes32 role, address account)
        public
        override(AccessControl)
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        _takeAnnouncement(role, account, true);
        _grantRole(role, account);
    }

    /// @notice Carry out an announced dismissal.
    /// @custom:invariant test_a_role_changes_only_after_the_announced_delay
    function revokeRole(bytes32 role, address account)
        public
        override(AccessControl)
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        _takeAnnouncement(role, account, false);
        _revokeRole(role, account);
    }

    /// @notice Stop, at once, whatever creates or grants.
    /// @custom:invariant test_a_pause_stops_what_grants_and_never_what_withdraws
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @notice Go on. By the admin, so that whoever can stop cannot also start.
    /// @custom:invariant test_only_the_pauser_pauses_and_only_the_admin_unpauses
    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    /// @notice Seconds from which an announced change may be carried out; zero: none is announced.
    /// @custom:invariant test_a_role_changes_only_after_the_announced_delay
    function roleChangeNotBefore(bytes32 role, address account, bool grants) external view returns (uint48) {
        return _announced[role][account][grants];
    }

    function _takeAnnouncement(bytes32 role, address account, bool grants) private {
        uint48 notBefore = _announced[role][account][grants];
        if (notBefore == 0) revert RoleChangeNotAnnounced(role, account, grants);
        if (block.timestamp < notBefore) revert RoleChangeTooEarly(role, account, notBefore, block.timestamp);
        uint48 notAfter = notBefore + ROLE_WINDOW;
        if (block.timestamp > notAfter) revert RoleChangeStale(role, account, notAfter, block.timestamp);
        delete _announced[role][account][grants];
    }

    function _grantRole(bytes32 role, address account) internal override returns (bool granted) {
        bytes32 held = _held[account];
        if (held != 0 && held != ~role) revert AlreadyHoldsRole(account, ~held, role);
        granted = super._grantRole(role, account);
        if (!granted) return false;
        _held[account] = ~role;
        if (role == DEFAULT_ADMIN_ROLE) ++_admins;
    }

    function _revokeRole(bytes32 role, address account) internal override returns (bool revoked) {
        revoked = super._revokeRole(role, account);
        if (!revoked) return false;
        delete _held[account];
        if (role == DEFAULT_ADMIN_ROLE && --_admins == 0) revert NoAdmin();
    }
}
