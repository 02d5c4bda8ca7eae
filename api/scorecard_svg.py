"""Scorecards as one SVG picture: bars with their numbers beside them, so that it reads without colour."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

if TYPE_CHECKING:
    from engine.pipeline.scorecard import Scorecard

MEDIA_TYPE: Final = "image/svg+xml"
_WIDTH, _MARGIN, _LINE = 760, 24, 22
_LABELS, _BAR = 110, 280
"""Width of what stands left of the bars, and of the longest bar."""
_INK, _TRACK, _FILL = "#1a1a1a", "#e4e4e4", "#5b6b7b"
_OUTCOMES: Final = ("accepted", "repeated", "quarantined", "refused", "waiting", "noted", "reversed")
_MOST_RULES: Final = 5


def draw(cards: Sequence["Scorecard"], day: date) -> str:
    """A well-formed document with a title and a description; one panel a source."""
    root = Element("svg", xmlns="http://www.w3.org/2000/svg", role="img")
    root.set("aria-labelledby", "title desc")
    SubElement(root, "title", id="title").text = f"Quality of the data received on {day}"
    SubElement(root, "desc", id="desc").text = (
        " ".join(_in_words(card) for card in cards) or "Nothing was received."
    )
    SubElement(root, "rect", width="100%", height="100%", fill="#ffffff")
    style = {"font-family": "sans-serif", "font-size": "13", "fill": _INK}
    page = SubElement(root, "g", style)
    y = _MARGIN + _LINE // 2
    _text(page, _MARGIN, y, f"Quality of the data received on {day}", size=17)
    if not cards:
        y += 2 * _LINE
        _text(page, _MARGIN, y, "Nothing was received.")
    for card in cards:
        y = _panel(page, card, y + 2 * _LINE)
    height = y + _MARGIN
    root.set("viewBox", f"0 0 {_WIDTH} {height}")
    root.set("width", str(_WIDTH))
    root.set("height", str(height))
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _in_words(card: "Scorecard") -> str:
    shares = ", ".join(f"{one.dimension} {_per_cent(one.share_without_error)}" for one in card.dimensions)
    return (
        f"{card.hospital_code} {card.source}: {card.received} records received, {card.accepted} accepted, "
        f"{card.quarantined} quarantined, {card.refused} refused, {card.corrected} corrected; "
        f"without error: {shares}; {_lag(card)}."
    )


def _panel(page: Element, card: "Scorecard", y: int) -> int:
    """Draws one source from y downwards; where it ends."""
    panel = SubElement(page, "g")
    SubElement(panel, "title").text = _in_words(card)
    _text(panel, _MARGIN, y, f"{card.hospital_code}  {card.source}", size=15)
    SubElement(
        panel, "line", x1=str(_MARGIN), x2=str(_WIDTH - _MARGIN), y1=str(y + 7), y2=str(y + 7), stroke=_INK
    )
    y += _LINE + 6
    _text(panel, _MARGIN, y, f"{card.received} received, {card.corrected} corrected; {_lag(card)}")
    for name in _OUTCOMES:
        number: int = getattr(card, name)
        if number:
            y += _LINE
            _bar(panel, y, name, number, card.received, str(number))
    y += _LINE + 6
    _text(panel, _MARGIN, y, f"settlements without error, of {card.judged} judged")
    for one in card.dimensions:
        y += _LINE
        rest = card.judged - one.with_error
        warned = f", {one.with_warning} with a warning" if one.with_warning else ""
        said = f"{_per_cent(one.share_without_error)} ({rest}){warned}"
        _bar(panel, y, one.dimension, rest, card.judged, said)
    if card.top_rules:
        y += _LINE + 6
        _text(panel, _MARGIN, y, "rules broken most, by records")
    for rule in card.top_rules[:_MOST_RULES]:
        y += _LINE
        _text(panel, _MARGIN, y, f"{rule.records}  {rule.rule} ({rule.severity or 'no longer a rule'})")
    return y


def _bar(panel: Element, y: int, label: str, number: int, of: int, said: str) -> None:
    _text(panel, _MARGIN, y, label)
    at = {"x": str(_MARGIN + _LABELS), "y": str(y - 12), "height": "15"}
    SubElement(panel, "rect", at, width=str(_BAR), fill=_TRACK)
    width = round(_BAR * number / of, 1) if of else 0
    SubElement(panel, "rect", at, width=str(width), fill=_FILL, stroke=_INK)
    _text(panel, _MARGIN + _LABELS + _BAR + 8, y, said)


def _text(into: Element, x: int, y: int, text: str, size: int | None = None) -> None:
    element = SubElement(into, "text", x=str(x), y=str(y))
    if size is not None:
        element.set("font-size", str(size))
    element.text = text


def _per_cent(share: float | None) -> str:
    return "none judged" if share is None else f"{share * 100:.2f} %"


def _lag(card: "Scorecard") -> str:
    if card.lag_p50_days is None:
        return "no lag: nothing accepted"
    return f"days from discharge to receipt: half within {card.lag_p50_days}, 95 % within {card.lag_p95_days}"
