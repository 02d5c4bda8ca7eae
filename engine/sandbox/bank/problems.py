"""RFC 9457 problems with a stable code."""

import json

from fastapi import Response


class Problem(Exception):
    """An answer that is a no. `field`: the header, path or body field it is about."""

    def __init__(self, status: int, code: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field

    def response(self) -> Response:
        body = {"type": f"urn:sandbox-bank:{self.code}", "title": self.code, "status": self.status}
        body |= {"code": self.code, "detail": self.detail}
        if self.field is not None:
            body["field"] = self.field
        return Response(json.dumps(body), self.status, media_type="application/problem+json")
