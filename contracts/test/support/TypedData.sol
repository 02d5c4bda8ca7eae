// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The digest that is signed: EIP-712, of version 1 of the domain `name`.
function typedDigest(string memory name, address verifier, bytes32 structHash) view returns (bytes32) {
    bytes32 domain = keccak256(
        abi.encode(
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
            keccak256(bytes(name)),
            keccak256("1"),
            block.chainid,
            verifier
        )
    );
    return keccak256(bytes.concat(hex"1901", domain, structHash));
}
