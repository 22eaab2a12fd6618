"""Why a request to an endpoint that takes usage is refused."""

from django.db.models import TextChoices


class RefusalReason(TextChoices):
    """A reason under which refused usage is counted; docs/operations.md says of each what to do."""

    UNKNOWN_CUSTOMER = "unknown_customer", "no such customer"
    CUSTOMER_NOT_OF_KEY = "customer_not_of_key", "the key may not report for this customer"
    UNKNOWN_SERVICE = "unknown_service", "no such service"
    NOT_CHARGED = "not_charged", "the service does not charge for it"
    NOT_ON_SALE_YET = "not_on_sale_yet", "the service did not charge for it yet"
    TOO_OLD = "too_old", "too long ago"
    TOO_FAR_AHEAD = "too_far_ahead", "too far in the future"
    INVALID_VALUE = "invalid_value", "a field is missing, unknown or not valid"
    CONFLICTING_USAGE = "conflicting_usage", "an event id with other content than before"
    REFUSED_WITH_BATCH = "refused_with_batch", "valid, but in a batch with records that were refused"
    NOT_REVERSIBLE = "not_reversible", "a reversal that cannot be made"
    ALREADY_REVERSED = "already_reversed", "reversed before for another reason"
    MALFORMED = "malformed", "the body cannot be read"
    EMPTY_BATCH = "empty_batch", "a batch without records"
    BATCH_TOO_LARGE = "batch_too_large", "too many records in a batch"
    BODY_TOO_LARGE = "body_too_large", "the body is too large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", "a content type that is not accepted"
    MISSING_SCOPE = "missing_scope", "the key lacks the scope usage:write"
    INVALID_KEY = "invalid_key", "a key that is unknown, expired or revoked"
    NO_KEY = "no_key", "no key"
    OTHER = "other", "another reason"


# The codes of errors that are counted under a reason of another name.
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
