"""The chain itself over JSON-RPC, so that nobody has to trust this engine's word for it.

No API key: it is public evidence, every method but one only reads, and what that one takes is signed.
"""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.http import examples
from api.http.bodies import JSON_ONLY, RawBody
from api.http.problems import documented
from engine.chain.providers import ProvidersRpc

router = APIRouter(tags=["chain"])


@router.post(
    "/chain/rpc",
    responses={
        200: {
            "description": "JSON-RPC 2.0",
            "content": {"application/json": {"example": examples.RPC_ANSWER}},
        },
        **documented(408, 413, 415),
    },
    dependencies=[JSON_ONLY],
    openapi_extra=examples.json_body("JSON-RPC 2.0: a call or a batch of up to 100", examples.RPC_CALL),
)
def chain_rpc(request: Request, body: RawBody) -> Response:
    """Any reading method of an Ethereum node: eth_call, eth_getLogs, eth_getProof, … Of writes only
    eth_sendRawTransaction, of what a provider that is appointed on chain signed to catalogue or scheduler."""
    rpc: ProvidersRpc = request.app.state.rpc
    return Response(rpc.handle(body), media_type="application/json")
