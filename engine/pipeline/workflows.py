"""The durable workflows (DBOS): a step's outcome is stored, an interrupted one goes on at its next step.

A workflow handles a micro-batch, because its bookkeeping costs the same for one claim and for a hundred.
Every step is also safe to run twice: DBOS repeats the step that was under way when the process died.
"""

import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos import error as dbos_error
from sqlalchemy.exc import OperationalError

from engine.chain.errors import ChainUnavailable, FeeTooHigh, TransactionUnknown
from engine.invoices.errors import VerifierUnauthorized, VerifierUnavailable
from engine.pipeline import decide, invoices, match, pay, record
from engine.pipeline.context import Context

APPLICATION_VERSION = "1"
"""Pinned: an interrupted batch is resumed by the next release too. Raise it when steps change."""
_NAME = "autoclaim"
_UNFINISHED = ["PENDING", "ENQUEUED"]
"""A restart puts what was pending into DBOS's own queue before it goes on with it."""
log = structlog.get_logger()


class _Bound:
    """The context that steps run in; DBOS calls them by name, so it cannot be an argument."""

    context: Context | None = None

    @classmethod
    def get(cls) -> Context:
        if cls.context is None:
            raise RuntimeError("no workflow can run before workflows.launch")
        return cls.context


def will_pass(error: BaseException) -> bool:
    """Whether something outside is away for now: the chain, the invoices, the database."""
    if isinstance(error, dbos_error.DBOSMaxStepRetriesExceeded):
        return all(will_pass(one) for one in error.errors)
    of_chain = ChainUnavailable | TransactionUnknown | FeeTooHigh
    of_invoices = VerifierUnavailable | VerifierUnauthorized
    return isinstance(error, of_chain | of_invoices | OperationalError | OSError)


@DBOS.step()
def match_step(batch_id: str) -> int:
    return match.match_batch(_Bound.get(), batch_id)


@DBOS.step()
def decide_step(batch_id: str) -> int:
    invoices.check_batch(_Bound.get(), batch_id)
    return decide.decide_batch(_Bound.get(), batch_id)


@DBOS.step(retries_allowed=True, max_attempts=3, interval_seconds=0.5, should_retry=will_pass)
def record_step(batch_id: str) -> int:
    return record.record_batch(_Bound.get(), batch_id)


@DBOS.step()
def submit_step(batch_id: str) -> int:
    return pay.submit_batch(_Bound.get(), batch_id)


@DBOS.workflow()
def claims_workflow(batch_id: str) -> dict[str, int]:
    """Match, decide, record. Returns how many claims each step moved on."""
    matched = match_step(batch_id)
    payable = decide_step(batch_id)
    return {"matched": matched, "payable": payable, "recorded": record_step(batch_id)}


@DBOS.workflow()
def payout_workflow(batch_id: str) -> int:
    """Send the batch's orders to the bank. Returns how many."""
    return submit_step(batch_id)


def launch(ctx: Context, executor_id: str) -> None:
    """Start DBOS on the same kind of database as the engine's own, and resume what was interrupted."""
    _Bound.context = ctx
    config: DBOSConfig = {
        "name": _NAME,
        "system_database_url": ctx.settings.workflow_database,
        "application_version": APPLICATION_VERSION,
        "executor_id": executor_id,
        "log_level": "WARNING",
        "enable_otlp": False,
    }
    DBOS(config=config)
    DBOS.launch()


def wait_for_resumed() -> None:
    """Until the workflows that a crash interrupted have ended, well or not: nothing starts beside them."""
    for status in DBOS.list_workflows(status=_UNFINISHED):
        try:
            DBOS.retrieve_workflow(status.workflow_id).get_result()
        except Exception:
            # What it left undone is found in the claims' states, and set aside from there.
            log.exception("workflow.failed", workflow_id=status.workflow_id)


def run_claims(batch_id: str) -> dict[str, int]:
    """Run a batch's workflow to its end in this thread; a batch that ran gives its stored result."""
    with SetWorkflowID(f"claims/{batch_id}"):
        return claims_workflow(batch_id)


def run_payouts(batch_id: str) -> int:
    with SetWorkflowID(f"payouts/{batch_id}"):
        return payout_workflow(batch_id)


def shut_down() -> None:
    DBOS.destroy()
    _Bound.context = None
