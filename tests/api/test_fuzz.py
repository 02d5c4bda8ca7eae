"""Whatever bytes a hospital sends: an answer with a stable code, never a 500, and nothing half written."""

import io
import json
import zipfile
from copy import deepcopy
from functools import cache
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, func, select

from api.signing import HospitalSigner
from engine.pipeline import parties
from engine.settlement.hospitals import load_register
from engine.store.api_keys import Role
from engine.store.deliveries import DeliveredRecord, Reading
from engine.store.tables import Claim, Settlement
from tests.api.world import OURS, World, settlement
from tests.settlement.conftest import PLAIN
from tests.settlement.sources import hospital_files as files
from tests.settlement.sources.calls import of_settlement, written
from tests.settlement.sources.claims import interchange
from tests.settlement.sources.fhir.bundles import bundle_of, encoded
from tests.settlement.sources.hl7 import Writer, batch
from tests.support.process import REPOSITORY

SOURCES = ("csv", "excel", "national", "fhir", "hl7v2", "x12")
HL7 = "H31011500005"
"""Of the mapping example-hl7v2."""
OUTCOMES = {"accepted", "quarantined", "refused", "waiting", "reversed", "noted"}
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["set", "cut", "put"]), st.binary(min_size=1, max_size=6)),
    max_size=5,
)


def mutated(raw: bytes, edits: list[tuple[float, str, bytes]]) -> bytes:
    for where, how, piece in edits:
        at = int(where * len(raw))
        rest = {"set": at + len(piece), "cut": at + 40 * len(piece), "put": at}[how]
        raw = raw[:at] + (b"" if how == "cut" else piece) + raw[rest:]
    return raw


@cache
def samples() -> dict[str, bytes]:
    """A good delivery of each source."""
    return {
        "csv": files.csv_file(files.bodies(2, files.CSV), title=True, total=True),
        "excel": files.workbook(files.bodies(1, files.EXCEL)),
        "national": written(of_settlement(stay("N"))),
        "fhir": encoded(bundle_of(stay("F"))),
        "hl7v2": batch([Writer().charges(stay("H", HL7)), Writer().discharge(stay("H", HL7))]),
        "x12": interchange([stay("X")]).encode(),
    }


def stay(mark: str, hospital: str = OURS) -> dict[str, Any]:
    """One under numbers of its own, so that no source's is another's."""
    made = deepcopy(PLAIN)
    made["setlinfo"] |= {"setl_id": f"{mark}000000000001", "mdtrt_id": f"{mark}V00000000001"}
    made["setlinfo"]["fixmedins_code"] = hospital
    return made


class Senders:
    """The hospitals of the seeds' mapping files, each with its source registered."""

    def __init__(self, world: World) -> None:
        self.world, self.of = world, {}
        for name in SOURCES:
            path = REPOSITORY / "seeds" / "sources" / f"example-{name}.yaml"
            code = next(line for line in path.read_text("utf-8").splitlines() if line.startswith("hospital:"))
            self.of[name] = code.removeprefix("hospital:").strip()
            self._register(self.of[name])
            headers = {"Content-Type": "application/yaml"}
            with world.http("operator") as http:
                kept = http.post("/v1/sources", content=path.read_bytes(), headers=headers)
            assert kept.status_code == 201, kept.text

    def _register(self, code: str) -> None:
        if code in self.world.tokens:
            return
        key = self.world.keys[OURS]
        public = key.public_key().public_bytes_raw()
        parties.register_hospital(self.world.ctx, load_register().hospitals[code], f"{code}-1", public)
        self.world.keys[code] = key
        self.world.tokens[code] = self.world.token(Role.HOSPITAL, code)

    def post(self, path: str, raw: bytes, who: str, kind: str = "application/octet-stream") -> httpx.Response:
        signer = HospitalSigner(f"{who}-1", self.world.keys[who], self.world.clock)
        with self.world.http(who) as http:
            return http.post(path, content=raw, headers={"Content-Type": kind}, auth=signer)

    def deliver(self, name: str, raw: bytes) -> list[dict[str, Any]]:
        """What was told record by record, held to what is kept."""
        response = self.post(f"/v1/deliveries?source=example-{name}", raw, self.of[name])
        assert response.status_code == 200, response.text
        receipt, *told, last = [json.loads(line) for line in response.text.splitlines()]
        assert {one["outcome"] for one in told} <= OUTCOMES
        assert sum(last["records"].values()) == len(told)
        self._nothing_is_half_written(receipt["delivery_id"], told)
        return told

    def _nothing_is_half_written(self, delivery_id: str, told: list[dict[str, Any]]) -> None:
        with self.world.ctx.database.reading() as session:
            reading = session.exec(
                select(Reading).where(Reading.delivery_id == delivery_id).order_by(col(Reading.run).desc())
            ).first()
            assert reading is not None
            assert reading.ended_at is not None
            kept = session.exec(select(DeliveredRecord).where(DeliveredRecord.reading_id == reading.id)).all()
            settlements = session.exec(select(func.count()).select_from(Settlement)).one()
            claims = session.exec(select(func.count()).select_from(Claim)).one()
        assert [one.outcome for one in kept] == [one["outcome"] for one in told]
        assert all((one.settlement_id is not None) == (one.outcome == "accepted") for one in kept)
        assert claims == settlements


