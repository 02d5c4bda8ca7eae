"""Merkle-Patricia proofs in the form that EIP-1186 gives them."""

import rlp  # type: ignore[import-untyped]
from trie.hexary import HexaryTrie


def proof_nodes(trie: HexaryTrie, key: bytes) -> list[bytes]:
    """The RLP of the nodes from the root towards `key`, as EIP-1186 lists them.

    A node shorter than a hash stands inside its parent and is not listed again.
    """
    nodes = [bytes(rlp.encode(node)) for node in trie.get_proof(key)]  # type: ignore[no-untyped-call]
    return [node for depth, node in enumerate(nodes) if depth == 0 or len(node) >= 32]
