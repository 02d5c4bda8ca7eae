// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Checkpoint, CoSignature, IAuditCheckpoints} from "../interfaces/IAuditCheckpoints.sol";
import {LogConsistency} from "./LogConsistency.sol";
import {SeparateRoles} from "./SeparateRoles.sol";

/// @title Checkpoints of the off-chain audit log, each an extension of the one before.
/// @notice A chain that one party runs is tamper-evident, no more. So a checkpoint counts only when at least two of
/// engine, hospital and auditor have signed it, each after looking at the log itself; and the contract holds
/// whoever signs to a log that only grows.
abstract contract AuditCheckpoints is IAuditCheckpoints, SeparateRoles, EIP712 {
    bytes32 public constant ENGINE_WITNESS_ROLE = keccak256("ENGINE_WITNESS_ROLE");
    bytes32 public constant HOSPITAL_WITNESS_ROLE = keccak256("HOSPITAL_WITNESS_ROLE");
    bytes32 public constant AUDITOR_ROLE = keccak256("AUDITOR_ROLE");

    bytes32 private constant CHECKPOINT_TYPEHASH =
        keccak256("Checkpoint(uint64 size,bytes32 root,uint64 previousSize,bytes32 previousRoot)");

    Checkpoint private _own;

    /// @inheritdoc IAuditCheckpoints
    /// @dev No nonce: what is signed names the checkpoint that it follows, and that is followed once. Not stopped by
    /// a pause: what happened in an emergency is to be kept above all.
    /// @custom:invariant test_a_checkpoint_must_extend_the_last
    function recordCheckpoint(
        uint64 size,
        bytes32 root,
        bytes32[] calldata consistency,
        CoSignature[] calldata signatures
    ) external {
        _requireKeepsLog();
        Checkpoint memory last = latestCheckpoint();
        if (size <= last.size) revert CheckpointNotLarger(size, last.size);
        if (root == 0) revert ZeroRoot(size);
        // slither-disable-next-line incorrect-equality -- zero means none yet; no transfer moves it
        bool extended = last.size == 0
            ? consistency.length == 0
            : LogConsistency.extendsLog(last.size, last.root, size, root, consistency);
        if (!extended) revert CheckpointInconsistent(last.size, last.root, size, root);
        _requireTwoWitnesses(
            _hashTypedDataV4(keccak256(abi.encode(CHECKPOINT_TYPEHASH, size, root, last.size, last.root))), signatures
        );
        _own = Checkpoint(size, uint48(block.timestamp), root);
        emit CheckpointRecorded(size, root, last.size, last.root);
    }

    /// @inheritdoc IAuditCheckpoints
    /// @custom:invariant test_a_checkpoint_must_extend_the_last
    function latestCheckpoint() public view returns (Checkpoint memory) {
        // slither-disable-next-line incorrect-equality -- zero means none yet; no transfer moves it
        return _own.size == 0 ? _inheritedCheckpoint() : _own;
    }

    /// Reverts where another contract keeps the log now.
    function _requireKeepsLog() internal view virtual;

    /// The last checkpoint of whoever kept the log before; size 0 where nobody did.
    function _inheritedCheckpoint() internal view virtual returns (Checkpoint memory);

    function _requireTwoWitnesses(bytes32 digest, CoSignature[] calldata signatures) private view {
        uint256 kinds;
        for (uint256 i = 0; i < signatures.length; ++i) {
            address signer = signatures[i].signer;
            uint256 kind = _witnessKind(signer);
            if (kind == 0) revert NotAWitness(signer);
            if (!SignatureChecker.isValidSignatureNowCalldata(signer, digest, signatures[i].signature)) {
                revert WitnessNotSigned(signer);
            }
            kinds |= kind;
        }
        if (kinds == 0 || kinds & (kinds - 1) == 0) revert TooFewWitnesses();
    }

    /// A bit for each of the three; an account is at most one of them.
    function _witnessKind(address signer) private view returns (uint256) {
        if (hasRole(ENGINE_WITNESS_ROLE, signer)) return 1;
        if (hasRole(HOSPITAL_WITNESS_ROLE, signer)) return 2;
        return hasRole(AUDITOR_ROLE, signer) ? 4 : 0;
    }
}
