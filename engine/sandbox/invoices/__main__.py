"""`python -m engine.sandbox.invoices`: run the sandbox invoice platform in the foreground."""

import argparse
import asyncio
import json
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from engine.sandbox.invoices.app import create_app
from engine.sandbox.invoices.ledger import Ledger
from engine.sandbox.process import AnnouncingServer, end_when_asked, issue

_EXAMPLES = """
examples:
  python -m engine.sandbox.invoices --db invoices.sqlite --port 0
      prints {"url": "http://127.0.0.1:41234", ...} once ready; issues the key invoices.sqlite.secret.json
  python -m engine.sandbox.invoices --db invoices.sqlite --port 8700 \\
      --settlements seeds/settlements/discharges.ndjson
      has issued the invoices of these settlements

exit: 0 after SIGTERM or SIGINT, 2 could not start
"""


def main() -> int:
    options = _parser().parse_args()
    end_when_asked()
    secret_file = options.secret_file or options.db.with_name(options.db.name + ".secret.json")
    try:
        options.db.parent.mkdir(parents=True, exist_ok=True)
        api_key = _load_or_issue(secret_file)
        ledger = Ledger(options.db)
        if options.settlements is not None:
            ledger.issue(_invoices_of(options.settlements))
        listener = socket.create_server((options.host, options.port), backlog=256)
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"sandbox invoice platform: {error}\n")
        return 2
    with listener:
        url = f"http://{options.host}:{listener.getsockname()[1]}"
        ready = {"url": url, "db": str(options.db), "secret_file": str(secret_file)}
        config = uvicorn.Config(
            create_app(ledger, api_key),
            access_log=False,
            log_config=None,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
        )
        asyncio.run(AnnouncingServer(config, ready).serve(sockets=[listener]))
    return 0


def _load_or_issue(path: Path) -> str:
    """The client's key, made (mode 0600) if there is none yet."""
    if not path.exists():
        issue(path, {"api_key": "sandbox_" + secrets.token_urlsafe(24)})
    return str(json.loads(path.read_text(encoding="utf-8"))["api_key"])


def _invoices_of(path: Path) -> Iterator[dict[str, Any]]:
    """Of native settlements, or of lines that hold one as "settlement". Raises ValueError, KeyError."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            document = json.loads(line)
            info = document.get("settlement", document).get("setlinfo", {})
            if "bill_chk_code" in info:
                yield {
                    "code": info["bill_code"],
                    "number": info["bill_no"],
                    "check_code": info["bill_chk_code"],
                    "amount_fen": _fen(info["medfee_sumamt"]),
                    "hospital_code": info["fixmedins_code"],
                }


def _fen(yuan: str) -> int:
    whole, _, cents = yuan.partition(".")
    return int(whole) * 100 + int(cents.ljust(2, "0"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m engine.sandbox.invoices",
        description="An invoice platform to try checks against: a real process, faults on request.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--db", type=Path, required=True, metavar="FILE", help="SQLite file, made if missing")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="default %(default)s")
    parser.add_argument(
        "--secret-file", type=Path, metavar="FILE", help="the client's key; default DB.secret.json"
    )
    parser.add_argument(
        "--settlements", type=Path, metavar="FILE", help="NDJSON whose invoices have been issued"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
