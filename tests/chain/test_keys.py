"""Eight roles, eight keys, each in its own sealed file."""

import json
from pathlib import Path
from random import Random

import pytest

from engine.chain.errors import KeystoreInvalid
from engine.chain.keys import ROLES, RoleKeys

PASSPHRASE = "correct horse"


def _open(folder: Path, passphrase: str = PASSPHRASE, seed: int = 1) -> RoleKeys:
    return RoleKeys.load_or_create(folder, passphrase, Random(seed).randbytes, scrypt_n=2)


def test_keys_are_made_once_and_no_role_shares_one(tmp_path: Path) -> None:
    first = _open(tmp_path / "keys").addresses()
    assert set(first) == set(ROLES)
    assert len(set(first.values())) == len(ROLES)
    assert _open(tmp_path / "keys", seed=2).addresses() == first


def test_only_the_owner_reads_a_keystore_and_it_shows_no_key(tmp_path: Path) -> None:
    keys = _open(tmp_path / "keys")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "keys").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert bytes(keys[path.stem].key).hex() not in path.read_text()


def test_a_wrong_passphrase_opens_nothing(tmp_path: Path) -> None:
    _open(tmp_path)
    with pytest.raises(KeystoreInvalid, match=r"deployer\.json"):
        _open(tmp_path, "other")


def test_a_keystore_serves_its_own_role_only(tmp_path: Path) -> None:
    _open(tmp_path)
    (tmp_path / "payer.json").write_bytes((tmp_path / "recorder.json").read_bytes())
    with pytest.raises(KeystoreInvalid, match="'recorder', not of 'payer'"):
        _open(tmp_path)
    renamed = json.loads((tmp_path / "recorder.json").read_text()) | {"role": "payer"}
    (tmp_path / "payer.json").write_text(json.dumps(renamed))
    with pytest.raises(KeystoreInvalid, match="same key"):
        _open(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"role": "payer"}'])
def test_a_broken_keystore_is_named(tmp_path: Path, content: str) -> None:
    _open(tmp_path)
    (tmp_path / "payer.json").write_text(content)
    with pytest.raises(KeystoreInvalid, match=r"payer\.json"):
        _open(tmp_path)


def test_a_number_that_is_no_key_is_drawn_again(tmp_path: Path) -> None:
    draws = iter([bytes(32), b"\xff" * 32, *(bytes([n]) * 32 for n in range(1, 1 + len(ROLES)))])
    keys = RoleKeys.load_or_create(tmp_path, "pass", lambda _: next(draws), scrypt_n=2)
    assert bytes(keys["deployer"].key) == b"\x01" * 32
