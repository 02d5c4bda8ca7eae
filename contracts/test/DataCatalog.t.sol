// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Dataset, IDataCatalog} from "../src/interfaces/IDataCatalog.sol";
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
        Published,
        Retired
    }

    /// Where a call starts: how far KNOWN has come, who calls about which id, and what else is watched.
    struct Given {
        uint8 stage;
        address caller;
        bytes32 id;
        bytes32 probe;
        bytes32 purpose;
    }

    struct Registration {
        bytes32 schemaDigest;
        uint8 classification;
        bytes32[] purposes;
    }

    IDataCatalog private catalog;

    function setUp() public {
        catalog = IDataCatalog(_deploy("DataCatalog.sol:DataCatalog", abi.encode(ADMIN)));
        _appoint(address(catalog), PROVIDER_ROLE, PROVIDER);
        _appoint(address(catalog), PROVIDER_ROLE, OTHER_PROVIDER);
    }

    function check_register(Given memory g, Registration memory r) public {
        _arrange(g);
        Dataset memory expected = catalog.datasetOf(g.id);
        bytes memory before = _state(g.probe);
        bool listed = catalog.lists(g.id, g.purpose);

        (bool done,) = _callExpecting(
            _refusalOfRegister(g, r),
            g.caller,
            address(catalog),
            abi.encodeCall(catalog.register, (g.id, r.schemaDigest, r.classification, r.purposes))
        );

        // effect
        if (done) {
            expected.provider = g.caller;
            expected.classification = r.classification;
            expected.schemaDigest = r.schemaDigest;
        }
        vm.assertEq(abi.encode(catalog.datasetOf(g.id)), abi.encode(expected), "the dataset");
        bool listedNow = listed || (done && _among(r.purposes, g.purpose));
        vm.assertEq(catalog.lists(g.id, g.purpose), listedNow, "its purposes");
        // no side effect
        if (g.probe != g.id) vm.assertEq(_state(g.probe), before, "another dataset");
    }

    function check_publishVersion(Given memory g, bytes32 contentDigest, bytes32 matchingKey) public {
        _arrange(g);
        Dataset memory expected = catalog.datasetOf(g.id);
        bytes memory before = _state(g.probe);

        (bool done, bytes memory answer) = _callExpecting(
            _refusalOfPublish(g, contentDigest == 0 || matchingKey == 0),
            g.caller,
            address(catalog),
            abi.encodeCall(catalog.publishVersion, (g.id, contentDigest, matchingKey))
        );

        // effect
        if (done) {
            ++expected.version;
            expected.contentDigest = contentDigest;
            expected.matchingKey = matchingKey;
            vm.assertEq(abi.decode(answer, (uint256)), expected.version, "the version told");
        }
        vm.assertEq(abi.encode(catalog.datasetOf(g.id)), abi.encode(expected), "the dataset");
        // no side effect
        if (g.probe != g.id) vm.assertEq(_state(g.probe), before, "another dataset");
    }

    function check_retire(Given memory g) public {
        _arrange(g);
        Dataset memory expected = catalog.datasetOf(g.id);
        bytes memory before = _state(g.probe);

        (bool done,) = _callExpecting(
            _refusalOfRetire(g), g.caller, address(catalog), abi.encodeCall(catalog.retire, (g.id))
        );

        // effect
        if (done) expected.retired = true;
        vm.assertEq(abi.encode(catalog.datasetOf(g.id)), abi.encode(expected), "the dataset");
        // no side effect
        if (g.probe != g.id) vm.assertEq(_state(g.probe), before, "another dataset");
    }

    function check_requireUsable(Given memory g) public {
        _arrange(g);
        bytes memory refusal = _refusalOfOffer(g);
        if (refusal.length == 0 && g.purpose != LISTED) {
            refusal = abi.encodeWithSelector(IDataCatalog.PurposeNotListed.selector, g.id, g.purpose);
        }
        _callExpecting(refusal, g.caller, address(catalog), abi.encodeCall(catalog.requireUsable, (g.id, g.purpose)));
    }

    // ------------------------------------------------------------------ at random

    function test_register(Given memory g, Registration memory r, uint8 who, bool known, uint8 spoil) public {
        _meet(g, who, known);
        uint256 count = r.purposes.length;
        if (spoil == 1) g.id = 0;
        if (spoil == 2) r.schemaDigest = 0;
        if (spoil == 3 && count > 0) r.purposes[count - 1] = 0;
        if (spoil == 4 && count > 1) r.purposes[count - 1] = r.purposes[0];
        if (spoil == 5 && count > 0) g.purpose = r.purposes[0];
        r.classification %= 6;
        check_register(g, r);
    }

    function test_publishVersion(Given memory g, bytes32 contentDigest, bytes32 matchingKey, uint8 who, bool known)
        public
    {
        _meet(g, who, known);
        check_publishVersion(g, contentDigest, matchingKey);
    }

    function test_retire(Given memory g, uint8 who, bool known) public {
        _meet(g, who, known);
        check_retire(g);
    }

    function test_requireUsable(Given memory g, uint8 who, bool known) public {
        _meet(g, who, known);
        if (who > 127) g.purpose = LISTED;
        check_requireUsable(g);
    }

    /// Chance alone would seldom bring a caller and a dataset that the contract knows.
    function _meet(Given memory g, uint8 who, bool known) private pure {
        if (who % 4 != 0) g.caller = [ADMIN, PROVIDER, OTHER_PROVIDER][who % 4 - 1];
        if (known) g.id = KNOWN;
        g.stage %= 4;
    }

    // ------------------------------------------------------------------ what must be refused

    function _refusalOfRegister(Given memory g, Registration memory r) private pure returns (bytes memory) {
        if (!_isProvider(g.caller)) return _lacksRole(g.caller, PROVIDER_ROLE);
        if (g.id == 0 || r.schemaDigest == 0) return abi.encodeWithSelector(IDataCatalog.ZeroField.selector, g.id);
        if (_reached(g, Stage.Registered)) {
            return abi.encodeWithSelector(IDataCatalog.DatasetExists.selector, g.id, PROVIDER);
        }
        if (r.classification < 1 || r.classification > 4) {
            return abi.encodeWithSelector(IDataCatalog.ClassificationOutOfRange.selector, g.id, r.classification);
        }
        if (r.purposes.length == 0) return abi.encodeWithSelector(IDataCatalog.NoPurpose.selector, g.id);
        for (uint256 i = 0; i < r.purposes.length; ++i) {
            bytes32 purpose = r.purposes[i];
            if (purpose == 0) return abi.encodeWithSelector(IDataCatalog.ZeroField.selector, g.id);
            for (uint256 j = 0; j < i; ++j) {
                if (r.purposes[j] == purpose) {
                    return abi.encodeWithSelector(IDataCatalog.PurposeRepeated.selector, g.id, purpose);
                }
            }
        }
        return "";
    }

    function _refusalOfPublish(Given memory g, bool zeroField) private pure returns (bytes memory refusal) {
        if (!_isProvider(g.caller)) return _lacksRole(g.caller, PROVIDER_ROLE);
        refusal = _refusalOfOffer(g);
        if (refusal.length != 0) return refusal;
        if (g.caller != PROVIDER) {
            return abi.encodeWithSelector(IDataCatalog.NotTheProvider.selector, g.id, g.caller, PROVIDER);
        }
        if (zeroField) return abi.encodeWithSelector(IDataCatalog.ZeroField.selector, g.id);
    }

    function _refusalOfRetire(Given memory g) private pure returns (bytes memory refusal) {
        refusal = _refusalOfOffer(g);
        if (refusal.length == 0 && g.caller != PROVIDER && g.caller != ADMIN) {
            return abi.encodeWithSelector(IDataCatalog.NotTheProvider.selector, g.id, g.caller, PROVIDER);
        }
    }

    function _refusalOfOffer(Given memory g) private pure returns (bytes memory) {
        if (!_reached(g, Stage.Registered)) return abi.encodeWithSelector(IDataCatalog.DatasetUnknown.selector, g.id);
        if (_reached(g, Stage.Retired)) {
            return abi.encodeWithSelector(IDataCatalog.DatasetNoLongerOffered.selector, g.id);
        }
        return "";
    }

    // ------------------------------------------------------------------ arrangement

    function _arrange(Given memory g) private {
        vm.assume(g.stage <= uint8(Stage.Retired));
        if (g.stage >= uint8(Stage.Registered)) {
            bytes32[] memory purposes = new bytes32[](1);
            purposes[0] = LISTED;
            vm.prank(PROVIDER);
            catalog.register(KNOWN, keccak256("schema"), 2, purposes);
        }
        if (g.stage >= uint8(Stage.Published)) {
            vm.prank(PROVIDER);
            catalog.publishVersion(KNOWN, keccak256("content"), keccak256("key"));
        }
        if (g.stage >= uint8(Stage.Retired)) {
            vm.prank(PROVIDER);
            catalog.retire(KNOWN);
        }
    }

    function _isProvider(address account) private pure returns (bool) {
        return account == PROVIDER || account == OTHER_PROVIDER;
    }

    function _reached(Given memory g, Stage stage) private pure returns (bool) {
        return g.id == KNOWN && g.stage >= uint8(stage);
    }

    function _state(bytes32 id) private view returns (bytes memory) {
        return abi.encode(catalog.datasetOf(id), catalog.lists(id, LISTED));
    }

    function _among(bytes32[] memory all, bytes32 one) private pure returns (bool) {
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i] == one) return true;
        }
        return false;
    }
}
