"""A test that is skipped promises nothing: a missing part fails, and says what to install."""

from tests.house.source import dotted, nodes, place

_SKIPS = ("pytest.skip", "pytest.mark.skip", "pytest.mark.skipif", "pytest.importorskip", "pytest.mark.xfail")


def test_no_test_is_skipped() -> None:
    skips = [place(path, node) for path, node in nodes("tests") if dotted(node) in _SKIPS]
    assert not skips
