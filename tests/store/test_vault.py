"""A sealed value opens under its own key, in its own place, unaltered; and nowhere else."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.store.secret_file import read_or_make
from engine.store.vault import Vault, VaultError

KEY, OTHER_KEY = bytes(range(32)), bytes(32)


@given(plain=st.binary(max_size=300), place=st.text(max_size=40))
def test_what_is_sealed_opens_again(plain: bytes, place: str) -> None:
    vault = Vault(KEY)
    assert vault.unseal(vault.seal(plain, place), place) == plain


@given(plain=st.binary(min_size=8, max_size=100), data=st.data())
def test_a_single_altered_bit_does_not_open(plain: bytes, data: st.DataObject) -> None:
    vault = Vault(KEY)
    sealed = bytearray(vault.seal(plain, "here"))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VaultError):
        vault.unseal(bytes(sealed), "here")


@pytest.mark.parametrize("length", [0, 5, 12, 27])
def test_a_value_cut_short_does_not_open(length: int) -> None:
    vault = Vault(KEY)
    with pytest.raises(VaultError):
        vault.unseal(vault.seal(b"secret", "here")[:length], "here")


def test_a_moved_value_does_not_open() -> None:
    vault = Vault(KEY)
    with pytest.raises(VaultError):
        vault.unseal(vault.seal(b"secret", "claim.decision/1"), "claim.decision/2")


def test_another_deployments_key_does_not_open_it() -> None:
    with pytest.raises(VaultError):
        Vault(OTHER_KEY).unseal(Vault(KEY).seal(b"secret", "here"), "here")


def test_the_same_value_is_sealed_differently_each_time_and_does_not_show() -> None:
    vault = Vault(KEY)
    sealed = {vault.seal(b"11010519491231002X", "here") for _ in range(20)}
    assert len(sealed) == 20
    assert not any(b"11010519491231002X" in one for one in sealed)


def test_the_master_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    sealed = Vault.open(path).seal(b"secret", "here")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Vault.open(path).unseal(sealed, "here") == b"secret"


@pytest.mark.parametrize("content", ["", "zz", "00" * 31, "00" * 33])
def test_a_master_key_that_is_none_is_refused_and_not_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(content)
    with pytest.raises(VaultError):
        Vault.open(path)
    assert path.read_text() == content


def test_killed_while_the_secret_is_made_the_next_start_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"

    def killed(_descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            read_or_make(path, lambda: "first")
    assert not path.exists()
    assert read_or_make(path, lambda: "second") == "second"
    assert list(tmp_path.iterdir()) == [path]


def test_of_two_that_make_the_secret_both_read_the_same(tmp_path: Path) -> None:
    path = tmp_path / "secret"

    def somebody_comes_first() -> str:
        path.write_text("theirs")
        return "mine"

    assert read_or_make(path, somebody_comes_first) == "theirs"


def test_purposes_and_values_have_keys_and_fingerprints_of_their_own() -> None:
    vault = Vault(KEY)
    assert vault.derive("a") != vault.derive("b")
    assert vault.derive("a") != Vault(OTHER_KEY).derive("a")
    assert vault.fingerprint({"a": 1, "b": 2}) == vault.fingerprint({"b": 2, "a": 1})
    assert vault.fingerprint({"a": 1}) != vault.fingerprint({"a": "1"})
    assert vault.fingerprint({"a": 1}) != Vault(OTHER_KEY).fingerprint({"a": 1})
