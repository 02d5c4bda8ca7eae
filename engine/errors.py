"""Every error a caller can be told about, in one tree.

    AutoclaimError                     500
      x Refused             422        a rule says no: each violation names its field and rule
      x Unauthenticated     401        who is calling is not established
      x NotAllowed          403        it is, and this is not theirs
      x NotFound            404
      x Conflict            409        it contradicts what is already held
      x TooLarge            413
      x TooMany             429        of what one caller may ask in a time; later again
      x Unavailable         503        a part this depends on cannot answer now; try again

`code` is a stable dotted string ("settlement.conflict"): the API, the command line and the log
show the same one. `message` is for a person and may change; it holds nothing personal.
"""

from collections.abc import Iterable
from typing import Any, ClassVar


class AutoclaimError(Exception):
    """The root. `status` is the HTTP status a face answers with."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "The engine could not do it"

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class Refused(AutoclaimError):
    """The input breaks rules: all of them are listed, as {"field", "rule", "message"}.

    `field` is a JSON pointer into the input. `quarantine_id` says where the input is kept until it
    is corrected, or None when it is not kept.
    """

    status = 422
    title = "The input breaks a rule"

    def __init__(
        self,
        code: str,
        message: str,
        violations: Iterable[dict[str, Any]] = (),
        quarantine_id: int | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.violations = list(violations)
        self.quarantine_id = quarantine_id


class Unauthenticated(AutoclaimError):
    """No credential, or one that does not hold."""

    status = 401
    title = "The caller is not authenticated"


class NotAllowed(AutoclaimError):
    """The caller is known and may not do this."""

    status = 403
    title = "The caller may not do this"


class NotFound(AutoclaimError):
    """Nothing by that name, or nothing that this caller may see."""

    status = 404
    title = "Nothing here by that name"


class Conflict(AutoclaimError):
    """The input contradicts what is already held; sending it again will not help."""

    status = 409
    title = "The input contradicts what is already held"


class TooLarge(AutoclaimError):
    """The input is beyond a stated bound."""

    status = 413
    title = "The input is too large"


class TooMany(AutoclaimError):
    """The caller has asked for as much as it may, for now."""

    status = 429
    title = "The caller has asked for as much as it may"


class Unavailable(AutoclaimError):
    """A part this depends on cannot answer now. `retry_after_s`: seconds to wait before trying again."""

    status = 503
    title = "A part this depends on cannot answer now"

    def __init__(self, message: str, *, code: str, retry_after_s: int = 5) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s
