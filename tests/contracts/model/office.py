"""What every contract has: one role an account, changes announced, and a brake."""

ADMIN = bytes(32)
NOBODY = "0x" + "00" * 20
ROLE_DELAY = 2 * 86_400
ROLE_WINDOW = 14 * 86_400


class Reverts(Exception):
    """The error's name and arguments, as the contract words them; whatever was changed before is undone."""


class Office:
    def __init__(self, held: dict[str, bytes], pauser_role: bytes) -> None:
        self.held = held
        self.announced: dict[tuple[bytes, str, bool], int] = {}
        self.paused = False
        self._pauser_role = pauser_role

    def needs(self, by: str, role: bytes) -> None:
        if self.held.get(by) != role:
            raise Reverts("AccessControlUnauthorizedAccount", by, role)

    def needs_no_pause(self) -> None:
        if self.paused:
            raise Reverts("EnforcedPause")

    def announce_role_change(self, by: str, now: int, role: bytes, account: str, grants: bool) -> None:
        self.needs(by, ADMIN)
        if account == NOBODY:
            raise Reverts("ZeroAccount", role)
        if (self.held.get(account) == role) == grants:
            raise Reverts("RoleChangeNeedless", role, account, grants)
        self.announced[role, account, grants] = now + ROLE_DELAY

    def withdraw_role_change(self, by: str, now: int, role: bytes, account: str, grants: bool) -> None:
        self.needs(by, ADMIN)
        if (role, account, grants) not in self.announced:
            raise Reverts("RoleChangeNotAnnounced", role, account, grants)
        del self.announced[role, account, grants]

    def grant_role(self, by: str, now: int, role: bytes, account: str) -> None:
        self._carry_out(by, now, role, account, grants=True)
        held = self.held.get(account)
        if held is not None and held != role:
            raise Reverts("AlreadyHoldsRole", account, held, role)
        self.held[account] = role

    def revoke_role(self, by: str, now: int, role: bytes, account: str) -> None:
        self._carry_out(by, now, role, account, grants=False)
        self._leave(role, account)

    def renounce_role(self, by: str, now: int, role: bytes, account: str) -> None:
        if account != by:
            raise Reverts("AccessControlBadConfirmation")
        self._leave(role, by)

    def pause(self, by: str, now: int) -> None:
        self.needs(by, self._pauser_role)
        self.needs_no_pause()
        self.paused = True

    def unpause(self, by: str, now: int) -> None:
        self.needs(by, ADMIN)
        if not self.paused:
            raise Reverts("ExpectedPause")
        self.paused = False

    def _leave(self, role: bytes, account: str) -> None:
        if self.held.get(account) != role:
            return
        if role == ADMIN and list(self.held.values()).count(ADMIN) == 1:
            raise Reverts("NoAdmin")
        del self.held[account]

    def _carry_out(self, by: str, now: int, role: bytes, account: str, *, grants: bool) -> None:
        self.needs(by, ADMIN)
        due = self.announced.pop((role, account, grants), None)
        if due is None:
            raise Reverts("RoleChangeNotAnnounced", role, account, grants)
        if now < due:
            raise Reverts("RoleChangeTooEarly", role, account, due, now)
        if now > due + ROLE_WINDOW:
            raise Reverts("RoleChangeStale", role, account, due + ROLE_WINDOW, now)
