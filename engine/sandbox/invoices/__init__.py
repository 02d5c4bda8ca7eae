"""The sandbox invoice platform: issues hospitals' electronic invoices, and says of each what became of it.

It shares no code with the engine and nobody imports it; `python -m engine.sandbox.invoices --help` starts it.

    POST /v1/invoices:verify   {"invoices": [{"code", "number", "check_code"}]} -> {"results": […]}
    POST /v1/invoices          {"invoices": [{"code", "number", "check_code", "amount_fen",
                               "hospital_code"}]}: issue; one that is issued already stays as it is
    POST /v1/invoices:red      {"code", "number"}: a red-letter invoice cancels it (冲红), for good
    GET  /v1/counts            how many are issued, and how many questions were answered
    PUT  /v1/faults            {"next": [fault, …]}: what the next questions suffer, one each
    GET  /healthz              no authentication

An invoice's answer: status "normal", "red" or "unknown" (nobody issued it, or its check code is another);
amount_fen and hospital_code unless it is unknown. Authentication: `Authorization: Bearer <api_key>`.

faults: server_error (500), silent (no answer), nonsense (an answer that is not the protocol), short (one
result too few).
"""
