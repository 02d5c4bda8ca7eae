"""Nothing of anybody crosses the boundary or stands on chain but what a release lists of a matched person who
consents; and an unmatched discharge leaves nothing at the insurer but a count.

Every byte of one run on the real commands is looked through, for people who are known here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import pytest

from engine.settlement import load_register
from engine.settlement.minimise import minimise
from tests.e2e.leak_run import EVERYBODY, HOSPITAL, RELEASED, STRANGER, UNMATCHED, Patient, Run, took_place
from tests.e2e.two_parties import PRODUCT
from tests.support.traces import Known, Search, amount, certificate, day, text

pytestmark = pytest.mark.timeout(240)
REGISTER = load_register()
AMOUNT = re.compile(r"[0-9]+\.[0-9]{2}")
FEWEST = 6
"""Characters of a value that is looked for: a ward or a quantity occurs anywhere."""
QUESTION = {"protocol", "suite", "mode", "epoch", "discharge", "elements"}
RELEASE = {"protocol", "epoch", "discharge", "handle", "authorization", "mode", "document", "setl_id", "salt"}
RELEASE |= {"padding"}


@pytest.fixture(scope="module", params=["settlement", "decision"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """For each mode in which a purpose releases."""
    return took_place(tmp_path_factory.mktemp("leaks"), request.param)


def leaves(document: Any) -> Iterator[str]:
    if isinstance(document, Mapping):
        for value in document.values():
            yield from leaves(value)
    elif isinstance(document, list):
        for value in document:
            yield from leaves(value)
    else:
        yield str(document)


PUBLIC = "\n".join([PRODUCT.read_text(), *map(str, REGISTER.hospitals.values())])


def of_person(patient: Patient) -> Iterator[Known]:
    """Who somebody is, at the provider or at the insurer."""
    who, whose = patient.who, patient.who.name
    yield text(f"name of {whose}", who.name)
    yield certificate(f"certificate of {whose}", "01", who.cert_no)
    yield day(f"birth date of {whose}", who.born)
    yield text(f"name and certificate of {whose}", f"{who.name}{who.cert_no}")
    yield text(f"account of {whose}", who.account)
    if patient.policy is not None:
        yield text(f"policy of {whose}", patient.policy["policy_no"])
        yield text(f"insured name of {whose}", patient.policy["person"]["name"])


def of_stay(patient: Patient, *, but: str = "") -> Iterator[Known]:
    """Every value of a settlement, but what is common knowledge, or stands in the text that is named."""
    for value in {value for value in leaves(patient.native) if len(value) >= FEWEST}:
        if value in PUBLIC or value in but:
            continue
        what = f"{value} of {patient.who.name}"
        if AMOUNT.fullmatch(value):
            yield amount(what, int(value.replace(".", "")))
        elif re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            yield day(what, date.fromisoformat(value))
        else:
            yield text(what, value)


def found_in(search: Search, places: Mapping[str, bytes]) -> dict[str, set[str]]:
    """Where anything is found, and what."""
    found = {place: search.found(content) for place, content in places.items()}
    return {place: findings for place, findings in found.items() if findings}


def requests(asked: bytes, path: str) -> list[tuple[int, int]]:
    """Where in what was sent the bodies of posts to that path begin and end."""
    found = []
    for start in re.finditer(rb"POST " + path.encode() + rb" HTTP/1\.1\r\n", asked):
        head, begins = asked[start.start() : asked.index(b"\r\n\r\n", start.end())], 4
        [length] = re.findall(rb"(?i)\r\ncontent-length: ([0-9]+)", head)
        body = start.start() + len(head) + begins
        found.append((body, body + int(length)))
    return found


def test_every_discharge_came_to_rest_where_it_was_meant_to(run: Run) -> None:
    rested = {patient.native["setlinfo"]["setl_id"]: patient.rests for patient in (RELEASED, *UNMATCHED)}
    assert run.rested == rested
    assert run.claims == {RELEASED.native["setlinfo"]["setl_id"]: "confirmed"}
    assert len(requests(run.asked, "/v1/match/evaluations")) == len(rested)


def test_nothing_that_names_or_describes_an_unmatched_person_crosses_the_boundary(run: Run) -> None:
    released = json.dumps(minimise(RELEASED.native, REGISTER), ensure_ascii=False)
    search = Search([one for who in UNMATCHED for one in (*of_person(who), *of_stay(who, but=released))])
    assert found_in(search, run.crossed) == {}


@pytest.mark.parametrize("run", ["settlement"], indirect=True)
def test_of_a_matched_person_only_what_the_release_lists_crosses_and_only_inside_of_it(run: Run) -> None:
    document = minimise(RELEASED.native, REGISTER)
    lists = json.dumps(document, ensure_ascii=False)
    [(begins, ends)] = requests(run.asked, "/v1/match/releases")
    body = run.asked[begins:ends]
    release = json.loads(body)
    assert set(release) == RELEASE
    reference = release["document"]["setlinfo"]["setl_id"]
    assert release["document"] == document | {"setlinfo": document["setlinfo"] | {"setl_id": reference}}
    named = Search([*of_person(RELEASED), *of_stay(RELEASED, but=lists)])
    assert found_in(named, run.crossed) == {}
    described = Search(of_stay(RELEASED))
    assert described.found(body), "which is how what the purpose lists is seen to be there"
    rest = run.crossed | {"asked": run.asked[:begins] + _without_what_it_is_for(body) + run.asked[ends:]}
    assert found_in(described, rest) == {}


@pytest.mark.parametrize("run", ["decision"], indirect=True)
def test_where_the_terms_travel_no_diagnosis_and_no_amount_of_the_bill_crosses_either(run: Run) -> None:
    """Of the stay itself only which it was, and when; and of the decision what it comes to."""
    [(begins, ends)] = requests(run.asked, "/v1/match/decisions")
    sent = json.loads(run.asked[begins:ends])
    stay = {name: sent[name] for name in ("setl_id", "settlement")}
    assert set(stay["settlement"]) == {"fixmedins_code", "setl_id", "adm", "dscg", "settled"}
    assert sent["decision"]["payable_fen"] in run.paid_fen
    assert requests(run.asked, "/v1/match/releases") == []
    search = Search([*of_person(RELEASED), *of_stay(RELEASED, but=json.dumps(stay))])
    assert found_in(search, run.crossed) == {}


def _without_what_it_is_for(body: bytes) -> bytes:
    """A release without its document, and without the settlement number, which opens its reference."""
    for name in ("document", "setl_id"):
        text = body.decode()
        begins = text.index(f'"{name}":') + len(name) + 3
        _, ends = json.JSONDecoder().raw_decode(text, begins)
        body = (text[:begins] + "null" + text[ends:]).encode()
    return body


def test_nothing_of_anybody_is_on_chain(run: Run) -> None:
    """Not of the matched either: no diagnosis, no number, no amount that was paid, no hash to be guessed."""
    paid = [amount("what was paid", fen) for fen in run.paid_fen]
    assert all(one.words for one in paid)
    search = Search([*paid, *(one for who in EVERYBODY for one in (*of_person(who), *of_stay(who)))])
    assert search.found(run.on_chain) == set()
    assert search.found(run.chain_file) == set()


def test_an_unmatched_discharge_leaves_nothing_at_the_insurer_but_a_count(run: Run) -> None:
    assert {table: len(rows) for table, rows in run.left.items() if table != "access_log"} == {
        "match_question": len(UNMATCHED),
        "match_use": 1,
    }
    for row in run.left["match_question"]:
        assert re.fullmatch("[0-9a-f]{64}", row.pop("discharge")), (
            "which is salted, and opens for the provider"
        )
        assert row.pop("asked_at").startswith(row.pop("day"))
        assert row == {
            "provider": HOSPITAL,
            "epoch": 1,
            "elements": 2,
            "settlement_id": None,
            "task_id": None,
        }
    [use] = run.left["match_use"]
    assert (use["questions"], use["released"]) == (len(UNMATCHED) + 1, 1)
    paths = [row["path"] for row in run.left["access_log"] if row["path"].startswith("/v1/match")]
    assert paths == ["/v1/match/evaluations"] * len(UNMATCHED)


def test_no_file_of_the_insurers_holds_anything_of_an_unmatched_discharge(run: Run) -> None:
    """Its roll names its own insured, sealed; of the stranger, who is in none, there is nothing at all."""
    known = [
        one for who in UNMATCHED for one in of_stay(who, but=json.dumps(RELEASED.native, ensure_ascii=False))
    ]
    search = Search([*known, *of_person(STRANGER)])
    assert found_in(search, run.insurer) == {}


def test_every_question_and_every_answer_has_one_size_on_the_wire_whoever_it_is_about(run: Run) -> None:
    """With its headers: what somebody on the line can see of them."""
    head, question = rb"(?:[^\r]+\r\n)+\r\n", rb"POST /v1/match/evaluations HTTP/1\.1\r\n"
    questions = re.findall(question + head + rb"\{[^}]+\}", run.asked)
    answers = re.findall(rb"HTTP/1\.1 200 OK\r\n" + head + rb'\{"epoch":[^}]+\}', run.answered)
    assert len(questions) == len(answers) == len(run.rested)
    assert len(set(map(len, questions))) == len(set(map(len, answers))) == 1


def test_what_crosses_is_neither_compressed_nor_cut_into_chunks(run: Run) -> None:
    """For what is looked through would show nothing then."""
    for crossed in run.crossed.values():
        assert crossed
        assert not re.search(rb"(?i)\r\n(content|transfer)-encoding:", crossed)