@pytest.fixture(scope="module")
def senders(world: World) -> Senders:
    return Senders(world)


@pytest.mark.parametrize("name", SOURCES)
def test_a_good_delivery_of_each_source_is_accepted(senders: Senders, name: str) -> None:
    told = senders.deliver(name, samples()[name])
    assert "accepted" in {one["outcome"] for one in told}, told


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "excel"])
@FEW
@given(edits=EDITS)
def test_a_spoilt_delivery_comes_to_an_answer(
    senders: Senders, name: str, edits: list[tuple[float, str, bytes]]
) -> None:
    senders.deliver(name, mutated(samples()[name], edits))


@settings(FEW, max_examples=6)
@given(edits=EDITS)
def test_a_spoilt_workbook_comes_to_an_answer(
    senders: Senders, edits: list[tuple[float, str, bytes]]
) -> None:
    senders.deliver("excel", mutated(samples()["excel"], edits))


@FEW
@given(edits=EDITS, path=st.sampled_from(["/v1/settlements", "/v1/settlements:batch"]))
def test_a_spoilt_settlement_comes_to_an_answer(
    senders: Senders, path: str, edits: list[tuple[float, str, bytes]]
) -> None:
    raw = mutated(json.dumps(settlement(), ensure_ascii=False).encode(), edits)
    kind = "application/x-ndjson" if path.endswith("batch") else "application/json"
    with senders.world.http(OURS) as http:
        headers = {"Content-Type": kind, "Idempotency-Key": "fuzz-" + str(abs(hash(raw)))}
        response = http.post(path, content=raw, headers=headers, auth=senders.world.signer())
    assert response.status_code in {200, 202, 409, 422}, response.text
    if response.status_code in {409, 422}:
        assert response.json()["code"]


@FEW
@given(raw=st.binary(max_size=400), kind=st.sampled_from(["application/fhir+json", "application/json"]))
def test_what_is_no_fhir_is_told_so(senders: Senders, raw: bytes, kind: str) -> None:
    path = "/v1/fhir/Claim/$submit?source=example-fhir"
    response = senders.post(path, raw, senders.of["fhir"], kind)
    assert response.status_code in {200, 422}, response.text


@cache
def bombs() -> dict[str, bytes]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", "<x/>")
        book.writestr("xl/workbook.xml", bytes(40 << 20))
    entities = '<!DOCTYPE a [<!ENTITY b "' + "x" * 1000 + '"><!ENTITY c "' + "&b;" * 1000 + '">]><a>&c;</a>'
    laughs = io.BytesIO()
    with zipfile.ZipFile(laughs, "w") as book:
        book.writestr("xl/workbook.xml", entities)
    return {
        "zip bomb": packed.getvalue(),
        "xml bomb": laughs.getvalue(),
        "10,000 deep": b'{"a":' * 10_000,
        "10,000 lists deep": b"[" * 10_000,
        "NUL": bytes(100_000),
        "one line": b"x" * (8 << 20),
        "one number": b'{"input": ' + b"9" * 1_000_000 + b"}",
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10,
        "nothing": b"",
    }


@pytest.mark.parametrize("bomb", bombs())
@pytest.mark.parametrize("name", SOURCES)
def test_a_bomb_accepts_nothing_and_is_answered(senders: Senders, name: str, bomb: str) -> None:
    told = senders.deliver(name, bombs()[bomb])
    assert "accepted" not in {one["outcome"] for one in told}
