// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

struct Checkpoint {
    uint64 size; // entries in the log; zero: no checkpoint yet
    uint48 time; // seconds; when it was recorded
    bytes32 root; // RFC 9162 Merkle tree head over them
}

struct CoSignature {
    address signer;
    bytes signature; // over Checkpoint(size, root, previousSize, previousRoot), EIP-712
}

interface IAuditCheckpoints {
    event CheckpointRecorded(
        uint64 indexed size, bytes32 indexed root, uint64 previousSize, bytes32 previousRoot
    );

    error CheckpointNotLarger(uint64 size, uint64 lastSize);
    error CheckpointInconsistent(uint64 lastSize, bytes32 lastRoot, uint64 size, bytes32 root);
    error ZeroRoot(uint64 size);
    error NotAWitness(address account);
    error WitnessNotSigned(address account);
    error TooFewWitnesses();

    /// By anyone: signed by at least two of engine, hospital and auditor, with the proof (RFC 9162, 2.1.4) that it
    /// extends the last. The first one needs no proof.
    function recordCheckpoint(
        uint64 size,
        bytes32 root,
        bytes32[] calldata consistency,
        CoSignature[] calldata signatures
    ) external;
    /// The last one, here or in a predecessor.
    function latestCheckpoint() external view returns (Checkpoint memory);
}
