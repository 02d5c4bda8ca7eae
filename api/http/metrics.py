"""Prometheus metrics: what the edge saw, and where the work stands, read when asked."""

from collections.abc import Iterator

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.chain.errors import ChainError
from engine.pipeline import claims
from engine.pipeline.context import Context
from engine.store import claims as claim_store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PAYOUT_FEED = "payouts"
_log = structlog.get_logger("autoclaim.metrics")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """One registry an application, so that several may live in one process."""

    def __init__(self, ctx: Context) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "autoclaim_http_requests",
            "Calls answered, by route and status.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "autoclaim_http_request_seconds",
            "From the first byte of a call to the last of its answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._registry.register(_Standing(ctx))

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def exposition(self) -> bytes:
        """The text format. Reads database and chain: call it from a worker thread."""
        return generate_latest(self._registry)


class _Standing(Collector):
    """Claims and payouts by state; the chain's head and how far its reader is behind."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def describe(self) -> Iterator[Metric]:
        return iter(())  # nothing is known without asking; registering must not ask

    def collect(self) -> Iterator[Metric]:
        totals = claims.totals(self._ctx)
        by_state = GaugeMetricFamily("autoclaim_claims", "Claims, by state.", labels=("state",))
        for state, count in totals["claims"].items():
            by_state.add_metric((state,), count)
        yield by_state
        payouts = GaugeMetricFamily("autoclaim_payouts", "Transfers, by state.", labels=("state",))
        sums = GaugeMetricFamily("autoclaim_payouts_fen", "Their sums in fen, by state.", labels=("state",))
        for state, payout in totals["payouts"].items():
            payouts.add_metric((state,), payout["count"])
            sums.add_metric((state,), payout["fen"])
        yield payouts
        yield sums
        waiting = "Refused settlements that wait for a correction."
        yield GaugeMetricFamily("autoclaim_quarantined", waiting, value=totals["quarantined"])
        yield from self._chain()

    def _chain(self) -> Iterator[Metric]:
        try:
            head, confirmed = self._ctx.chain.block_number(), self._ctx.chain.confirmed_block()
        except ChainError:
            _log.warning("chain not measured", exc_info=True)
            return  # absent is what Prometheus calls a gauge that nobody could read
        lag = max(0, confirmed + 1 - self._next_block())
        for name, text, value in (
            ("head_block", "The newest block.", head),
            ("confirmed_block", "The newest block that counts.", confirmed),
            ("lag_blocks", "Confirmed blocks that the payout feed has yet to read.", lag),
        ):
            yield GaugeMetricFamily(f"autoclaim_chain_{name}", text, value=value)

        endpoints = GaugeMetricFamily(
            "autoclaim_chain_endpoint",
            "Each endpoint and its state; 1 for the one that is asked.",
            labels=("endpoint", "state"),
        )
        for endpoint in self._ctx.chain.endpoints():
            endpoints.add_metric((endpoint.name, endpoint.state), int(endpoint.current))
        yield endpoints

    def _next_block(self) -> int:
        with self._ctx.database.reading() as session:
            cursor = claim_store.cursor(session, _PAYOUT_FEED)
        return cursor.next_block if cursor else self._ctx.chain.deployment.block
