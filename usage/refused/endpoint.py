"""Base of the endpoints that take usage."""

from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response

from accounts.api_keys.permissions import MayReportUsage
from accounts.models import ServiceKey
from sensenova_billing.lib import clock
from sensenova_billing.lib.api.endpoint import Endpoint
from usage.models import RefusalReason
from usage.refused.counters import RefusedRequest, count_refused, records_of
from usage.refused.reasons import reason_of_code


class UsageEndpoint(Endpoint):
    """Takes usage from keys that may report it, and counts what it refuses."""

    permission_classes = (MayReportUsage,)

    def handle_exception(self, exc: Exception) -> Response:
        """Answer as every endpoint does, and count the request if it was refused."""
        response = super().handle_exception(exc)
        if 400 <= response.status_code < 500 and self.request.method not in SAFE_METHODS:
            self.count(exc, reason=reason_of_code(response.data["error"]["code"]))
            # Counted requests have their own log lines (settings.LOGGING).
            self.request._request.is_counted_as_refused = True  # type: ignore[attr-defined]
        return response

    def count(self, error: Exception, *, reason: RefusalReason) -> None:
        """Count the records that were refused with this error, or one for this reason if it names none."""
        key: object = self.request.user  # None without a valid key
        count_refused(
            RefusedRequest(
                key=key if isinstance(key, ServiceKey) else None,
                path=self.request.path,
                at=clock.now(),
                records=records_of(error, reason=reason),
            )
        )
