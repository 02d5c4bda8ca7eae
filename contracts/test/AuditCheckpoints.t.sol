// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RoleHolder} from "../src/base/SeparateRoles.sol";
import {Checkpoint, CoSignature, IAuditCheckpoints} from "../src/interfaces/IAuditCheckpoints.sol";
import {IMatchResultStore} from "../src/interfaces/IMatchResultStore.sol";
import {DigestWallet} from "./support/DigestWallet.sol";
import {Spec} from "./support/Spec.sol";
import {typedDigest} from "./support/TypedData.sol";

/// @notice Checkpoints against RFC 9162's definition of a consistency proof, written once more as the recursion that
/// section 2.1.4.1 states, where the contract goes by the loop of section 2.1.4.2.
/// @dev halmos: logs of up to MOST entries, with SHA-256 as any function. forge: real logs of up to 64 too. The
/// witnesses are contract wallets; signatures by keys are left to the Python tests.
contract AuditCheckpointsSpec is Spec {
    uint8 private constant MOST = 8;
    uint8 private constant LONGEST = 4; // a proof between logs of up to MOST entries
    uint48 private constant BEGIN = 1_000_000;
    bytes32 private constant CHECKPOINT_TYPEHASH =
        keccak256("Checkpoint(uint64 size,bytes32 root,uint64 previousSize,bytes32 previousRoot)");

    /// A checkpoint of `oldSize` was recorded, if that is not zero; now one of `size` comes.
    struct Growth {
        uint64 oldSize;
        bytes32 oldRoot;
        uint64 size;
        bytes32 root;
    }

    struct Proof {
        uint8 length;
        bytes32[5] hashes;
    }

    /// Up to three signatures: by whom (see _signer), and what is wrong with what they sign.
    struct Signing {
        uint8 count;
        uint8[3] signers;
        uint256[3] wrong;
    }

    IMatchResultStore private store;
    address[5] private wallets; // engine, two of hospitals, auditor, and one that is nothing

    function setUp() public {
        vm.warp(BEGIN);
        for (uint256 i = 0; i < wallets.length; ++i) {
            wallets[i] = address(new DigestWallet());
        }
        RoleHolder[] memory holders = new RoleHolder[](6);
        holders[0] = RoleHolder(ADMIN_ROLE, ADMIN);
        holders[1] = RoleHolder(keccak256("ENGINE_WITNESS_ROLE"), wallets[0]);
        holders[2] = RoleHolder(keccak256("HOSPITAL_WITNESS_ROLE"), wallets[1]);
        holders[3] = RoleHolder(keccak256("HOSPITAL_WITNESS_ROLE"), wallets[2]);
        holders[4] = RoleHolder(keccak256("AUDITOR_ROLE"), wallets[3]);
        holders[5] = RoleHolder(keccak256("SUCCESSOR_ROLE"), address(this));
        // Checkpoints ask neither the registry nor the scheduler.
        bytes memory arguments = abi.encode(holders, address(this), address(this), address(0));
        store = IMatchResultStore(_deploy("MatchResultStore.sol:MatchResultStore", arguments));
    }

    function check_an_accepted_checkpoint_extends_the_last(Growth memory g, Proof memory p) public {
        vm.assume(g.oldSize <= MOST && g.size <= MOST);
        (g.oldSize, g.size) = (_each(uint8(g.oldSize), MOST), _each(uint8(g.size), MOST));
        p.length = _each(p.length, LONGEST + 1);
        bytes32[] memory proof = new bytes32[](p.length);
        for (uint256 i = 0; i < p.length; ++i) {
            proof[i] = p.hashes[i];
        }
        _requireExtension(g, proof);
    }

    /// By anyone, with two of the three kinds of witnesses.
    function check_two_kinds_of_witnesses_sign_a_checkpoint(address caller, bytes32 root, Signing memory s) public {
        vm.assume(caller != address(0) && root != 0);
        s.count = _each(s.count, 3);
        CoSignature[] memory signatures = new CoSignature[](s.count);
        Growth memory g = Growth(0, 0, 1, root);
        for (uint256 i = 0; i < s.count; ++i) {
            s.signers[i] = _each(s.signers[i], 5);
            signatures[i] = CoSignature(_signer(s.signers[i]), abi.encode(uint256(_digest(g)) ^ s.wrong[i]));
        }
        (bool done,) = _callExpecting(
            _refusalOfSignatures(s),
            caller,
            address(store),
            abi.encodeCall(store.recordCheckpoint, (1, root, new bytes32[](0), signatures))
        );
        vm.assertEq(store.latestCheckpoint().size, done ? 1 : 0, "the checkpoint");
    }

    function check_a_store_that_was_handed_over_records_no_checkpoint(bytes32 root) public {
        vm.prank(ADMIN);
        store.handOver(address(this));
        Growth memory g = Growth(0, 0, 1, root);
        bytes memory refusal = abi.encodeWithSelector(IMatchResultStore.StoreHandedOver.selector, address(this));
        _callExpecting(refusal, ADMIN, address(store), _signed(g, new bytes32[](0)));
    }

    // ------------------------------------------------------------------ at random

    function test_an_accepted_checkpoint_extends_the_last(
        Growth memory g,
        Proof memory p,
        bytes32 seed,
        uint8 pick
    ) public {
        g.size %= MOST + 1;
        if (pick % 4 != 0) {
            g = _realGrowth(seed, g.oldSize % 9, g.size);
            bytes32[] memory proof = g.oldSize == 0 || g.oldSize >= g.size
                ? new bytes32[](0)
                : _prove(seed, g.oldSize, 0, g.size, true);
            p.length = uint8(proof.length);
            for (uint256 i = 0; i < proof.length; ++i) {
                p.hashes[i] = proof[i];
            }
            if (pick % 16 == 1) p.length = (p.length + 1) % 6;
            if (pick % 16 == 2) g.root = seed;
            if (pick % 16 == 3) g.oldRoot = seed;
        } else {
            g.oldSize %= MOST + 1;
            p.length %= 6;
        }
        check_an_accepted_checkpoint_extends_the_last(g, p);
    }

    /// A real log of any size, and a proof that is whole, or wrong in one place.
    function test_any_longer_log_extends_any_shorter_one(bytes32 seed, uint64 size, uint64 oldSize, uint8 pick)
        public
    {
        size = size % 63 + 2;
        oldSize = oldSize % (size - 1) + 1;
        Growth memory g = _realGrowth(seed, oldSize, size);
        bytes32[] memory proof = _prove(seed, oldSize, 0, size, true);
        bool wrong = pick % 4 == 1 && proof.length > 0;
        if (wrong) proof[pick % proof.length] ^= bytes32(uint256(1));
        bool done = _requireExtension(g, proof);
        vm.assertEq(done, !wrong, "what is so is taken, and what is not is not");
    }

    function test_two_kinds_of_witnesses_sign_a_checkpoint(address caller, bytes32 root, Signing memory s, uint8 pick)
        public
    {
        s.count %= 4;
        for (uint256 i = 0; i < 3; ++i) {
            s.signers[i] %= pick % 8 == 1 ? 6 : 4;
            if (pick % 8 != 2) s.wrong[i] = 0;
        }
        check_two_kinds_of_witnesses_sign_a_checkpoint(
            caller == address(0) ? ADMIN : caller, root == 0 ? bytes32(uint256(1)) : root, s
        );
    }

    function test_a_store_that_was_handed_over_records_no_checkpoint(bytes32 root) public {
        check_a_store_that_was_handed_over_records_no_checkpoint(root);
    }

    // ------------------------------------------------------------------ what must be refused, and follow

    function _requireExtension(Growth memory g, bytes32[] memory proof) private returns (bool done) {
        if (g.oldSize == 0) {
            g.oldRoot = 0;
        } else {
            vm.assume(g.oldRoot != 0);
            (done,) = address(store).call(_signed(Growth(0, 0, g.oldSize, g.oldRoot), new bytes32[](0)));
            vm.assertTrue(done, "the first one needs no proof");
        }
        vm.warp(BEGIN + 1);
        bytes memory refusal;
        if (g.size <= g.oldSize) {
            refusal = abi.encodeWithSelector(IAuditCheckpoints.CheckpointNotLarger.selector, g.size, g.oldSize);
        } else if (g.root == 0) {
            refusal = abi.encodeWithSelector(IAuditCheckpoints.ZeroRoot.selector, g.size);
        } else if (!_extends(g, proof)) {
            refusal = abi.encodeWithSelector(
                IAuditCheckpoints.CheckpointInconsistent.selector, g.oldSize, g.oldRoot, g.size, g.root
            );
        }

        (done,) = _callExpecting(refusal, ADMIN, address(store), _signed(g, proof));

        Checkpoint memory expected = g.oldSize == 0 ? Checkpoint(0, 0, 0) : Checkpoint(g.oldSize, BEGIN, g.oldRoot);
        if (done) expected = Checkpoint(g.size, BEGIN + 1, g.root);
        vm.assertEq(abi.encode(store.latestCheckpoint()), abi.encode(expected), "the latest checkpoint");
    }

    function _refusalOfSignatures(Signing memory s) private view returns (bytes memory) {
        bool[3] memory kinds;
        for (uint256 i = 0; i < s.count; ++i) {
            address signer = _signer(s.signers[i]);
            if (s.signers[i] > 3) return abi.encodeWithSelector(IAuditCheckpoints.NotAWitness.selector, signer);
            if (s.wrong[i] != 0) {
                return abi.encodeWithSelector(IAuditCheckpoints.WitnessNotSigned.selector, signer);
            }
            kinds[[0, 1, 1, 2][s.signers[i]]] = true;
        }
        if ((kinds[0] && kinds[1]) || (kinds[0] && kinds[2]) || (kinds[1] && kinds[2])) return "";
        return abi.encodeWithSelector(IAuditCheckpoints.TooFewWitnesses.selector);
    }

    /// Engine, two of hospitals, auditor, a wallet that is no witness, an account that is not even a wallet.
    function _signer(uint8 number) private view returns (address) {
        return number < 5 ? wallets[number] : ADMIN;
    }

    function _digest(Growth memory g) private view returns (bytes32) {
        bytes32 structHash = keccak256(abi.encode(CHECKPOINT_TYPEHASH, g.size, g.root, g.oldSize, g.oldRoot));
        return typedDigest("MatchResultStore", address(store), structHash);
    }

    /// The call that records it, signed by engine and hospital.
    function _signed(Growth memory g, bytes32[] memory proof) private view returns (bytes memory) {
        CoSignature[] memory signatures = new CoSignature[](2);
        signatures[0] = CoSignature(wallets[0], abi.encode(_digest(g)));
        signatures[1] = CoSignature(wallets[1], abi.encode(_digest(g)));
        return abi.encodeCall(store.recordCheckpoint, (g.size, g.root, proof, signatures));
    }

    // ------------------------------------------------------------------ RFC 9162, section 2.1.4.1

    /// Whether the proof is one of exactly this growth.
    function _extends(Growth memory g, bytes32[] memory proof) private pure returns (bool) {
        if (g.oldSize == 0) return proof.length == 0;
        if (proof.length != _length(g.oldSize, g.size, true)) return false;
        (bytes32 oldHead, bytes32 head) = _heads(g.oldRoot, g.oldSize, g.size, true, proof, proof.length);
        return oldHead == g.oldRoot && head == g.root;
    }

    /// How long SUBPROOF(m, D[n], whole) is.
    function _length(uint64 m, uint64 n, bool whole) private pure returns (uint256) {
        if (m == n) return whole ? 0 : 1;
        uint64 k = _split(n);
        return 1 + (m <= k ? _length(m, k, whole) : _length(m - k, n - k, false));
    }

    /// Both heads that the first `used` of the proof lead to: of the first m entries, and of all n.
    function _heads(bytes32 oldRoot, uint64 m, uint64 n, bool whole, bytes32[] memory proof, uint256 used)
        private
        pure
        returns (bytes32 oldHead, bytes32 head)
    {
        if (m == n) return whole ? (oldRoot, oldRoot) : (proof[0], proof[0]);
        uint64 k = _split(n);
        bytes32 other = proof[used - 1];
        if (m <= k) {
            (oldHead, head) = _heads(oldRoot, m, k, whole, proof, used - 1);
            return (oldHead, _inner(head, other));
        }
        (oldHead, head) = _heads(oldRoot, m - k, n - k, false, proof, used - 1);
        return (_inner(other, oldHead), _inner(other, head));
    }

    /// The largest power of two below n.
    function _split(uint64 n) private pure returns (uint64 k) {
        for (k = 1; 2 * k < n; k *= 2) {}
    }

    function _inner(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(bytes.concat(hex"01", left, right));
    }

    // ------------------------------------------------------------------ real logs

    function _realGrowth(bytes32 seed, uint64 oldSize, uint64 size) private pure returns (Growth memory) {
        return Growth(oldSize, _head(seed, 0, oldSize), size, _head(seed, 0, size));
    }

    /// MTH of the entries from `first` to before `end`: of none, none.
    function _head(bytes32 seed, uint64 first, uint64 end) private pure returns (bytes32) {
        if (first == end) return 0;
        if (end - first == 1) return sha256(bytes.concat(hex"00", seed, bytes8(first)));
        uint64 middle = first + _split(end - first);
        return _inner(_head(seed, first, middle), _head(seed, middle, end));
    }

    /// SUBPROOF(m, D[first:end], whole).
    function _prove(bytes32 seed, uint64 m, uint64 first, uint64 end, bool whole)
        private
        pure
        returns (bytes32[] memory proof)
    {
        uint64 size = end - first;
        if (m == size && whole) return proof;
        proof = new bytes32[](_length(m, size, whole));
        if (m == size) {
            proof[0] = _head(seed, first, end);
            return proof;
        }
        uint64 middle = first + _split(size);
        bytes32[] memory below = m <= middle - first
            ? _prove(seed, m, first, middle, whole)
            : _prove(seed, m - (middle - first), middle, end, false);
        for (uint256 i = 0; i < below.length; ++i) {
            proof[i] = below[i];
        }
        proof[below.length] = m <= middle - first ? _head(seed, middle, end) : _head(seed, first, middle);
    }
}
