"""Worker processes that end with whoever started them, however that ends."""

import os
import signal
import threading
from multiprocessing import parent_process


def end_with_parent() -> None:
    """Begins such a process. Ctrl-C goes to the whole group, and its parent ends it itself; one that is
    killed cannot."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_outlive_no_parent, daemon=True).start()


def _outlive_no_parent() -> None:
    if parent := parent_process():
        parent.join()
    os._exit(1)
