"""`python -m engine.sandbox.bank`: run the sandbox bank in the foreground."""

import argparse
import asyncio
import fcntl
import logging
import socket
import sys
from pathlib import Path
from typing import IO

import uvicorn
from fastapi import Request
from pydantic import ValidationError
from uvicorn.protocols.http.h11_impl import H11Protocol

from engine.sandbox.bank.app import create_app
from engine.sandbox.bank.auth import load_or_issue
from engine.sandbox.bank.config import BankConfig
from engine.sandbox.bank.faults import FaultPlan
from engine.sandbox.process import AnnouncingServer, end_when_asked

_EXAMPLES = """
examples:
  python -m engine.sandbox.bank --db bank.sqlite --port 0
      prints {"url": "http://127.0.0.1:41234", ...} once ready; issues bank.sqlite.secrets.json
  python -m engine.sandbox.bank --db bank.sqlite --port 8600 --callback-url http://127.0.0.1:8000/v1/bank/callbacks
      calls the results back, signed
  echo '{"seed": 7, "rules": [{"fault": "refuse", "probability": 0.1},
         {"fault": "timeout_after_accept", "nth": 3}]}' > faults.json
  python -m engine.sandbox.bank --db bank.sqlite --port 8600 --faults faults.json
      refuses one in ten, and never answers the third order
  curl -X PUT http://127.0.0.1:8600/v1/faults -H "Authorization: Bearer $API_KEY" -d @faults.json
      the same while it runs; '{}' switches everything off

exit: 0 after SIGTERM or SIGINT, 2 could not start
"""


class _Server(AnnouncingServer):
    """Can close a connection without answering, too."""

    def abort(self, request: Request) -> None:
        for connection in self.server_state.connections:
            if isinstance(connection, H11Protocol) and connection.client == tuple(request.scope["client"]):
                connection.transport.abort()


def main() -> int:
    options = _parser().parse_args()
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    end_when_asked()
    try:
        config = _config(options)
        lock = _only_one(config.database)
        listener = socket.create_server((options.host, options.port), backlog=1024)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"sandbox bank: {error}\n")
        return 2
    with lock, listener:
        _serve(config, options, listener)
    return 0


def _serve(config: BankConfig, options: argparse.Namespace, listener: socket.socket) -> None:
    url = f"http://{options.host}:{listener.getsockname()[1]}"
    ready = {
        "url": url,
        "db": str(config.database),
        "secret_file": str(options.secret_file),
        "funding_account": config.funding_account,
    }
    app = create_app(config)
    server = _Server(
        uvicorn.Config(
            app,
            http="h11",
            loop="asyncio",
            ws="none",
            access_log=False,
            log_config=None,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=2,
        ),
        ready,
    )
    app.state.bank.abort = server.abort
    asyncio.run(server.serve(sockets=[listener]))


def _config(options: argparse.Namespace) -> BankConfig:
    """Raises ValueError, OSError."""
    options.db.parent.mkdir(parents=True, exist_ok=True)
    if options.secret_file is None:
        options.secret_file = options.db.with_name(options.db.name + ".secrets.json")
    plan = FaultPlan()
    if options.faults is not None:
        try:
            plan = FaultPlan.model_validate_json(options.faults.read_bytes())
        except ValidationError as error:
            raise ValueError(f"{options.faults}: {error}") from error
    return BankConfig(
        database=options.db,
        secrets=load_or_issue(options.secret_file),
        callback_url=options.callback_url,
        settle_after_ms=options.settle_after_ms,
        funding_fen=options.funding_fen,
        faults=plan,
    )


def _only_one(database: Path) -> IO[str]:
    """Two on one database would call back twice. The lock ends with the process, however it ends."""
    lock = database.with_name(database.name + ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise OSError(f"{database}: another sandbox bank runs on it") from error
    return lock


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m engine.sandbox.bank",
        description="A bank to try payouts against: real process, real database, faults on request.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--db", type=Path, required=True, metavar="FILE", help="SQLite file, made if missing")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="default %(default)s")
    parser.add_argument("--callback-url", metavar="URL", help="where results are posted; none: query only")
    parser.add_argument(
        "--secret-file",
        type=Path,
        metavar="FILE",
        help="shared with the client; default DB.secrets.json, made if missing",
    )
    parser.add_argument(
        "--settle-after-ms",
        type=int,
        default=50,
        metavar="MS",
        help="from accepted to decided; default %(default)s",
    )
    parser.add_argument(
        "--funding-fen",
        type=int,
        default=10**13,
        metavar="FEN",
        help="opening deposit; default %(default)s",
    )
    parser.add_argument("--faults", type=Path, metavar="FILE", help="fault plan (JSON) to start with")
    return parser


if __name__ == "__main__":
    sys.exit(main())
