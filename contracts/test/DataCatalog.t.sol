// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RoleHolder} from "../src/base/SeparateRoles.sol";
import {Dataset, DatasetVersion, IDataCatalog} from "../src/interfaces/IDataCatalog.sol";
import {Spec} from "./support/Spec.sol";

contract DataCatalogSpec is Spec {
    bytes32 private constant PROVIDER_ROLE = keccak256("PROVIDER_ROLE");
    address private constant PROVIDER = address(0xB1);
    address private constant OTHER_PROVIDER = address(0xB2);
    bytes32 private constant KNOWN = keccak256("the dataset that PROVIDER registers");
    bytes32 private constant LISTED = keccak256("its one purpose");

    enum Stage {
        Unknown,
        Registered,
        Published, // version 1, and the matching key of epoch 1
        Withdrawn, // that key has been
        Retired // once published
    }

    /// Where a call starts: how far KNOWN has come, who calls about which id, and what is watched.
    struct Given {
        uint8 stage;
        bool paused;
        address caller;
        bytes32 id;
        bytes32 watchedId;
        bytes32 purpose;
        uint32 number; // of a version and of an epoch
    }

    /// All that the catalog tells of the dataset that is watched, under the purpose and the number that are.
    struct Picture {
        Dataset dataset;
        bool listed;
        DatasetVersion version;
        bytes32 matchingKey;
    }

    IDataCatalog private catalog;

    function setUp() public {
        RoleHolder[] memory holders = _offices(2);
        holders[2] = RoleHolder(PROVIDER_ROLE, PROVIDER);
        holders[3] = RoleHolder(PROVIDER_ROLE, OTHER_PROVIDER);
        catalog = IDataCatalog(_deploy("DataCatalog.sol:DataCatalog", abi.encode(holders)));
    }

    function check_register(Given memory g, uint8 classification, bytes32[] memory purposes) public {
        Picture memory expected = _arrange(g);
        bytes memory data = abi.encodeCall(catalog.register, (g.id, classification, purposes));
        (bool done,) = _expecting(_refusalOfRegister(g, classification, purposes), g, data);
        if (done && g.watchedId == g.id) {
            expected.dataset.provider = g.caller;
            expected.dataset.classification = classification;
            expected.listed = _among(purposes, g.purpose);
        }
        _requireEffect(g, expected);
    }

    function check_listPurpose(Given memory g, bytes32 purpose) public {
        Picture memory expected = _arrange(g);
        bytes memory refusal = _refusalOfProvision(g, purpose == 0);
        if (refusal.length == 0 && purpose == LISTED) {
            refusal = abi.encodeWithSelector(IDataCatalog.PurposeRepeated.selector, g.id, purpose);
        }
        (bool done,) = _expecting(refusal, g, abi.encodeCall(catalog.listPurpose, (g.id, purpose)));
        if (done && g.watchedId == g.id && g.purpose == purpose) expected.listed = true;
        _requireEffect(g, expected);
    }

    function check_delistPurpose(Given memory g, bytes32 purpose) public {
        Picture memory expected = _arrange(g);
        bytes memory refusal = _refusalOfWithdrawal(g);
        if (refusal.length == 0 && purpose != LISTED) {
            refusal = abi.encodeWithSelector(IDataCatalog.PurposeNotListed.selector, g.id, purpose);
        }
        (bool done,) = _expecting(refusal, g, abi.encodeCall(catalog.delistPurpose, (g.id, purpose)));
        if (done && g.watchedId == g.id && g.purpose == purpose) expected.listed = false;
        _requireEffect(g, expected);
    }

    function check_publishVersion(Given memory g, bytes32 schemaDigest, bytes32 contentDigest) public {
        Picture memory expected = _arrange(g);
        bytes memory refusal = _refusalOfProvision(g, schemaDigest == 0 || contentDigest == 0);
        bytes memory data = abi.encodeCall(catalog.publishVersion, (g.id, schemaDigest, contentDigest));
        (bool done, bytes memory answer) = _expecting(refusal, g, data);
        uint32 version = _reached(g, Stage.Published) ? 2 : 1;
        if (done) vm.assertEq(abi.decode(answer, (uint256)), version, "the version told");
        if (done && g.watchedId == g.id) {
            expected.dataset.version = version;
            if (g.number == version) expected.version = DatasetVersion(schemaDigest, contentDigest);
        }
        _requireEffect(g, expected);
    }

    function check_publishMatchingKey(Given memory g, uint32 epoch, bytes32 key) public {
        Picture memory expected = _arrange(g);
        bytes memory refusal = _refusalOfProvision(g, key == 0);
        uint32 latest = _reached(g, Stage.Published) ? 1 : 0;
        if (refusal.length == 0 && epoch != latest + 1) {
            refusal = abi.encodeWithSelector(IDataCatalog.EpochOutOfOrder.selector, g.id, epoch, latest);
        }
        (bool done,) = _expecting(refusal, g, abi.encodeCall(catalog.publishMatchingKey, (g.id, epoch, key)));
        if (done && g.watchedId == g.id) {
            expected.dataset.epoch = epoch;
            if (g.number == epoch) expected.matchingKey = key;
        }
        _requireEffect(g, expected);
    }

    function check_withdrawMatchingKey(Given memory g, uint32 epoch) public {
        Picture memory expected = _arrange(g);
        bytes memory refusal = _refusalOfWithdrawal(g);
        if (refusal.length == 0) refusal = _refusalOfKey(g, epoch);
        (bool done,) = _expecting(refusal, g, abi.encodeCall(catalog.withdrawMatchingKey, (g.id, epoch)));
        if (done && g.watchedId == g.id && g.number == epoch) expected.matchingKey = 0;
        _requireEffect(g, expected);
    }

    function check_retire(Given memory g) public {
        Picture memory expected = _arrange(g);
        bytes memory refusal = _refusalOfWithdrawal(g);
        if (refusal.length == 0) refusal = _refusalOfOffer(g);
        (bool done,) = _expecting(refusal, g, abi.encodeCall(catalog.retire, (g.id)));
        if (done && g.watchedId == g.id) expected.dataset.retired = true;
        _requireEffect(g, expected);
    }

    function check_requireUsable(Given memory g) public {
        _arrange(g);
        bytes memory refusal = _refusalOfOffer(g);
        if (refusal.length == 0 && g.purpose != LISTED) {
            refusal = abi.encodeWithSelector(IDataCatalog.PurposeNotListed.selector, g.id, g.purpose);
        }
        _expecting(refusal, g, abi.encodeCall(catalog.requireUsable, (g.id, g.purpose)));
    }

    function check_matchingKeyOf(Given memory g) public {
        _arrange(g);
        (bool done, bytes memory answer) =
            _expecting(_refusalOfKey(g, g.number), g, abi.encodeCall(catalog.matchingKeyOf, (g.id, g.number)));
        if (done) vm.assertEq(abi.decode(answer, (bytes32)), keccak256("key"), "the key");
    }

    // ------------------------------------------------------------------ at random

    function test_register(Given memory g, uint8 classification, bytes32[] memory purposes, uint8 who, uint8 spoil)
        public
    {
        _meet(g, who);
        uint256 count = purposes.length;
        if (spoil == 1) g.id = 0;
        if (spoil == 3 && count > 0) purposes[count - 1] = 0;
        if (spoil == 4 && count > 1) purposes[count - 1] = purposes[0];
        if (spoil == 5 && count > 0) g.purpose = purposes[0];
        check_register(g, classification % 6, purposes);
    }

    function test_listPurpose(Given memory g, bytes32 purpose, uint8 who, uint8 pick) public {
        _meet(g, who);
        check_listPurpose(g, [bytes32(0), LISTED, g.purpose, purpose][pick % 4]);
    }

    function test_delistPurpose(Given memory g, bytes32 purpose, uint8 who, uint8 pick) public {
        _meet(g, who);
        check_delistPurpose(g, [LISTED, LISTED, g.purpose, purpose][pick % 4]);
    }

    function test_publishVersion(Given memory g, bytes32 schemaDigest, bytes32 contentDigest, uint8 who) public {
        _meet(g, who);
        check_publishVersion(g, schemaDigest, contentDigest);
    }

    function test_publishMatchingKey(Given memory g, uint32 epoch, bytes32 key, uint8 who) public {
        _meet(g, who);
        check_publishMatchingKey(g, epoch % 4, key);
    }

    function test_withdrawMatchingKey(Given memory g, uint32 epoch, uint8 who) public {
        _meet(g, who);
        check_withdrawMatchingKey(g, epoch % 3);
    }

    function test_retire(Given memory g, uint8 who) public {
        _meet(g, who);
        check_retire(g);
    }

    function test_requireUsable(Given memory g, uint8 who) public {
        _meet(g, who);
        check_requireUsable(g);
    }

    function test_matchingKeyOf(Given memory g, uint8 who) public {
        _meet(g, who);
        check_matchingKeyOf(g);
    }

    /// Chance alone would seldom bring together a caller, a dataset and a number that the contract knows.
    function _meet(Given memory g, uint8 who) private pure {
        if (who % 6 != 0) g.caller = [ADMIN, PROVIDER, PROVIDER, OTHER_PROVIDER, PAUSER][who % 6 - 1];
        if (who % 4 != 0) g.id = KNOWN;
        if (who % 8 != 0) g.watchedId = who % 8 < 4 ? KNOWN : g.id;
        if (who % 3 != 0) g.purpose = LISTED;
        g.stage %= 5;
        g.number %= 3;
        g.paused = g.paused && who % 5 == 0;
    }

    // ------------------------------------------------------------------ what must be refused

    function _refusalOfRegister(Given memory g, uint8 classification, bytes32[] memory purposes)
        private
        pure
        returns (bytes memory refusal)
    {
        refusal = _refusalOfOffice(g);
        if (refusal.length != 0) return refusal;
        if (g.id == 0) return _zeroField(g);
        if (_reached(g, Stage.Registered)) {
            return abi.encodeWithSelector(IDataCatalog.DatasetExists.selector, g.id, PROVIDER);
        }
        if (classification < 1 || classification > 4) {
            return abi.encodeWithSelector(IDataCatalog.ClassificationOutOfRange.selector, g.id, classification);
        }
        if (purposes.length == 0) return abi.encodeWithSelector(IDataCatalog.NoPurpose.selector, g.id);
        for (uint256 i = 0; i < purposes.length; ++i) {
            if (purposes[i] == 0) return _zeroField(g);
            for (uint256 j = 0; j < i; ++j) {
                if (purposes[j] == purposes[i]) {
                    return abi.encodeWithSelector(IDataCatalog.PurposeRepeated.selector, g.id, purposes[i]);
                }
            }
        }
    }

    /// Of what only the dataset's own provider adds, in office and while nothing is paused.
    function _refusalOfProvision(Given memory g, bool zeroField) private pure returns (bytes memory refusal) {
        refusal = _refusalOfOffice(g);
        if (refusal.length == 0) refusal = _refusalOfOffer(g);
        if (refusal.length == 0 && g.caller != PROVIDER) refusal = _notTheProvider(g);
        if (refusal.length == 0 && zeroField) refusal = _zeroField(g);
    }

    /// Of what withdraws: neither a pause nor retirement stops it, and the admin may do it too.
    function _refusalOfWithdrawal(Given memory g) private pure returns (bytes memory refusal) {
        if (!_reached(g, Stage.Registered)) return _unknown(g);
        if (g.caller != PROVIDER && g.caller != ADMIN) refusal = _notTheProvider(g);
    }

    function _refusalOfOffice(Given memory g) private pure returns (bytes memory) {
        if (g.caller != PROVIDER && g.caller != OTHER_PROVIDER) return _lacksRole(g.caller, PROVIDER_ROLE);
        return g.paused ? _isPaused() : bytes("");
    }

    function _refusalOfOffer(Given memory g) private pure returns (bytes memory) {
        if (!_reached(g, Stage.Registered)) return _unknown(g);
        if (_reached(g, Stage.Retired)) {
            return abi.encodeWithSelector(IDataCatalog.DatasetNoLongerOffered.selector, g.id);
        }
        return "";
    }

    function _refusalOfKey(Given memory g, uint32 epoch) private pure returns (bytes memory) {
        bool published = epoch == 1 && _reached(g, Stage.Published) && g.stage != uint8(Stage.Withdrawn);
        return published ? bytes("") : abi.encodeWithSelector(IDataCatalog.NoMatchingKey.selector, g.id, epoch);
    }

    function _unknown(Given memory g) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDataCatalog.DatasetUnknown.selector, g.id);
    }

    function _zeroField(Given memory g) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDataCatalog.ZeroField.selector, g.id);
    }

    function _notTheProvider(Given memory g) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDataCatalog.NotTheProvider.selector, g.id, g.caller, PROVIDER);
    }

    // ------------------------------------------------------------------ arrangement, and what must follow

    function _arrange(Given memory g) private returns (Picture memory) {
        g.stage = _each(g.stage, uint8(Stage.Retired));
        if (g.stage >= uint8(Stage.Registered)) {
            bytes32[] memory purposes = new bytes32[](1);
            purposes[0] = LISTED;
            vm.prank(PROVIDER);
            catalog.register(KNOWN, 2, purposes);
        }
        if (g.stage >= uint8(Stage.Published)) {
            vm.prank(PROVIDER);
            catalog.publishVersion(KNOWN, keccak256("schema"), keccak256("content"));
            vm.prank(PROVIDER);
            catalog.publishMatchingKey(KNOWN, 1, keccak256("key"));
        }
        if (g.stage >= uint8(Stage.Withdrawn)) {
            vm.prank(PROVIDER);
            if (g.stage == uint8(Stage.Withdrawn)) catalog.withdrawMatchingKey(KNOWN, 1);
            else catalog.retire(KNOWN);
        }
        if (g.paused) _pause(address(catalog));
        return _picture(g);
    }

    function _expecting(bytes memory refusal, Given memory g, bytes memory data)
        private
        returns (bool done, bytes memory answer)
    {
        return _callExpecting(refusal, g.caller, address(catalog), data);
    }

    /// What is watched is as expected: effect, or no side effect.
    function _requireEffect(Given memory g, Picture memory expected) private view {
        vm.assertEq(abi.encode(_picture(g)), abi.encode(expected), "what is watched");
    }

    function _picture(Given memory g) private view returns (Picture memory) {
        (bool published, bytes memory key) =
            address(catalog).staticcall(abi.encodeCall(catalog.matchingKeyOf, (g.watchedId, g.number)));
        return Picture(
            catalog.datasetOf(g.watchedId),
            catalog.lists(g.watchedId, g.purpose),
            catalog.versionOf(g.watchedId, g.number),
            published ? abi.decode(key, (bytes32)) : bytes32(0)
        );
    }

    function _reached(Given memory g, Stage stage) private pure returns (bool) {
        return g.id == KNOWN && g.stage >= uint8(stage);
    }

    function _among(bytes32[] memory all, bytes32 one) private pure returns (bool) {
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i] == one) return true;
        }
        return false;
    }
}
