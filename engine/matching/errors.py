"""What can go wrong in a private match.

Refused            ElementInvalid    a question holds what is no blinded element
                   UpdateInvalid     a file is no update of the published roll, or not the next one
TooLarge           PayloadTooLarge   a person's policies do not fit an entry
AutoclaimError     ProofInvalid      an answer was not computed with the key that is on chain
                   EntryInvalid      an entry does not open, or holds no payload
"""

from engine.errors import AutoclaimError, Refused, TooLarge


class ElementInvalid(Refused):
    """`index` counts from 0 in the question's elements; None when their number is what is wrong."""

    def __init__(self, rule: str, index: int | None = None) -> None:
        field = "/elements" if index is None else f"/elements/{index}"
        violation = {"field": field, "rule": "match.element", "message": rule}
        super().__init__("match.element", f"{field}: {rule}", [violation])
        self.index = index


class ProofInvalid(AutoclaimError):
    """The insurer's answer is not believed. `index` is that of the element at fault, or None."""

    def __init__(self, rule: str, index: int | None = None) -> None:
        place = "" if index is None else f"element {index}: "
        super().__init__(f"the answer is not believed: {place}{rule}", code="match.proof")
        self.index = index


class PayloadTooLarge(TooLarge):
    """A person has more policies, or names, than an entry of fixed size holds."""

    def __init__(self, needed: int, most: int) -> None:
        message = f"this person's policies take {needed} bytes in an entry, which holds {most}"
        super().__init__(message, code="match.payload_too_large")


class EntryInvalid(AutoclaimError):
    """The bytes under a tag are no entry of this person in this epoch; withdrawn ones are not either."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"the entry is not believed: {rule}", code="match.entry")


class UpdateInvalid(Refused):
    """`field` is one of the header's, "entries" for what follows it, or "file" or "digest" for the whole."""

    def __init__(self, field: str, rule: str) -> None:
        violation = {"field": f"/{field}", "rule": "match.update", "message": rule}
        super().__init__("match.update", f"{field}: {rule}", [violation])
        self.field = field
        self.rule = rule
