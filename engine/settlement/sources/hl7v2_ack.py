"""The answer to an HL7 v2 message."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Final, Literal

from engine.settlement.errors import Violation
from engine.settlement.sources.er7 import Malformed, Message, Separators, escape, parse

Answer = Literal["AA", "AE", "AR"]
_USUAL: Final = Separators("|", "^", "~", "\\", "&")
_UNREADABLE: Final = Message(_USUAL, "ascii", [["MSH", "|", "^~\\&"]])


def acknowledge(
    whole: bytes, answer: Answer, control_id: str, at: datetime, violations: Iterable[Violation] = ()
) -> bytes:
    """The ACK of one message: AA kept, AE kept in quarantine, AR refused. In the message's own separators
    and charset, or the usual ones where it has none that can be read.

    `control_id` and `at` are the answer's own. Each violation is an ERR segment: the id of its rule in
    ERR-5, field and message in ERR-8.
    """
    message = _head(whole)
    signs = message.separators
    # What is echoed has these separators already.
    asked = [*message.segments[0], *[""] * 20]
    event = (*asked[9].split(signs.component), "")[1]
    head = ["MSH", "".join(signs[1:]), asked[5], asked[6], asked[3], asked[4], f"{at:%Y%m%d%H%M%S%z}", ""]
    head += [signs.component.join(("ACK", event, "ACK")), escape(control_id, signs), asked[11], asked[12]]
    head += ["", "", "", "", "", asked[18]]
    lines = [head, ["MSA", answer, asked[10]]]
    for violation in violations:
        code = signs.component.join(("207", "Application internal error", "HL70357"))
        text = escape(f"{violation.field or '/'}: {violation.message}", signs)
        lines.append(["ERR", "", "", code, "E", escape(violation.rule, signs), "", "", text])
    return "".join(signs.field.join(line) + "\r" for line in lines).encode(message.codec, "replace")


def _head(whole: bytes) -> Message:
    """The message's MSH, which alone is echoed: whoever sent a body in another charset than it says, or in
    none, must still find his own number in the answer."""
    first = whole.split(b"\r", 1)[0]
    for meant in ("", "GB18030"):
        with suppress(Malformed):
            return parse(first, meant)
    return _UNREADABLE
