"""Who may reach what: every route, every role."""

from datetime import timedelta

import httpx
import pytest
from sqlmodel import select

from api.http.auth import BELIEVED_FOR
from engine.pipeline import parties
from engine.store.api_keys import Role
from engine.store.tables import ApiKey
from tests.api.world import OURS, THEIRS, World, settlement

_H, _I, _A, _O = Role.HOSPITAL, Role.INSURER, Role.AUDITOR, Role.OPERATOR
_EVERYBODY = frozenset({*Role, "nobody"})
MATRIX: dict[str, frozenset[str]] = {
    "POST /v1/settlements": frozenset({_H}),
    "POST /v1/settlements:batch": frozenset({_H}),
    "POST /v1/settlements/{setl_id}/reversal": frozenset({_H}),
    "GET /v1/settlements": frozenset({_H}),
    "GET /v1/settlements/quarantined": frozenset({_H}),
    "GET /v1/settlements/{setl_id}": frozenset({_H}),
    "GET /v1/settlements/{setl_id}/remittance": frozenset({_H}),
    "GET /v1/settlements/{setl_id}/reports": frozenset({_H}),
    "POST /v1/deliveries": frozenset({_H}),
    "GET /v1/deliveries": frozenset({_H}),
    "GET /v1/deliveries/{delivery_id}": frozenset({_H}),
    "POST /v1/deliveries/{delivery_id}:read": frozenset({_H}),
    "POST /v1/fhir": frozenset({_H}),
    "POST /v1/fhir/Claim/$submit": frozenset({_H}),
    "GET /v1/sources": frozenset({_H, _O}),
    "GET /v1/sources/unmapped": frozenset({_H, _O}),
    "GET /v1/sources/dropped": frozenset({_H, _O}),
    "POST /v1/sources": frozenset({_O}),
    "GET /v1/quality/rules": frozenset(Role),
    "GET /v1/quality/scorecard": frozenset({_H, _O}),
    "GET /v1/quality/scorecard.svg": frozenset({_H, _O}),
    "GET /v1/quality/patrol": frozenset({_O}),
    "GET /v1/claims/{claim_id}/lineage": frozenset({_A, _O}),
    "GET /v1/quarantine": frozenset({_O}),
    "GET /v1/quarantine/{quarantine_id}": frozenset({_O}),
    "POST /v1/quarantine/{quarantine_id}:correct": frozenset({_O}),
    "GET /v1/products": frozenset({_I, _A, _O}),
    "POST /v1/products": frozenset({_I}),
    "GET /v1/policies": frozenset({_I}),
    "POST /v1/policies": frozenset({_I}),
    "GET /v1/claims": frozenset({_I}),
    "GET /v1/claims/{claim_id}": frozenset({_I}),
    "POST /v1/claims/{claim_id}/decision": frozenset({_I}),
    "GET /v1/payouts": frozenset({_I}),
    "POST /v1/authorizations:prepare": frozenset({_I}),
    "POST /v1/authorizations": _EVERYBODY,
    "GET /v1/authorizations/{authorization_id}": _EVERYBODY,
    "GET /v1/authorizations/{authorization_id}/revocation": _EVERYBODY,
    "POST /v1/authorizations/{authorization_id}/revocation": _EVERYBODY,
    "GET /v1/evidence/{claim_key}": frozenset({_A, _I}),
    "POST /v1/evidence:verify": frozenset({_A, _I}),
    "GET /v1/chain/events": frozenset({_A, _I, _O}),
    "GET /v1/audit/log": frozenset({_A, _O, _H}),
    "GET /v1/audit/checkpoint": frozenset(Role),
    "POST /v1/audit/checkpoint/signatures": frozenset({_A, _H}),
    "POST /v1/keys": frozenset({_O}),
    "DELETE /v1/keys/{key_id}": frozenset({_O}),
    "POST /v1/hospitals": frozenset({_O}),
    "POST /v1/authorizations/{authorization_id}:revoke": frozenset({_O}),
    "POST /v1/chain/events/{tx_hash}/{log_index}:trigger": frozenset({_O}),
    "GET /v1/totals": frozenset({_A, _I, _O}),
    "POST /v1/persons:erase": frozenset({_O}),
    "GET /v1/retention": frozenset({_O}),
    "GET /v1/match/epochs": frozenset({_H, _O}),
    "POST /v1/match/epochs": frozenset({_O}),
    "DELETE /v1/match/epochs/{epoch}": frozenset({_O}),
    "GET /v1/match/epochs/{epoch}/updates/{update}": frozenset({_H, _O}),
    "PUT /v1/match/offers/{hospital_code}": frozenset({_O}),
    "PUT /v1/match/providers/{address}": frozenset({_O}),
    "POST /v1/match/updates": frozenset({_O}),
    "POST /v1/match/evaluations": frozenset({_H}),
    "POST /v1/match/releases": frozenset({_H}),
    "GET /v1/match/alarms": frozenset({_O}),
    "POST /v1/matching/tasks": frozenset({_I, _O}),
    "GET /v1/matching/tasks": frozenset({_I, _O}),
    "GET /v1/matching/tasks/{task_id}": frozenset({_I, _O}),
    "POST /v1/matching/tasks/{task_id}:cancel": frozenset({_I, _O}),
    "POST /v1/matching/tasks/{task_id}:resolve": frozenset({_O}),
    "GET /v1/match/tasks/{task_id}": frozenset({_H}),
    "POST /v1/match/tasks/{task_id}/evaluations": frozenset({_H}),
    "POST /v1/match/tasks/{task_id}/releases": frozenset({_H}),
    "GET /v1/match/tasks/{task_id}/releases": frozenset({_H}),
    "POST /v1/match/tasks/{task_id}/counts": frozenset({_H}),
    "POST /v1/match/tasks/{task_id}/scale": frozenset({_H}),
    "POST /v1/match/cases": frozenset({_H}),
    "POST /v1/match/decisions": frozenset({_H}),
    "GET /v1/match/wanted": frozenset({_H}),
    "POST /v1/match/disclosures": frozenset({_H}),
    "POST /v1/match/disclosures/{claim_id}": frozenset({_I, _O}),
    "POST /v1/match/disclosures:sample": frozenset({_I, _O}),
    "POST /v1/bank/callback": _EVERYBODY,
    "POST /chain/rpc": _EVERYBODY,
    "GET /healthz": _EVERYBODY,
    "GET /readyz": _EVERYBODY,
    "GET /metrics": _EVERYBODY,
}
_FILLED = {
    "setl_id": "S1",
    "claim_id": "clm_1",
    "authorization_id": "0x" + "00" * 32,
    "claim_key": "0x" + "00" * 32,
    "delivery_id": "dlv_" + "0" * 24,
    "quarantine_id": "1",
    "key_id": "0" * 16,
    "tx_hash": "0x" + "00" * 32,
    "log_index": "0",
    "epoch": "99",
    "update": "0",
    "task_id": "0x" + "00" * 32,
}


