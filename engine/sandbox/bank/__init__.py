"""The sandbox bank: an outside organisation in its own process with its own database.

It shares no code with the engine and nobody imports it; `python -m engine.sandbox.bank --help` starts it.
One client (the insurer pool) with one funding account orders transfers in fen to payee accounts.

    POST /v1/transfers                          order one; Idempotency-Key = payout_id
    GET  /v1/transfers/{payout_id}              where it stands
    GET  /v1/statement?from=&to=&cursor=        bookings of the bank days (UTC+8) from..to, both included
    GET  /v1/accounts/{account_no}              balance and hold
    GET  /v1/faults, PUT /v1/faults             the sandbox's switches (see `faults`)
    GET  /healthz                               no authentication

A transfer's life. Money moves only in `settled` and `returned`, each one posting, at most once:

    accepted --(worker, at due time)--> settled --(fault return_payment)--> returned
        |
        +--(fault refuse)--> refused            another payee name, bad account or no funds: refused at once

Authentication: `Authorization: Bearer <api_key>`, and but for the switches `Bank-Timestamp` (Unix seconds,
300 s) and `Bank-Signature: v1=<hex>`, HMAC-SHA256 by the request secret over
METHOD, target, timestamp, Idempotency-Key, sha256(body) hex, joined by newlines.

Callbacks: POST of the transfer's JSON to the callback URL with `Bank-Timestamp` and `Bank-Signature`,
HMAC-SHA256 by the callback secret over timestamp "." body; any 2xx ends them. At least once, in no order.
"""
