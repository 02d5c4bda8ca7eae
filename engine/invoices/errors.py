"""What can go wrong between the engine and the invoice platform.

    InvoiceError
    +-- VerifierUnavailable     not reached, no answer, or one that is not its protocol: ask again later
    +-- VerifierUnauthorized    it does not accept our key: configuration, so ask again once that is put right
    +-- VerifierRefused         it rejects the request itself (4xx): asking again changes nothing

An invoice that is cancelled or that nobody issued is no error: it is a `Found` that says so.
"""


class InvoiceError(Exception):
    """Base of this tree; `code` is stable. No message repeats an invoice's code or number."""

    code = "invoice.error"


class VerifierUnavailable(InvoiceError):
    """Nothing is known: neither that an invoice is good nor that it is not."""

    code = "invoice.verifier_unavailable"


class VerifierUnauthorized(InvoiceError):
    """The API key is not accepted (401, 403)."""

    code = "invoice.verifier_unauthorized"


class VerifierRefused(InvoiceError):
    """The request was rejected as such."""

    code = "invoice.verifier_refused"
