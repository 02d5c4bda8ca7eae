"""Blocks, transactions, receipts and logs as Ethereum's JSON-RPC writes them (execution-apis).

Quantities are 0x-hex without leading zeros, data is 0x-hex of whole bytes, addresses are lower case.
The header carries every Prague field, so that a client can recompute the block hash.
"""

from typing import Any

import rlp  # type: ignore[import-untyped]
from eth._utils.address import generate_contract_address
from eth.abc import BlockAPI, SignedTransactionAPI
from eth.vm.forks.berlin.transactions import TypedTransaction

from engine.chain.backend import MinedTransaction
from engine.chain.sqlite_db import LogRow

Json = dict[str, Any]


def quantity(value: int) -> str:
    return hex(value)


def data(value: bytes) -> str:
    return "0x" + value.hex()


def header_json(header: Any) -> Json:
    # Any: py-evm's header interface does not name the fields since London that its Prague header has.
    return {
        "number": quantity(header.block_number),
        "hash": data(header.hash),
        "parentHash": data(header.parent_hash),
        "sha3Uncles": data(header.uncles_hash),
        "miner": data(header.coinbase),
        "stateRoot": data(header.state_root),
        "transactionsRoot": data(header.transaction_root),
        "receiptsRoot": data(header.receipt_root),
        "logsBloom": data(header.bloom.to_bytes(256, "big")),
        "difficulty": quantity(header.difficulty),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "timestamp": quantity(header.timestamp),
        "extraData": data(header.extra_data),
        "mixHash": data(header.mix_hash),
        "nonce": data(header.nonce),
        "baseFeePerGas": quantity(header.base_fee_per_gas),
        "withdrawalsRoot": data(header.withdrawals_root),
        "blobGasUsed": quantity(header.blob_gas_used),
        "excessBlobGas": quantity(header.excess_blob_gas),
        "parentBeaconBlockRoot": data(header.parent_beacon_block_root),
        "requestsHash": data(header.requests_hash),
    }


def block_json(block: BlockAPI, *, full_transactions: bool) -> Json:
    transactions: list[Any] = [
        transaction_json(block, index, transaction) if full_transactions else data(transaction.hash)
        for index, transaction in enumerate(block.transactions)
    ]
    return header_json(block.header) | {
        "size": quantity(len(rlp.encode(block))),
        "transactions": transactions,
        "uncles": [],
        "withdrawals": [],
    }


def transaction_json(block: BlockAPI, index: int, transaction: SignedTransactionAPI) -> Json:
    kind = _type_of(transaction)
    shown: Json = {
        "blockHash": data(block.hash),
        "blockNumber": quantity(block.number),
        "transactionIndex": quantity(index),
        "hash": data(transaction.hash),
        "type": quantity(kind),
        "from": data(transaction.sender),
        "to": data(transaction.to) if transaction.to else None,
        "nonce": quantity(transaction.nonce),
        "value": quantity(transaction.value),
        "gas": quantity(transaction.gas),
        "gasPrice": quantity(_effective_gas_price(block, transaction)),
        "input": data(transaction.data),
        "r": quantity(transaction.r),
        "s": quantity(transaction.s),
    }
    if kind == 0:
        return shown | {"v": quantity(transaction.v)}  # type: ignore[attr-defined]
    parity = quantity(transaction.y_parity)
    shown |= {
        "v": parity,
        "yParity": parity,
        "chainId": quantity(transaction.chain_id or 0),
        "accessList": [
            {"address": data(address), "storageKeys": [data(key.to_bytes(32, "big")) for key in keys]}
            for address, keys in transaction.access_list
        ],
    }
    if kind >= 2:
        shown |= {
            "maxFeePerGas": quantity(transaction.max_fee_per_gas),
            "maxPriorityFeePerGas": quantity(transaction.max_priority_fee_per_gas),
        }
    return shown


def receipt_json(mined: MinedTransaction) -> Json:
    block, transaction, receipt = mined.block, mined.transaction, mined.receipt
    created = None if transaction.to else generate_contract_address(transaction.sender, transaction.nonce)
    place = _place(block, mined.index, transaction.hash)
    return place | {
        "type": quantity(_type_of(transaction)),
        "from": data(transaction.sender),
        "to": data(transaction.to) if transaction.to else None,
        "contractAddress": None if created is None else data(created),
        "status": quantity(int.from_bytes(receipt.state_root, "big")),
        "gasUsed": quantity(mined.gas_used),
        "cumulativeGasUsed": quantity(receipt.gas_used),
        "effectiveGasPrice": quantity(_effective_gas_price(block, transaction)),
        "logsBloom": data(receipt.bloom.to_bytes(256, "big")),
        "logs": [
            place
            | {
                "address": data(log.address),
                "topics": [data(topic.to_bytes(32, "big")) for topic in log.topics],
                "data": data(log.data),
                "logIndex": quantity(mined.logs_before + offset),
                "removed": False,
            }
            for offset, log in enumerate(receipt.logs)
        ],
    }


def log_json(row: LogRow, block_hash: bytes) -> Json:
    return {
        "blockHash": data(block_hash),
        "blockNumber": quantity(row.block),
        "transactionHash": data(row.tx_hash),
        "transactionIndex": quantity(row.tx_index),
        "logIndex": quantity(row.log_index),
        "address": data(row.address),
        "topics": [data(topic) for topic in row.topics],
        "data": data(row.data),
        "removed": False,
    }


def _place(block: BlockAPI, index: int, tx_hash: bytes) -> Json:
    return {
        "blockHash": data(block.hash),
        "blockNumber": quantity(block.number),
        "transactionHash": data(tx_hash),
        "transactionIndex": quantity(index),
    }


def _type_of(transaction: SignedTransactionAPI) -> int:
    return transaction.type_id or 0 if isinstance(transaction, TypedTransaction) else 0


def _effective_gas_price(block: BlockAPI, transaction: SignedTransactionAPI) -> int:
    # A transaction without EIP-1559 fields answers gas_price for both of them.
    base_fee = block.header.base_fee_per_gas or 0
    return min(transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas + base_fee)
