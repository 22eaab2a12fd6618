"""`/api/v1/usage`: services report usage there, customers read it; each with a scope of its own."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS

from accounts.api_keys.permissions import MayReadBilling, MayReportUsage
from invoices.usage_report.api import UsageReportView
from usage.ingest.api import UsageView


class UsageEndpoint(UsageReportView, UsageView):  # type: ignore[misc]  # get_permissions chooses
    """Takes usage records, and answers what a customer used."""

    def get_permissions(self) -> list[Any]:
        """Ask for the scope of what is done."""
        return [MayReadBilling() if self.request.method in SAFE_METHODS else MayReportUsage()]
