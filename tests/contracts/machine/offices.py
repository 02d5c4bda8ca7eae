"""Random changes of who does what, and brakes pulled and let go."""

from hypothesis import strategies as st

from tests.contracts.machine.base import FEW, MOSTLY, Machine, account, move
from tests.contracts.world import ROLE_DELAY, ROLE_WINDOW, role

CHANGES = (
    ("catalog", "PROVIDER_ROLE", "other_provider", False),
    ("scheduler", "REQUESTER_ROLE", "other_requester", False),
    ("store", "HOSPITAL_WITNESS_ROLE", "other_hospital", False),
    ("registry", "REVOKER_ROLE", "insured", True),
    ("catalog", "PROVIDER_ROLE", "stranger", True),
    ("store", "RECORDER_ROLE", "stranger", True),
    ("scheduler", "ARBITER_ROLE", "requester", True),  # who holds a role already
    ("registry", "DEFAULT_ADMIN_ROLE", "deployer", True),
)
CONTRACTS = ("registry", "catalog", "scheduler", "store", "heir")


class Offices(Machine):
    def prepare(self) -> None:
        super().prepare()
        for change in CHANGES:  # on their way, for the later rules to carry out
            self.announce(change, False, "governor")

    BY = st.sampled_from(("governor",) * 9 + ("pauser",))

    @move(change=st.sampled_from(CHANGES), turned=st.sampled_from((False,) * 6 + (True,)), by=BY)
    def announce(self, change: tuple[str, str, str, bool], turned: bool, by: str) -> None:
        contract, name, who, grants = change
        self.act(contract, "announceRoleChange", role(name), account(who), grants != turned, by=by)

    @move(change=st.sampled_from(CHANGES), by=BY)
    def withdraw(self, change: tuple[str, str, str, bool], by: str) -> None:
        contract, *key = self._announced(change)
        self.act(contract, "withdrawRoleChange", *key, by=by)

    @move(
        change=st.sampled_from(CHANGES),
        wait=st.sampled_from((0, 0, 0, 0, -1, 1, ROLE_WINDOW, ROLE_WINDOW + 1, None)),
        by=BY,
    )
    def carry_out(self, change: tuple[str, str, str, bool], wait: int | None, by: str) -> None:
        """At the second at which it is due, or about it; None: at once."""
        contract, role_id, who, grants = self._announced(change)
        announced = getattr(self.model, contract).announced
        due = announced.get((role_id, who, grants), self.world.next_time)
        if wait is not None and due + wait > self.world.next_time:
            self.world.next_block_at(due + wait)
        self.act(contract, "grantRole" if grants else "revokeRole", role_id, who, by=by)

    @move(contract=st.sampled_from(CONTRACTS), right=MOSTLY)
    def renounce(self, contract: str, right: bool) -> None:
        """What most people hold nothing of: it must change nothing, and never another's."""
        who = "stranger" if right else "recorder"
        self.act(contract, "renounceRole", role("RECORDER_ROLE"), account(who), by="stranger")

    @move(contract=st.sampled_from(CONTRACTS), right=MOSTLY)
    def pause(self, contract: str, right: bool) -> None:
        self.act(contract, "pause", by="pauser" if right else "governor")

    @move(pick=FEW, right=MOSTLY)
    def unpause(self, pick: int, right: bool) -> None:
        self._go_on(pick, right)

    @move(pick=FEW, right=MOSTLY)
    def unpause_soon(self, pick: int, right: bool) -> None:
        """A brake is let go more often than it is pulled, so that there is something to stop."""
        self._go_on(pick, right)

    def _go_on(self, pick: int, right: bool) -> None:
        stopped = [contract for contract in CONTRACTS if getattr(self.model, contract).paused]
        if stopped or pick == 0:
            contract = self.pick(stopped or list(CONTRACTS), pick)
            self.act(contract, "unpause", by="governor" if right else "pauser")

    def _announced(self, change: tuple[str, str, str, bool]) -> tuple[str, bytes, str, bool]:
        """A change that was announced, if there is any."""
        there = [(c, *key) for c in CONTRACTS for key in getattr(self.model, c).announced]
        contract, name, who, grants = change
        return self.random.choice(there or [(contract, role(name), account(who), grants)])

    def compare(self) -> None:
        super().compare()
        for contract in CONTRACTS:
            office = getattr(self.model, contract)
            assert self.ask(contract, "paused") == office.paused
            for where, name, who, _ in CHANGES:
                if where == contract:
                    address = self.world.people[who]
                    held = office.held.get(account(who)) == role(name)
                    assert self.ask(contract, "hasRole", role(name), address) == held
            for (role_id, who, grants), due in office.announced.items():
                address = self.world.w3.to_checksum_address(who)
                assert self.ask(contract, "roleChangeNotBefore", role_id, address, grants) == due
                assert due > ROLE_DELAY
