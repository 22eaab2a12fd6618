"""Usage in quarantine, for tests."""

from typing import Any

from accounts.api_keys.keys import issue_service_key
from accounts.models import ServiceKey
from tests.builders import at, report
from usage.models import QuarantinedUsage, RefusalReason
from usage.quarantine.keep import BadUsage, keep


def in_quarantine(
    event_id: str = "call-1", *, key: ServiceKey | None = None, **fields: Any
) -> QuarantinedUsage:
    """Put a call of a service that is unknown into quarantine: 1,000 tokens in, 500 out."""
    used = report(event_id, **({"service": "nova-9"} | fields))
    reason = RefusalReason.UNKNOWN_SERVICE
    bad = BadUsage(used, used.customer, {"id": event_id}, "service", "unknown service", reason)
    keep(usage=[bad], key=key or issue_service_key(name="litellm")[0], now=at(61))
    return QuarantinedUsage.objects.get(event_id=event_id)
