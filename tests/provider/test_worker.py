"""The node at work by itself."""

import time

from api.client import wait_until
from engine.provider.worker import Worker
from tests.provider.site import Native, Site, stay


def test_what_comes_in_is_begun_with_at_once_and_no_round_is_waited_for(site: Site) -> None:
    site.insurer.publish(1, site.chain.cover(site.chain.grant()))
    site.node.settings.tick_s = 600
    worker = Worker(site.node)
    worker.start()
    try:
        for _ in range(2):  # the first may be found by the round that every end brings about
            native = stay()
            site.accept(native)
            wait_until(lambda native=native: _has_ended(site, native), timeout_s=20, every_s=0.02)  # type: ignore[misc]
            time.sleep(0.3)
    finally:
        worker.stop()


def _has_ended(site: Site, native: Native) -> bool:
    return site.row(native).state == "accepted"
