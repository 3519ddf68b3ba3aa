"""What a caller is told when something goes wrong."""

from __future__ import annotations

import structlog
from starlette.exceptions import HTTPException

from ragadmin.errors import NotFound, RagadminError

log = structlog.get_logger("ragadmin.query")


def known_error(error: Exception) -> RagadminError:
    """The error itself if it is one of ours; otherwise logged whole, told in general."""
    if isinstance(error, RagadminError):
        return error
    if isinstance(error, HTTPException) and error.status_code == 405:
        known = NotFound("This address does not take this method.", code="method_not_allowed")
        known.status = 405
        return known
    log.error("unexpected_error", exc_info=error)
    return RagadminError("Something went wrong on our side: try again, and tell the operator.")
