// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {RoleHolder, SeparateRoles} from "../src/base/SeparateRoles.sol";
import {Spec} from "./support/Spec.sol";

/// @notice Who may do what, and how that changes, of the smallest of the four contracts: all have the same base.
contract SeparateRolesSpec is Spec {
    address private constant NOBODY = address(0xB2);
    uint48 private constant BEGIN = 1_000_000;
    uint48 private constant DELAY = 2 days;
    uint48 private constant WINDOW = 14 days;

    /// Where a call starts: whether a change of `role` for `account` was announced (at BEGIN), who calls and when.
    struct Given {
        bool announced;
        bool announcedGrants; // which of both changes that was
        bool paused;
        address caller;
        bytes32 role;
        address account;
        uint32 later; // seconds after BEGIN
    }

    /// Another account, role and announcement, that nothing has happened to.
    struct Probe {
        bytes32 role;
        address account;
        bool grants;
    }

    SeparateRoles private roles;

    function setUp() public {
        vm.warp(BEGIN);
        RoleHolder[] memory holders = new RoleHolder[](2);
        holders[0] = RoleHolder(ADMIN_ROLE, ADMIN);
        holders[1] = RoleHolder(PAUSER_ROLE, PAUSER);
        roles = SeparateRoles(_deploy("DataCatalog.sol:DataCatalog", abi.encode(holders)));
    }

    function check_announceRoleChange(Given memory g, Probe memory p, bool grants) public {
        _arrange(g);
        bytes memory before = _state(g, p, grants);
        bytes memory refusal = _refusalOfCaller(g);
        if (refusal.length == 0 && g.account == address(0)) {
            refusal = abi.encodeWithSelector(SeparateRoles.ZeroAccount.selector, g.role);
        } else if (refusal.length == 0 && _holds(g.account, g.role) == grants) {
            refusal = abi.encodeWithSelector(SeparateRoles.RoleChangeNeedless.selector, g.role, g.account, grants);
        }

        bool done =
            _expecting(refusal, g, abi.encodeCall(roles.announceRoleChange, (g.role, g.account, grants)));

        uint48 expected = done ? BEGIN + g.later + DELAY : _notBefore(g, grants);
        vm.assertEq(roles.roleChangeNotBefore(g.role, g.account, grants), expected, "from when on");
        vm.assertEq(roles.hasRole(g.role, g.account), _holds(g.account, g.role), "no role yet");
        vm.assertEq(_state(g, p, grants), before, "no side effect");
    }

    function check_withdrawRoleChange(Given memory g, Probe memory p, bool grants) public {
        _arrange(g);
        bytes memory before = _state(g, p, grants);
        bytes memory refusal = _refusalOfCaller(g);
        if (refusal.length == 0 && _notBefore(g, grants) == 0) refusal = _notAnnounced(g, grants);

        bool done =
            _expecting(refusal, g, abi.encodeCall(roles.withdrawRoleChange, (g.role, g.account, grants)));

        uint48 expected = done ? 0 : _notBefore(g, grants);
        vm.assertEq(roles.roleChangeNotBefore(g.role, g.account, grants), expected, "taken back");
        vm.assertEq(roles.hasRole(g.role, g.account), _holds(g.account, g.role), "no role changes");
        vm.assertEq(_state(g, p, grants), before, "no side effect");
    }

    /// An account gets one role at most.
    function check_grantRole(Given memory g, Probe memory p) public {
        _arrange(g);
        bytes memory before = _state(g, p, true);
        bytes memory refusal = _refusalOfCaller(g);
        if (refusal.length == 0) refusal = _refusalOfTime(g, true);
        if (refusal.length == 0 && (g.account == ADMIN || g.account == PAUSER)) {
            refusal = abi.encodeWithSelector(
                SeparateRoles.AlreadyHoldsRole.selector, g.account, _roleOf(g.account), g.role
            );
        }

        bool done = _expecting(refusal, g, abi.encodeCall(roles.grantRole, (g.role, g.account)));

        vm.assertEq(roles.hasRole(g.role, g.account), done || _holds(g.account, g.role), "appointed");
        uint48 expected = done ? 0 : _notBefore(g, true);
        vm.assertEq(roles.roleChangeNotBefore(g.role, g.account, true), expected, "carried out once");
        vm.assertEq(_state(g, p, true), before, "no side effect");
    }

    function check_revokeRole(Given memory g, Probe memory p) public {
        _arrange(g);
        bytes memory before = _state(g, p, false);
        bytes memory refusal = _refusalOfCaller(g);
        if (refusal.length == 0) refusal = _refusalOfTime(g, false);
        if (refusal.length == 0) refusal = _refusalOfLeaving(g);

        bool done = _expecting(refusal, g, abi.encodeCall(roles.revokeRole, (g.role, g.account)));

        vm.assertEq(roles.hasRole(g.role, g.account), !done && _holds(g.account, g.role), "dismissed");
        uint48 expected = done ? 0 : _notBefore(g, false);
        vm.assertEq(roles.roleChangeNotBefore(g.role, g.account, false), expected, "carried out once");
        vm.assertEq(_state(g, p, false), before, "no side effect");
    }

    /// Anybody but the last admin gives up its own role at once.
    function check_renounceRole(Given memory g, Probe memory p, address confirmation) public {
        vm.assume(g.account == g.caller);
        _arrange(g);
        bytes memory before = _state(g, p, false);
        bytes memory refusal = confirmation == g.caller
            ? _refusalOfLeaving(g)
            : abi.encodeWithSelector(IAccessControl.AccessControlBadConfirmation.selector);

        bool done = _expecting(refusal, g, abi.encodeCall(roles.renounceRole, (g.role, confirmation)));

        vm.assertEq(roles.hasRole(g.role, g.account), !done && _holds(g.account, g.role), "given up");
        vm.assertEq(roles.roleChangeNotBefore(g.role, g.account, false), _notBefore(g, false), "nothing announced");
        vm.assertEq(_state(g, p, false), before, "no side effect");
    }

    /// Whoever has lost or given up a role can be appointed to another, and to one only.
    function check_an_account_that_holds_nothing_can_be_appointed(bytes32 role, bytes32 next, bool renounces) public {
        vm.assume(next != role);
        _appointLater(role, NOBODY);
        if (renounces) {
            vm.prank(NOBODY);
            roles.renounceRole(role, NOBODY);
        } else {
            _announce(role, NOBODY, false);
            vm.warp(BEGIN + 2 * DELAY);
            vm.prank(ADMIN);
            roles.revokeRole(role, NOBODY);
        }
        _announce(next, NOBODY, true);
        vm.warp(BEGIN + 4 * DELAY);
        vm.prank(ADMIN);
        roles.grantRole(next, NOBODY);
        vm.assertEq(roles.hasRole(next, NOBODY), true, "the next role");
        vm.assertEq(roles.hasRole(role, NOBODY), false, "and not both");
    }

    function check_pause(Given memory g) public {
        _arrange(g);
        bytes memory refusal;
        if (g.caller != PAUSER) refusal = _lacksRole(g.caller, PAUSER_ROLE);
        else if (g.paused) refusal = abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        bool done = _expecting(refusal, g, abi.encodeCall(roles.pause, ()));
        vm.assertEq(roles.paused(), done || g.paused, "paused");
    }

    function check_unpause(Given memory g) public {
        _arrange(g);
        bytes memory refusal = _refusalOfCaller(g);
        if (refusal.length == 0 && !g.paused) refusal = abi.encodeWithSelector(Pausable.ExpectedPause.selector);
        bool done = _expecting(refusal, g, abi.encodeCall(roles.unpause, ()));
        vm.assertEq(roles.paused(), !done && g.paused, "goes on");
    }

    // ------------------------------------------------------------------ at random

    function test_announceRoleChange(Given memory g, Probe memory p, bool grants, uint8 pick) public {
        _meet(g, p, pick);
        if (pick % 16 == 1) (g.account, g.announced) = (address(0), false);
        check_announceRoleChange(g, p, grants);
    }

    function test_withdrawRoleChange(Given memory g, Probe memory p, bool grants, uint8 pick) public {
        _meet(g, p, pick);
        check_withdrawRoleChange(g, p, pick % 4 == 1 ? grants : g.announcedGrants);
    }

    function test_grantRole(Given memory g, Probe memory p, uint8 pick) public {
        g.announcedGrants = pick % 16 != 3;
        _meet(g, p, pick);
        check_grantRole(g, p);
    }

    function test_revokeRole(Given memory g, Probe memory p, uint8 pick) public {
        g.announcedGrants = pick % 16 == 3;
        _meet(g, p, pick);
        check_revokeRole(g, p);
    }

    function test_renounceRole(Given memory g, Probe memory p, uint8 pick) public {
        _meet(g, p, pick);
        (g.announced, g.account) = (false, g.caller);
        check_renounceRole(g, p, pick % 8 == 1 ? p.account : g.caller);
    }

    function test_an_account_that_holds_nothing_can_be_appointed(bytes32 role, bytes32 next, bool renounces) public {
        check_an_account_that_holds_nothing_can_be_appointed(role, next, renounces);
    }

    function test_pause(Given memory g, Probe memory p, uint8 pick) public {
        _meet(g, p, pick);
        check_pause(g);
    }

    function test_unpause(Given memory g, Probe memory p, uint8 pick) public {
        _meet(g, p, pick);
        check_unpause(g);
    }

    /// What would seldom meet by chance is picked from a few.
    function _meet(Given memory g, Probe memory p, uint8 pick) private pure {
        if (pick % 8 != 0) g.caller = pick % 4 == 1 ? PAUSER : ADMIN;
        if (g.caller == address(0)) g.caller = NOBODY;
        if (pick % 3 != 0) g.account = [NOBODY, PAUSER, ADMIN][pick / 4 % 3];
        if (pick % 5 != 0) g.role = [PAUSER_ROLE, ADMIN_ROLE][pick / 8 % 2];
        if (g.account == address(0)) g.account = NOBODY;
        if (_holds(g.account, g.role) == g.announcedGrants) g.announced = false;
        uint32 end = uint32(DELAY + WINDOW);
        g.later = [g.later, uint32(DELAY) - 1, uint32(DELAY), end, end + 1, uint32(DELAY) + 1][g.later % 6];
        if (pick % 7 != 0) p.account = [NOBODY, PAUSER, ADMIN][pick % 3];
        if (pick % 6 != 0) p.role = pick % 2 == 0 ? g.role : PAUSER_ROLE;
    }

    // ------------------------------------------------------------------ what is so, told without asking

    function _arrange(Given memory g) private {
        vm.assume(g.caller != address(0)); // nobody signs for it
        if (g.announced) {
            vm.assume(g.account != address(0) && _holds(g.account, g.role) != g.announcedGrants);
            _announce(g.role, g.account, g.announcedGrants);
        }
        if (g.paused) {
            vm.prank(PAUSER);
            roles.pause();
        }
        vm.warp(BEGIN + g.later);
    }

    function _announce(bytes32 role, address account, bool grants) private {
        vm.prank(ADMIN);
        roles.announceRoleChange(role, account, grants);
    }

    function _appointLater(bytes32 role, address account) private {
        _announce(role, account, true);
        vm.warp(BEGIN + DELAY);
        vm.prank(ADMIN);
        roles.grantRole(role, account);
    }

    function _holds(address account, bytes32 role) private pure returns (bool) {
        return (account == ADMIN && role == ADMIN_ROLE) || (account == PAUSER && role == PAUSER_ROLE);
    }

    function _roleOf(address account) private pure returns (bytes32) {
        return account == ADMIN ? ADMIN_ROLE : PAUSER_ROLE;
    }

    function _notBefore(Given memory g, bool grants) private pure returns (uint48) {
        return g.announced && g.announcedGrants == grants ? BEGIN + DELAY : 0;
    }

    // ------------------------------------------------------------------ what must be refused

    function _refusalOfCaller(Given memory g) private pure returns (bytes memory) {
        return g.caller == ADMIN ? bytes("") : _lacksRole(g.caller, ADMIN_ROLE);
    }

    function _refusalOfLeaving(Given memory g) private pure returns (bytes memory) {
        bool last = g.account == ADMIN && g.role == ADMIN_ROLE;
        return last ? abi.encodeWithSelector(SeparateRoles.NoAdmin.selector) : bytes("");
    }

    function _refusalOfTime(Given memory g, bool grants) private pure returns (bytes memory) {
        uint48 notBefore = _notBefore(g, grants);
        uint256 time = uint256(BEGIN) + g.later;
        if (notBefore == 0) return _notAnnounced(g, grants);
        if (time < notBefore) {
            return abi.encodeWithSelector(
                SeparateRoles.RoleChangeTooEarly.selector, g.role, g.account, notBefore, time
            );
        }
        if (time <= notBefore + WINDOW) return "";
        return abi.encodeWithSelector(
            SeparateRoles.RoleChangeStale.selector, g.role, g.account, notBefore + WINDOW, time
        );
    }

    function _notAnnounced(Given memory g, bool grants) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(SeparateRoles.RoleChangeNotAnnounced.selector, g.role, g.account, grants);
    }

    // ------------------------------------------------------------------ what must follow

    function _expecting(bytes memory refusal, Given memory g, bytes memory data) private returns (bool done) {
        (done,) = _callExpecting(refusal, g.caller, address(roles), data);
    }

    /// What of the probe is not what the call was about.
    function _state(Given memory g, Probe memory p, bool grants) private view returns (bytes memory) {
        bool same = p.role == g.role && p.account == g.account;
        return abi.encode(
            same ? false : roles.hasRole(p.role, p.account),
            same && p.grants == grants ? 0 : roles.roleChangeNotBefore(p.role, p.account, p.grants),
            roles.paused()
        );
    }
}
