// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title That one Merkle log extends another: RFC 9162, section 2.1.4.2.
/// @notice The log is a transparency log's: SHA-256, an inner node is SHA-256(0x01 || left || right). So any tool
/// for certificate transparency can check what was checked here.
library LogConsistency {
    /// @notice Whether the log of `size` entries under `root` begins with the `oldSize` entries under `oldRoot`.
    /// @dev `oldSize` is at least 1 and below `size`.
    function extendsLog(uint64 oldSize, bytes32 oldRoot, uint64 size, bytes32 root, bytes32[] calldata proof)
        internal
        pure
        returns (bool)
    {
        // An old size that is a power of two is a whole subtree: its root is known, and left out of the proof.
        bool whole = oldSize & (oldSize - 1) == 0;
        if (proof.length == 0 && !whole) return false;
        uint64 fn = oldSize - 1;
        uint64 sn = size - 1;
        while (fn & 1 == 1) {
            fn >>= 1;
            sn >>= 1;
        }
        bytes32 oldHash = whole ? oldRoot : proof[0];
        bytes32 newHash = oldHash;
        for (uint256 i = whole ? 0 : 1; i < proof.length; ++i) {
            if (sn == 0) return false;
            if (fn & 1 == 1 || fn == sn) {
                oldHash = _inner(proof[i], oldHash);
                newHash = _inner(proof[i], newHash);
                while (fn != 0 && fn & 1 == 0) {
                    fn >>= 1;
                    sn >>= 1;
                }
            } else {
                newHash = _inner(newHash, proof[i]);
            }
            fn >>= 1;
            sn >>= 1;
        }
        return sn == 0 && oldHash == oldRoot && newHash == root;
    }

    function _inner(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
