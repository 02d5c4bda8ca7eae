"""What a node holds stands on chain under its own name, or somebody is told what has to be done first."""

from sqlmodel import Session

from engine.chain.errors import ContractRefused, FeeTooHigh, RpcError
from engine.provider.alarms import raise_alarm, settle_all_but
from engine.provider.node import Node

NOT_APPOINTED = "provider.not_appointed"
NOT_REGISTERED = "provider.not_registered"
DATASET_TAKEN = "provider.dataset_taken"


def register(node: Node) -> bool:
    """The node's dataset is in the catalogue, for the purposes of its settings and no others; whether it is.

    Where it is not, the alarm says what to do, until it is done. Raises ChainUnavailable, TransactionUnknown.
    """
    obstacle = _obstacle(node)

    def tell(session: Session) -> None:
        settle_all_but(session, {NOT_APPOINTED, NOT_REGISTERED, DATASET_TAKEN}, obstacle)
        if obstacle is not None:
            raise_alarm(session, *obstacle, node.clock())

    node.writer.run(tell)
    return obstacle is None


def _obstacle(node: Node) -> tuple[str, str] | None:
    """What is in the way, as an alarm's code and detail."""
    chain = node.chain
    owner = chain.owner_of_dataset()
    if owner is not None and owner != chain.address.lower():
        taken = f"{owner} has registered what stands for this node's discharges: begin anew with another key"
        return DATASET_TAKEN, taken
    if not chain.is_appointed():
        return NOT_APPOINTED, (
            f"send {chain.address} to the insurer, who has to appoint it (autoclaim matching appoint); until "
            "then settlements are kept and nothing is asked"
        )
    try:
        chain.register_dataset({purpose.scope for purpose in node.settings.purposes})
    except (ContractRefused, RpcError, FeeTooHigh) as error:
        return NOT_REGISTERED, f"the chain does not take what {chain.address} sends: {error}"
    return None
