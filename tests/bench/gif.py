"""gif-next, set up as its own deployment does, far enough for a policy under which claims can be made.

Names and order follow its `GifDeployer`: core, release 3 with its services, a master instance, an instance,
the example product with its pool, a policy. One account owns everything, and there are no fees.
"""

from web3.contract import Contract

from tests.bench.peer_contracts import Peer
from tests.contracts.world import YEAR, World

PACKAGE = "@etherisc/gif-next"

_RELEASE = 3
_LABEL = "00" * 20  # of a commit, for readers only
_SERVICES = (
    "Registry", "Staking", "Instance", "Accounting", "Component", "Distribution", "Pricing", "Bundle", "Pool",
    "Oracle", "Risk", "Policy", "Claim", "Application",
)  # fmt: skip
_INSTANCE_PARTS = ("InstanceStore", "ProductStore", "BundleSet", "RiskSet", "InstanceReader")
_NO_FEE = (0, 0)
_ONE = 10**15  # in its fixed point
_UNLIMITED = 2**96 - 1
_CAPITAL = 10**10
_SUM_INSURED = 1000


def insured(world: World, peer: Peer) -> tuple[Contract, int]:
    """-> (the example product, a policy under it that is collateralized, paid for and active)."""
    token = peer.deploy("FireUSD")
    registry, tokens, releases, staking = _core(peer)
    instance_service = _release(peer, registry, releases)
    peer.send(staking.functions.setStakingService(_RELEASE))
    _master_instance(peer, registry, instance_service)
    address, instance_id = peer.answer(instance_service.functions.createInstance(False))
    peer.send(tokens.functions.registerToken(token.address))
    peer.send(tokens.functions.setActiveForVersion(world.w3.eth.chain_id, token.address, _RELEASE, True))
    product = _product(peer, registry, instance_id)
    product_id = peer.answer(
        peer.at("Instance", address).functions.registerProduct(product.address, token.address)
    )
    pool = _pool(peer, registry, product_id)
    peer.send(product.functions.registerComponent(pool.address))
    for component in (pool, product):
        handler = peer.ask(component.functions.getTokenHandler())
        peer.send(token.functions.approve(handler, _CAPITAL))
    return product, _policy(world, peer, product, pool)


def _core(peer: Peer) -> tuple[Contract, Contract, Contract, Contract]:
    """-> (registry, token registry, release registry, staking)"""
    admin = peer.deploy("RegistryAdmin")
    registry = peer.deploy("Registry", admin.address, peer.sender)
    releases = peer.deploy("ReleaseRegistry", registry.address)
    tokens = peer.deploy("TokenRegistry", registry.address, peer.deploy("Dip").address)
    reader = peer.deploy("StakingReader", registry.address)
    store = peer.deploy("StakingStore", registry.address, reader.address)
    targets = peer.deploy("TargetHandler", registry.address, store.address)
    manager = peer.deploy(
        "StakingManager",
        *(contract.address for contract in (registry, targets, store, tokens)),
        peer.sender,
        bytes(32),
    )
    staking = peer.at("Staking", peer.ask(manager.functions.getStaking()))
    peer.send(store.functions.initialize(targets.address))
    peer.send(reader.functions.initialize(staking.address, store.address))
    peer.send(registry.functions.initialize(releases.address, tokens.address, staking.address))
    peer.send(staking.functions.linkToRegisteredNftId())
    authorization = peer.deploy("RegistryAuthorization", _LABEL).address
    peer.send(
        admin.functions.completeSetup(registry.address, authorization, _RELEASE, peer.sender, peer.sender)
    )
    return registry, tokens, releases, staking


def _release(peer: Peer, registry: Contract, releases: Contract) -> Contract:
    """-> the instance service of the activated release."""
    peer.send(releases.functions.createNextRelease())
    services = peer.deploy("ServiceAuthorizationV3", _LABEL).address
    admin, _, salt = peer.answer(releases.functions.prepareNextRelease(services, bytes(32)))
    authority = peer.ask(peer.at("ReleaseAdmin", admin).functions.authority())
    addresses = {}
    for name in _SERVICES:
        manager = peer.deploy(f"{name}ServiceManager", authority, registry.address, salt)
        addresses[name] = peer.ask(manager.functions[f"get{name}Service"]())
        peer.send(releases.functions.registerService(addresses[name]))
        peer.send(manager.functions.linkToProxy())
    peer.send(releases.functions.activateNextRelease())
    return peer.at("InstanceService", addresses["Instance"])


def _master_instance(peer: Peer, registry: Contract, instance_service: Contract) -> None:
    """What every instance is a clone of."""
    master = peer.deploy("Instance")
    admin = peer.deploy("InstanceAdmin", peer.deploy("AccessManagerCloneable").address)
    parts = (admin.address, *(peer.deploy(name).address for name in _INSTANCE_PARTS))
    peer.send(master.functions.initialize(parts, registry.address, _RELEASE, peer.sender, False))
    peer.send(instance_service.functions.setAndRegisterMasterInstance(master.address))
    authorization = peer.deploy("InstanceAuthorizationV3").address
    peer.send(admin.functions.completeSetup(registry.address, authorization, _RELEASE, master.address))


def _product(peer: Peer, registry: Contract, instance_id: int) -> Contract:
    authorization = peer.deploy("BasicProductAuthorization", "SimpleProduct").address
    no_distribution_no_oracle: tuple[object, ...] = (False, False, False, 0, 0, 0, 0, [])
    fees = (_NO_FEE,) * 7
    return peer.deploy(
        "SimpleProduct",
        registry.address,
        instance_id,
        "SimpleProduct",
        no_distribution_no_oracle,
        fees,
        authorization,
        peer.sender,
    )


def _pool(peer: Peer, registry: Contract, product_id: int) -> Contract:
    authorization = peer.deploy("SimplePoolAuthorization", "SimplePool").address
    fully_collateralized = (_UNLIMITED, _ONE, _ONE, False, False, False, False)
    return peer.deploy(
        "SimplePool", registry.address, product_id, fully_collateralized, authorization, peer.sender
    )


def _policy(world: World, peer: Peer, product: Contract, pool: Contract) -> int:
    bundle, _ = peer.answer(pool.functions.createBundle(_NO_FEE, _CAPITAL // 2, 10 * YEAR, b""))
    risk = peer.answer(product.functions.createRisk("Risk", b""))
    apply = product.functions.createApplication
    policy = peer.answer(apply(peer.sender, risk, _SUM_INSURED, YEAR, b"", bundle, bytes(8)))
    peer.send(product.functions.createPolicy(policy, True, world.now))
    return int(policy)
