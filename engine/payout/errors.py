"""What can go wrong between the engine and its bank.

    BankError
    +-- BankUnavailable          never reached the bank, or a read was not answered: try later, same id
    +-- BankOutcomeUnknown       the order left and no answer came: query before anything else
    +-- BankAnswerInvalid        the bank answered something that is not its protocol
    +-- BankRefusedRequest       the bank rejected the request itself (4xx); it holds no transfer for it
    |   +-- BankUnauthorized     API key, signature or timestamp not accepted (401, 403)
    |   +-- IdempotencyConflict  the payout id is already used by a transfer with another body
    +-- CallbackRejected         a callback that is not provably the bank's, or is stale or malformed

A transfer the bank decided not to make is no error: it is a `TransferResult` with status `refused`.
"""


class BankError(Exception):
    """Base of this tree; `code` is stable and safe to show to API clients and in logs."""

    code = "bank.error"


class BankUnavailable(BankError):
    """The bank could not be reached or did not answer a read. Nothing was ordered by this call."""

    code = "bank.unavailable"


class BankOutcomeUnknown(BankError):
    """An order was sent and its outcome is not known. Only a query by payout id may follow."""

    code = "bank.outcome_unknown"

    def __init__(self, payout_id: str, detail: str) -> None:
        super().__init__(f"payout {payout_id}: sent, outcome unknown: {detail}")
        self.payout_id = payout_id
        self.detail = detail


class BankAnswerInvalid(BankError):
    """The answer does not parse, names another payout, or its control totals do not add up."""

    code = "bank.answer_invalid"


class BankRefusedRequest(BankError):
    """The bank rejected the request as such; correct the request (same id) or the configuration."""

    code = "bank.request_refused"

    def __init__(self, http_status: int, bank_code: str, detail: str, field: str | None = None) -> None:
        where = f" (field {field})" if field else ""
        super().__init__(f"bank answered {http_status} {bank_code}: {detail}{where}")
        self.http_status = http_status
        self.bank_code = bank_code
        self.detail = detail
        self.field = field


class BankUnauthorized(BankRefusedRequest):
    """The credentials, the signature or the clock are not what the bank expects."""

    code = "bank.unauthorized"


class IdempotencyConflict(BankRefusedRequest):
    """The same payout id was ordered before with another body. Never retry: someone must look."""

    code = "bank.idempotency_conflict"


class CallbackRejected(BankError):
    """A callback that must not be believed. `rule` says which check failed."""

    code = "bank.callback_rejected"

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule
