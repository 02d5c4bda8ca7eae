"""Everything a provider node needs, opened once a process."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event

from eth_account.signers.local import LocalAccount

from engine.chain.keys import load_or_create_key
from engine.provider.alarms import raise_alarm, settle_alarm
from engine.provider.chain import ProviderChain
from engine.provider.insurer import Insurer
from engine.provider.rolls import Rolls
from engine.provider.settings import ProviderSettings
from engine.provider.tables import Discharge
from engine.settlement.hospitals import HospitalRegister, load_register
from engine.store.database import Database
from engine.store.ownership import Ownership
from engine.store.secret_file import read_or_make
from engine.store.vault import Vault
from engine.store.writer import GroupCommit

MIGRATIONS = Path(__file__).parent / "migrations"
_KEY_BYTES = 32
_LARGEST_GROUP = 256
"""Of what one commit holds."""

Clock = Callable[[], datetime]
Rng = Callable[[int], bytes]


@dataclass(slots=True)
class Node:
    """One provider node, open. `clock` gives aware UTC times; `rng(n)` n random bytes."""

    settings: ProviderSettings
    database: Database
    writer: GroupCommit
    vault: Vault
    register: HospitalRegister
    chain: ProviderChain
    insurer: Insurer
    rolls: Rolls
    clock: Clock
    rng: Rng
    api_key: str
    """What the hospital's own systems send to this node."""
    arrived: Event = field(default_factory=Event)
    """Set when there may be something to do that is found in the database."""
    taken_in: Callable[[], None] = lambda: None
    """To be called when something was added to `fresh`."""
    fresh: dict[int, Discharge] = field(default_factory=dict)
    """Those that this process took in and has not begun with: what a read would find again."""
    unasked: dict[int, str] = field(default_factory=dict)
    """Discharges that this process took in and has not asked about -> the question kept with each."""
    _closing: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def open(
        cls, settings: ProviderSettings, insurer: Insurer, chain: ProviderChain, clock: Clock, rng: Rng
    ) -> "Node":
        """Create what is missing (home, keys, schema), then open; takes over `insurer` and `chain`.

        Neither the chain nor the insurer has to be there: what is accepted meanwhile is kept. Raises
        Unavailable when another node works in this home, VaultError, and OSError or ValueError for a register
        that cannot be read.
        """
        with ExitStack() as closing:
            closing.callback(insurer.close)
            closing.callback(chain.close)
            home = made(settings.home)
            vault = Vault.open(home / "master.key", rng)
            api_key = read_or_make(home / "provider.key", lambda: rng(_KEY_BYTES).hex())
            register = load_register(settings.register_file)
            database = opened(settings.database)
            closing.callback(database.close)
            closing.callback(Ownership.take(database).release)
            writer = GroupCommit(database, _LARGEST_GROUP)
            closing.callback(writer.close)

            def alarm(code: str, detail: str) -> None:
                writer.run(partial(raise_alarm, code=code, detail=detail, now=clock()))

            def settle(code: str, detail: str) -> None:
                writer.run(partial(settle_alarm, code=code, detail=detail))

            return cls(
                settings=settings,
                database=database,
                writer=writer,
                vault=vault,
                register=register,
                chain=chain,
                insurer=insurer,
                rolls=Rolls(home / "rolls", chain, insurer, alarm, settle),
                clock=clock,
                rng=rng,
                api_key=api_key,
                _closing=closing.pop_all(),
            )

    @property
    def until_news(self) -> timedelta:
        """By then the insurer has been asked for news of its roll."""
        return 2 * timedelta(seconds=self.settings.follow_s)

    def until_release(self) -> timedelta:
        """What matched leaves with all that matched in the same span; the chain is read only then."""
        every_s = self.settings.release_every_s
        return timedelta(seconds=every_s - self.clock().timestamp() % every_s) if every_s else timedelta()

    def close(self) -> None:
        self._closing.close()


def opened(url: str) -> Database:
    """A node's database at its newest version."""
    database = Database(url, MIGRATIONS)
    database.migrate()
    return database


def made(home: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return home


def chain_account(home: Path, rng: Rng) -> LocalAccount:
    """Who the node is on chain, made on first need: home/chain.json, which home/chain.passphrase opens.

    Raises KeystoreInvalid, ValueError.
    """
    passphrase = read_or_make(made(home) / "chain.passphrase", lambda: rng(_KEY_BYTES).hex())
    return load_or_create_key(home / "chain.json", "provider node", passphrase, rng)


def signing_key(home: Path, rng: Rng) -> bytes:
    """The 32 raw bytes (Ed25519) that sign what leaves, made at first start. Raises ValueError."""
    return bytes.fromhex(read_or_make(made(home) / "signing.key", lambda: rng(_KEY_BYTES).hex()))
