"""docs/sources-wire.md says what the readers and the seeds do."""

import re

import pytest

from engine.settlement.sources.national import CALLS
from tests.settlement.sources.parts import seed_mapping
from tests.support.process import REPOSITORY

PAGE = (REPOSITORY / "docs" / "sources-wire.md").read_text(encoding="utf-8")
NODES = {"ZST": "setlinfo", "ZIT": "iteminfo", "ZPY": "payinfo", "ZFT": "feedetail"}


@pytest.mark.parametrize("segment", NODES)
def test_a_z_segment_is_mapped_as_the_page_has_it(segment: str) -> None:
    (row,) = re.findall(rf"^\| {segment} \| (.*) \|$", PAGE, re.MULTILINE)
    stated = {
        f"{segment}-{at}.1": name for at, name in enumerate(row.split(", "), start=1) if " " not in name
    }
    mapped = seed_mapping("example-hl7v2").names[NODES[segment]]
    assert stated == {local: name for local, name in mapped.items() if local.startswith(segment)}


def test_k3_is_mapped_as_the_page_has_it() -> None:
    (row,) = re.findall(r"^\| (INSUPLC, .*) \|$", PAGE, re.MULTILINE)
    mapped = seed_mapping("example-x12").names["setlinfo"]
    k3 = {local: name for local, name in mapped.items() if "/K3[" in local}
    assert k3 == {f"2300/K3[{name}]": name.lower() for name in row.split(", ")}


def test_every_call_that_is_read_stands_in_the_table() -> None:
    rows = re.findall(r"^\| ([0-9]{4}.*?) \|", PAGE, re.MULTILINE)
    assert set(re.findall(r"[0-9]{4}", " ".join(rows))) == set(CALLS)
