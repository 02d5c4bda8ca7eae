"""A hospital delivers its own format, an operator says how it is read, an auditor finds the way back."""

import json
from typing import Any

import httpx
import pytest

from tests.api.world import OURS, THEIRS, World, settlement
from tests.settlement.sources.calls import call

MAPPING = """\
source: his
hospital: {hospital}
format: national
version: {{number: {number}, holds_from: 2024-01-01}}
codes:
  discharge_way: [{{local: "{local}", standard: "1"}}]
"""


def register(world: World, number: int = 1, local: str = "h", hospital: str = OURS) -> httpx.Response:
    text = MAPPING.format(hospital=hospital, number=number, local=local)
    with world.http("operator") as http:
        return http.post("/v1/sources", content=text.encode(), headers={"Content-Type": "application/yaml"})


def post(world: World, path: str, raw: bytes = b"", who: str = OURS) -> httpx.Response:
    with world.http(who) as http:
        headers = {"Content-Type": "application/octet-stream"}
        return http.post(path, content=raw, headers=headers, auth=world.signer(who))


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines() if line]


@pytest.fixture
def world(world: World) -> World:
    register(world)
    return world


def test_a_delivery_is_told_record_by_record_and_found_again_from_its_claim(world: World) -> None:
    native = settlement()
    raw = json.dumps(native).encode()
    receipt, record, last = lines(post(world, "/v1/deliveries?source=his", raw))
    assert (receipt["size"], record["outcome"], last["records"]) == (len(raw), "accepted", {"accepted": 1})
    with world.http("auditor") as http:
        found = http.get(f"/v1/claims/{record['claim_id']}/lineage").json()
    assert [one["body_digest"] for one in found["delivered"]] == [receipt["body_digest"]]
    with world.http(OURS) as http:
        view = http.get(f"/v1/deliveries/{receipt['delivery_id']}").json()
        page = http.get("/v1/deliveries").json()
    assert view["readings"][0]["records"] == {"accepted": 1}
    assert receipt["delivery_id"] in [item["delivery_id"] for item in page["items"]]


def test_a_hospital_finds_the_reports_on_a_stay_of_its_own(world: World) -> None:
    native = settlement(mdtrt_id="VISIT-R1")
    setl_id = native["setlinfo"]["setl_id"]
    given = {"labinfo": {"mdtrt_id": "VISIT-R1", "rpotc_no": "R1"}}
    raw = json.dumps(native).encode() + b"\n" + json.dumps(call("4502", native, given)).encode()
    receipt, *told, _ = lines(post(world, "/v1/deliveries?source=his", raw))
    assert [one["outcome"] for one in told] == ["accepted", "noted"]
    with world.http(OURS) as ours, world.http(THEIRS) as theirs, world.http("insurer") as insurer:
        (report,) = ours.get(f"/v1/settlements/{setl_id}/reports").json()["items"]
        assert theirs.get(f"/v1/settlements/{setl_id}/reports").status_code == 404
        assert insurer.get(f"/v1/claims/{told[0]['claim_id']}").json()["reports"] == 1
    assert report["delivery_id"] == receipt["delivery_id"]


def test_a_code_without_a_mapping_is_listed_and_a_better_mapping_reads_it(world: World) -> None:
    native = settlement(dscg_way="home")
    receipt, record, _ = lines(post(world, "/v1/deliveries?source=his", json.dumps(native).encode()))
    assert (record["outcome"], record["errors"][0]["field"]) == ("quarantined", "/setlinfo/dscg_way")
    with world.http(OURS) as http:
        (unmapped,) = [
            one for one in http.get("/v1/sources/unmapped").json()["items"] if one["local"] == "home"
        ]
        assert (unmapped["dictionary"], unmapped["seen"]) == ("discharge_way", 1)
        assert "his" in {one["source"] for one in http.get("/v1/sources").json()["items"]}
    assert register(world, number=2, local="home").status_code == 201
    again, _ = lines(post(world, f"/v1/deliveries/{receipt['delivery_id']}:read"))
    assert again["outcome"] == "accepted"


def test_what_stands_in_the_way_of_a_delivery_has_its_code(world: World) -> None:
    for path, raw, status, code in (
        ("/v1/deliveries?source=unknown", b"{}", 404, "source.unknown"),
        ("/v1/deliveries?source=NO", b"{}", 422, "request.invalid"),
        ("/v1/deliveries/dlv_" + "0" * 24 + ":read", b"", 404, "delivery.unknown"),
    ):
        response = post(world, path, raw)
        assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert register(world, number=1, local="other").json()["code"] == "source.version_held"
    problem = register(world, hospital="nowhere").json()
    assert (problem["code"], problem["errors"][0]["field"]) == ("source.mapping_invalid", "/hospital")


def test_bytes_that_are_nothing_are_kept_and_refused(world: World) -> None:
    receipt, *told, last = lines(post(world, "/v1/deliveries?source=his", b"\x00\xff" * 300))
    assert receipt["created"]
    assert told == []
    assert last["refused"][0]["rule"].startswith("source.")


def test_a_delivery_is_no_other_hospitals(world: World) -> None:
    register(world, hospital=THEIRS)
    receipt, *_ = lines(post(world, "/v1/deliveries?source=his", json.dumps(settlement()).encode()))
    assert post(world, f"/v1/deliveries/{receipt['delivery_id']}:read", who=THEIRS).status_code == 404
    _, record, _ = lines(post(world, "/v1/deliveries?source=his", json.dumps(settlement()).encode(), THEIRS))
    assert (record["outcome"], record["errors"][0]["rule"]) == ("quarantined", "source.hospital.other")
