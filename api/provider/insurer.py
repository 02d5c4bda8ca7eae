"""The insurer over HTTPS: what a provider node asks it and sends it, each message signed for its hospital."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from ssl import SSLContext
from typing import Any, BinaryIO, TypeVar, cast

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from api.client import ApiError, checked
from api.signing import HospitalSigner, load_key
from engine.errors import (
    AutoclaimError,
    Conflict,
    NotAllowed,
    NotFound,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from engine.evidence.match_task import MatchCounts
from engine.matching.scale.link import Joining
from engine.matching.voprf import PROTOCOL, SUITE, Evaluated

_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_BY_STATUS: dict[int, type[AutoclaimError]] = {
    kind.status: kind for kind in (Unauthenticated, NotAllowed, NotFound, Conflict, TooLarge)
}
_TOO_MANY = 429
_MODE = "VOPRF"
_PIECE = 256 * 1024
_TASKS = "/v1/match/tasks"
_M = TypeVar("_M", bound=BaseModel)


def key_id(hospital_code: str) -> str:
    """Under which name the insurer's register has the node's key for a hospital."""
    return f"{hospital_code}-provider"


class _BatchAnswer(BaseModel):
    model_config = ConfigDict(extra="ignore")
    evaluated: list[str]
    proof: str


class _Answer(_BatchAnswer):
    epoch: int


class _Joining(BaseModel):
    model_config = ConfigDict(extra="ignore")
    place: str
    certificate: str


class _Taken(BaseModel):
    model_config = ConfigDict(extra="ignore")
    claim_id: str


class _TaskDocument(BaseModel):
    model_config = ConfigDict(extra="ignore")
    document: dict[str, Any]


class _Outcome(BaseModel):
    model_config = ConfigDict(extra="ignore")
    discharge: str
    handle: str
    outcome: str | None


class _Outcomes(BaseModel):
    model_config = ConfigDict(extra="ignore")
    items: list[_Outcome]


class _Want(BaseModel):
    model_config = ConfigDict(extra="ignore")
    discharge: str
    handle: str
    why: str


class _Wants(BaseModel):
    model_config = ConfigDict(extra="ignore")
    items: list[_Want]


class HttpInsurer:
    """One insurer. Thread-safe.

    api_keys: hospital code -> key that the insurer issued; signing_key: 32 raw bytes; tls: for `https`, whom
    to believe and what to show.
    """

    def __init__(
        self,
        url: str,
        api_keys: Mapping[str, str],
        signing_key: bytes,
        clock: Callable[[], datetime],
        tls: SSLContext | None = None,
    ) -> None:
        key = load_key(signing_key)
        self._signers = {code: HospitalSigner(key_id(code), key, clock) for code in api_keys}
        self._api_keys = dict(api_keys)
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT, verify=tls or True, trust_env=False)

    @contextmanager
    def update(self, epoch: int, number: int) -> Iterator[BinaryIO]:
        """As it comes off the wire: whoever reads it knows how much there may be of it."""
        path = f"/v1/match/epochs/{epoch}/updates/{number}"
        as_one = self._as(next(iter(self._api_keys)))
        with _named_errors(), self._http.stream("GET", path, headers=as_one) as response:
            if response.is_error:
                response.read()
            pieces = checked(response).iter_bytes(_PIECE)
            yield cast("BinaryIO", io.BufferedReader(_Pieces(pieces), _PIECE))

    def evaluate(
        self, hospital_code: str, epoch: int, commitment: str, elements: tuple[bytes, ...]
    ) -> Evaluated:
        question = {
            "protocol": PROTOCOL,
            "suite": SUITE,
            "mode": _MODE,
            "epoch": epoch,
            "discharge": commitment,
            "elements": [element.hex() for element in elements],
        }
        read = _read(_Answer, self._post(hospital_code, "/v1/match/evaluations", question))
        evaluated = _evaluated(read)
        if read.epoch != epoch:
            raise Refused("match.protocol", f"asked under epoch {epoch}, answered under {read.epoch}")
        return evaluated

    def release(self, hospital_code: str, release: Mapping[str, Any]) -> str:
        return _taken(self._post(hospital_code, "/v1/match/releases", release))

    def case(self, hospital_code: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = self._post(hospital_code, "/v1/match/cases", asked)
        if not isinstance(answer, dict):
            raise Refused("match.protocol", "the insurer's answer is no case")
        return answer

    def decision(self, hospital_code: str, release: Mapping[str, Any]) -> str:
        return _taken(self._post(hospital_code, "/v1/match/decisions", release))

    def wanted(self, hospital_code: str) -> list[Mapping[str, Any]]:
        read = _read(_Wants, self._get(hospital_code, "/v1/match/wanted"))
        return [one.model_dump() for one in read.items]

    def disclose(self, hospital_code: str, disclosure: Mapping[str, Any]) -> None:
        self._post(hospital_code, "/v1/match/disclosures", disclosure)

    def task(self, hospital_code: str, task_id: str) -> Mapping[str, Any]:
        return _read(_TaskDocument, self._get(hospital_code, f"{_TASKS}/{task_id}")).document

    def evaluate_batch(
        self,
        hospital_code: str,
        task_id: str,
        number: int,
        commitments: Sequence[str],
        elements: tuple[bytes, ...],
    ) -> Evaluated:
        batch = {
            "number": number,
            "discharges": list(commitments),
            "elements": [element.hex() for element in elements],
        }
        path = f"{_TASKS}/{task_id}/evaluations"
        return _evaluated(_read(_BatchAnswer, self._post(hospital_code, path, batch)))

    def join(self, hospital_code: str, task_id: str, ours: Joining) -> Joining:
        answer = self._post(hospital_code, f"{_TASKS}/{task_id}/scale", ours._asdict())
        return Joining(**_read(_Joining, answer).model_dump())

    def stage(self, hospital_code: str, task_id: str, release: Mapping[str, Any]) -> None:
        self._post(hospital_code, f"{_TASKS}/{task_id}/releases", release)

    def outcomes(self, hospital_code: str, task_id: str) -> dict[tuple[str, str], str | None]:
        read = _read(_Outcomes, self._get(hospital_code, f"{_TASKS}/{task_id}/releases"))
        return {(one.discharge, one.handle): one.outcome for one in read.items}

    def tell_counts(self, hospital_code: str, task_id: str, counts: MatchCounts) -> None:
        self._post(hospital_code, f"{_TASKS}/{task_id}/counts", counts.document)

    def close(self) -> None:
        self._http.close()

    def _get(self, hospital_code: str, path: str) -> Any:
        with _named_errors():
            return checked(self._http.get(path, headers=self._as(hospital_code))).json()

    def _post(self, hospital_code: str, path: str, body: Mapping[str, Any]) -> Any:
        """None where there is nothing to say but that it is done."""
        with _named_errors():
            headers, signer = self._as(hospital_code), self._signers[hospital_code]
            response = checked(self._http.post(path, json=body, headers=headers, auth=signer))
            return response.json() if response.content else None

    def _as(self, hospital_code: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._api_keys[hospital_code]}"}


def _taken(answer: Any) -> str:
    try:
        return _Taken.model_validate(answer).claim_id
    except ValidationError as error:
        raise Unavailable("the insurer names no claim", code="match.protocol") from error


class _Pieces(io.RawIOBase):
    """Pieces of at most _PIECE bytes, as a file that is read once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = next(self._pieces, b"")
        buffer[: len(piece)] = piece
        return len(piece)


def _read(model: type[_M], answer: Any) -> _M:
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        raise _not_spoken() from error


def _evaluated(read: _BatchAnswer) -> Evaluated:
    try:
        return Evaluated(tuple(map(bytes.fromhex, read.evaluated)), bytes.fromhex(read.proof))
    except ValueError as error:
        raise _not_spoken() from error


def _not_spoken() -> Refused:
    return Refused("match.protocol", "the insurer's answer is none of this protocol's")


@contextmanager
def _named_errors() -> Iterator[None]:
    """The insurer's problems, and the network's, as the engine's own errors."""
    try:
        yield
    except ApiError as error:
        if error.status == _TOO_MANY or error.status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise Unavailable(error.detail, code=error.code, retry_after_s=error.retry_after_s) from error
        kind = _BY_STATUS.get(error.status)
        if kind is None:
            raise Refused(error.code, error.detail, error.errors) from error
        raise kind(error.detail, code=error.code) from error
    except (httpx.HTTPError, ValueError) as error:  # ValueError: a body that is no JSON
        reason = f"the insurer does not answer: {type(error).__name__}"
        raise Unavailable(reason, code="match.insurer_unavailable") from error