def _call(world: World, route: str, who: str) -> httpx.Response:
    method, path = route.split(" ")
    for name, value in _FILLED.items():
        path = path.replace("{" + name + "}", value)
    with world.http(who) as http:
        return http.request(method, path)


def test_the_matrix_holds_every_route_there_is(world: World) -> None:
    paths = world.app.openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert routes == set(MATRIX)


@pytest.mark.parametrize("route", MATRIX)
def test_a_role_reaches_what_is_its_own_and_nothing_else(world: World, route: str) -> None:
    for role in (*Role, "nobody"):
        response = _call(world, route, OURS if role is Role.HOSPITAL else role)
        code = response.json().get("code") if "problem" in response.headers.get("content-type", "") else None
        if role in MATRIX[route]:
            assert code not in {"auth.role", "auth.missing", "auth.invalid"}, (route, role, response.text)
        else:
            expected = (401, "auth.missing") if role == "nobody" else (403, "auth.role")
            assert (response.status_code, code) == expected, (route, role)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer ak_0000000000000000_" + "0" * 64,
        "Bearer ak_x",
        "Basic YTpi",
        "Bearer " + "x" * 5000,
    ],
)
def test_a_key_that_is_none_is_refused_and_the_scheme_is_named(world: World, header: str) -> None:
    with world.http() as http:
        response = http.get("/v1/claims", headers={"Authorization": header})
    assert response.status_code == 401
    assert response.json()["code"] in {"auth.missing", "auth.invalid"}
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_the_right_id_with_another_secret_is_refused(world: World) -> None:
    token = world.tokens["insurer"]
    with world.http() as http:
        other = token[:-1] + ("0" if token[-1] != "0" else "1")
        response = http.get("/v1/claims", headers={"Authorization": f"Bearer {other}"})
    assert response.json()["code"] == "auth.invalid"


def test_a_revoked_key_opens_nothing_from_the_next_call_on(world: World) -> None:
    with world.client("operator") as operator, world.http() as http:
        issued = operator.issue_key("insurer", "for a moment")
        headers = {"Authorization": f"Bearer {issued['token']}"}
        assert http.get("/v1/claims", headers=headers).status_code == 200
        operator.revoke_key(issued["key_id"])
        assert http.get("/v1/claims", headers=headers).json()["code"] == "auth.invalid"


def test_a_key_revoked_elsewhere_opens_nothing_once_it_is_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.client("operator") as operator, world.http() as http:
        issued = operator.issue_key("insurer", "for a moment")
        headers = {"Authorization": f"Bearer {issued['token']}"}
        assert http.get("/v1/claims", headers=headers).status_code == 200
        parties.revoke_key(world.ctx, issued["key_id"])
        monkeypatch.setattr(world.clock, "ahead", BELIEVED_FOR + timedelta(seconds=1))
        assert http.get("/v1/claims", headers=headers).json()["code"] == "auth.invalid"


def test_a_key_is_kept_only_as_its_digest(world: World) -> None:
    secret = world.tokens["insurer"].split("_")[2]
    with world.ctx.database.reading() as session:
        rows = session.exec(select(ApiKey)).all()
    assert rows
    assert not [row for row in rows if secret in row.model_dump_json()]


def test_a_hospital_sees_its_own_settlements_only(world: World) -> None:
    native = settlement(fixmedins_code=THEIRS)
    setl_id = native["setlinfo"]["setl_id"]
    assert world.post_settlement(native, f"isolation-{setl_id}", who=THEIRS).status_code == 202
    refused = settlement(fixmedins_code=THEIRS, medfee_sumamt="1.00")
    assert world.post_settlement(refused, "isolation-refused", who=THEIRS).status_code == 422
    with world.http(OURS) as ours, world.http(THEIRS) as theirs:
        assert theirs.get(f"/v1/settlements/{setl_id}").status_code == 200
        missed = ours.get(f"/v1/settlements/{setl_id}")
        assert (missed.status_code, missed.json()["code"]) == (404, "settlement.unknown")
        listed = ours.get("/v1/settlements", params={"limit": 500}).json()["items"]
        assert setl_id not in {item["setl_id"] for item in listed}
        waiting = ours.get("/v1/settlements/quarantined").json()["items"]
        assert refused["setlinfo"]["setl_id"] not in {item["setl_id"] for item in waiting}
        waiting = theirs.get("/v1/settlements/quarantined").json()["items"]
        assert refused["setlinfo"]["setl_id"] in {item["setl_id"] for item in waiting}
