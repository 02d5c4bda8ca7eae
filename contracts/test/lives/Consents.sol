// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Grant, Liveness} from "../../src/interfaces/IAuthorizationRegistry.sol";
import {Promise, Willing, World} from "./World.sol";

/// @notice Authorizations granted in each of the ways, renewed and revoked.
abstract contract Consents is World {
    struct Consent {
        Grant g;
        bytes32 id;
        uint40 expires;
        bool revoked;
    }

    Consent[] internal consents;
    address private insured = address(new Willing());

    function grant(uint256 chance) external {
        Grant memory g = Grant(
            bytes32(1 + _pick(chance, 3)),
            purposes[chance & 1],
            keccak256(abi.encode(consents.length)),
            insured,
            address(0),
            uint40(time + 1 hours + (chance >> 64) % 10 days)
        );
        bytes32 id = registry.idOf(g);
        if (!_granted(g, id, chance >> 96)) return;
        _promise(Promise.PauseStopsGrants, !paused[address(registry)]);
        consents.push(Consent(g, id, g.expires, false));
    }

    function _granted(Grant memory g, bytes32 id, uint256 chance) private returns (bool) {
        if (chance & 1 == 0) {
            return _done(address(this), address(registry), abi.encodeCall(registry.grant, (g, time, "")));
        }
        // a wave of one, whose root is the id
        bytes memory wave = abi.encodeCall(registry.grantWave, (id, 1, g.scope, g.expires, keccak256("text")));
        _done(ENROLLER, address(registry), wave);
        bytes memory leaf = abi.encodeCall(registry.materialize, (id, g, new bytes32[](0)));
        return _done(address(this), address(registry), leaf);
    }

    function renew(uint256 chance) external {
        if (consents.length == 0) return;
        Consent storage c = consents[_recent(chance, consents.length)];
        uint40 until = c.expires + uint40((chance >> 64) % 5 days);
        bytes memory data = abi.encodeCall(registry.renew, (c.g, until, keccak256("again"), insured, time, ""));
        if (!_done(address(this), address(registry), data)) return;
        _promise(Promise.RevokedForGood, !c.revoked);
        _promise(Promise.ConsentLive, time < c.expires && until > c.expires);
        _promise(Promise.PauseStopsGrants, !paused[address(registry)]);
        c.expires = until;
    }

    /// By the insured or the revoker's office; one in two only, or little would ever be recorded.
    function revoke(uint256 chance) external {
        if (consents.length == 0 || chance & 1 == 0) return;
        Consent storage c = consents[_recent(chance, consents.length)];
        bool own = chance >> 64 & 1 == 0;
        address caller = own ? address(this) : _caller(REVOKER, chance);
        bytes memory data = own
            ? abi.encodeCall(registry.revoke, (c.g, insured, time, ""))
            : abi.encodeCall(registry.revokeFor, (c.id));
        bool done = _done(caller, address(registry), data);
        _promise(Promise.PauseNeverStopsWithdrawals, done == (!c.revoked && (own || caller == REVOKER)));
        c.revoked = c.revoked || done;
    }

    /// Of every authorization, and of none that was not granted.
    function consentsAreAsGranted() external view returns (bool) {
        for (uint256 i = 0; i < consents.length; ++i) {
            Consent storage c = consents[i];
            Liveness expected = c.revoked ? Liveness.Revoked : time < c.expires ? Liveness.Live : Liveness.Expired;
            if (registry.liveness(c.id, c.g.scope, c.g.subject, uint40(time)) != expected) return false;
        }
        bytes32 never = keccak256(abi.encode("never granted", consents.length));
        return registry.liveness(never, purposes[0], bytes32(uint256(1)), uint40(time)) == Liveness.Unknown;
    }

    function _isLive(Consent storage c, bytes32 purpose, bytes32 subject) internal view returns (bool) {
        return !c.revoked && time < c.expires && c.g.scope == purpose && c.g.subject == subject;
    }
}
