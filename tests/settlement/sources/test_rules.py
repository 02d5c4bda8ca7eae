"""The table of rules is what the code holds deliveries to."""

import re
from pathlib import Path

from engine.settlement import sources
from engine.settlement.sources.rules import SOURCE_RULES

_ROOM = Path(sources.__file__).parent
_TEXTS = [path.read_text("utf-8") for path in _ROOM.rglob("*.py") if path.name != "rules.py"]
_RULE = re.compile(r'"(source\.[a-z0-9_]+(?:\.[a-z0-9_]+)*)"')
_NO_RULES = {"source.schema.json"}


def test_every_rule_used_is_in_the_table() -> None:
    used = {rule for text in _TEXTS for rule in _RULE.findall(text)} - _NO_RULES
    assert used
    assert used <= set(SOURCE_RULES)


def test_every_rule_of_the_table_is_used() -> None:
    """By its id, or by the last word of it where a module puts its own name before a rule of the body."""
    text = "".join(_TEXTS) + (_ROOM.parent / "body.py").read_text("utf-8")
    unused = [rule for rule in SOURCE_RULES if not re.search(rf"\b{rule.split('.')[-1]}\"", text)]
    assert not unused


def test_a_rule_has_one_sentence() -> None:
    for rule in SOURCE_RULES.values():
        assert rule.description.endswith("."), rule.id
