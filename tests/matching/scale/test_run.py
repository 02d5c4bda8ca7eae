"""What is refused before anything is run, and on what word of the other side's."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from engine.matching.errors import ScaleMissing, ScaleRefused
from engine.matching.scale.link import Link, Tls, run_certificate
from engine.matching.scale.run import PROTOCOL, Run, Side, check_peer, intersect

_HERE = Link("127.0.0.1:7001", "127.0.0.1:7002")


def _run(folder: Path, **what: Any) -> Run:
    return Run(**{"id": bytes(32), "side": Side.PROVIDER, "link": _HERE, "folder": folder} | what)


def test_where_the_extra_is_not_installed_it_says_how_to(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", python=tmp_path / "no-such-python")
    with pytest.raises(ScaleMissing, match="make psi-scale") as caught:
        intersect([b"person"], run, os.urandom)
    assert (caught.value.code, caught.value.status) == ("match.scale_missing", 503)
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize(
    ("link", "field"),
    [
        (Link("0.0.0.0:7001", "127.0.0.1:7002"), "own"),
        (Link("127.0.0.1:7001", "insurer.example:7002"), "peer"),
        (Link("127.0.0.1", "127.0.0.1:7002"), "own"),
        (Link("127.0.0.1:7001", "127.0.0.1:0"), "peer"),
        (Link("node:1", "engine:2", Tls(Path("no.crt"), Path("no.key"), Path("ca.crt"))), "tls"),
    ],
)
def test_without_tls_only_this_machine_is_spoken_to(tmp_path: Path, link: Link, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        intersect([], _run(tmp_path, link=link), os.urandom)


def test_a_run_has_an_id_of_32_bytes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32 bytes, not 4"):
        intersect([], _run(tmp_path, id=b"task"), os.urandom)


_OWN = {"format": "autoclaim-scale/1", **PROTOCOL, "spu": "0.9.5", "run": "aa", "side": "insurer"}
_PEER = _OWN | {"side": "provider", "count": 2048, "finished": [0]}


def test_a_side_that_wants_the_same_is_run_against() -> None:
    check_peer(_OWN, _PEER, most_of_peer=2000)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "autoclaim-scale/0"),
        ("protocol", "PROTOCOL_ECDH"),
        ("low_comm_mode", True),
        ("spu", "0.9.4"),
        ("run", "bb"),
        ("side", "insurer"),
        ("side", None),
        ("count", 1024 * 3),
        ("count", 1000),
        ("count", -1024),
        ("count", "2048"),
        ("finished", "0"),
        ("finished", ["0"]),
    ],
)
def test_a_side_that_wants_anything_else_is_refused(field: str, value: object) -> None:
    with pytest.raises(ScaleRefused) as caught:
        check_peer(_OWN, _PEER | {field: value}, most_of_peer=2000)
    assert (caught.value.field, caught.value.code) == (field, "match.scale_refused")
    with pytest.raises(ScaleRefused):
        check_peer(_OWN, [field, value], most_of_peer=None)


def test_a_run_has_a_certificate_of_its_own_that_nobody_else_signed(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate, key = run_certificate(tmp_path / "one", now)
    made = certificate.read_bytes()
    parsed = x509.load_pem_x509_certificate(made)
    parsed.verify_directly_issued_by(parsed)
    assert parsed.not_valid_before_utc < now < parsed.not_valid_after_utc
    assert key.stat().st_mode & 0o077 == 0
    assert run_certificate(tmp_path / "one", now) == (certificate, key)
    assert certificate.read_bytes() == made != run_certificate(tmp_path / "other", now)[0].read_bytes()
    run_certificate(tmp_path / "one", parsed.not_valid_after_utc)
    assert certificate.read_bytes() != made
