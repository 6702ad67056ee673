"""Errors as answers, in one shape for routes and middleware."""

from __future__ import annotations

import logging

from starlette.responses import JSONResponse

from copaw.errors import BadInput, CopawError, NotImplementedHere, Unauthenticated, Unavailable
from copaw.ports import Json

logger = logging.getLogger(__name__)


def error_answer(error: CopawError) -> JSONResponse:
    """``{"detail", "error": {"code", "message", "field"?}}`` with the status of the error's class."""
    if error.http_status >= 500 and not isinstance(error, Unavailable | NotImplementedHere):
        logger.error("%s: %s", error.code, error.message)
    detail: Json = {"code": error.code, "message": error.message}
    if isinstance(error, BadInput) and error.field:
        detail["field"] = error.field
    return JSONResponse({"detail": error.message, "error": detail}, error.http_status, _headers(error))


def _headers(error: CopawError) -> dict[str, str] | None:
    if isinstance(error, Unavailable):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    return None
