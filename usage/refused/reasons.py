"""The reason under which a refused request is counted."""

from usage.models import RefusalReason

# Error codes that differ from the name of their reason.
_REASONS_OF_CODES = {
    "malformed_json": RefusalReason.MALFORMED,
    "malformed_event": RefusalReason.MALFORMED,
    "malformed_gzip": RefusalReason.MALFORMED,
    "malformed_request": RefusalReason.MALFORMED,
    "incomplete_body": RefusalReason.MALFORMED,
    "too_many_values": RefusalReason.BODY_TOO_LARGE,
    "unsupported_content_encoding": RefusalReason.UNSUPPORTED_MEDIA_TYPE,
    "authentication_failed": RefusalReason.INVALID_KEY,
    "not_authenticated": RefusalReason.NO_KEY,
}


def reason_of_code(code: str) -> RefusalReason:
    """Return the reason under which an error with this code is counted."""
    if code in RefusalReason.values:
        return RefusalReason(code)
    return _REASONS_OF_CODES.get(code, RefusalReason.OTHER)
