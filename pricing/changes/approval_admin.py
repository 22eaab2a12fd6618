"""Where price changes need approval, what else of the catalogue decides over charges obeys it too."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

MAY_APPROVE = "pricing.approve_price"


class ObeysApproval:
    """For a ModelAdmin: where price changes need approval, only who may approve them writes.

    Not as proposals: the rows of one cannot rename an alias or a service, nor take an alias away.
    """

    list_before_template = change_form_before_template = "admin/needs_approver.html"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Those who may, unless it needs an approver and they are none."""
        return not _lacks_approval(request) and super().has_add_permission(request)  # type: ignore[misc]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Those who may, unless it needs an approver and they are none."""
        return not _lacks_approval(request) and super().has_change_permission(request, obj)  # type: ignore[misc]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Those who may, unless it needs an approver and they are none."""
        return not _lacks_approval(request) and super().has_delete_permission(request, obj)  # type: ignore[misc]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """With a word to those who could change something if it needed no approval."""
        return super().changelist_view(request, self._told(request, extra_context))  # type: ignore[misc,no-any-return]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With the same word."""
        told = self._told(request, extra_context)
        return super().change_view(request, object_id, form_url, told)  # type: ignore[misc,no-any-return]

    def _told(self, request: HttpRequest, extra_context: Any) -> dict[str, Any]:
        could = super().has_change_permission(request)  # type: ignore[misc]
        return {"needs_approver": could and _lacks_approval(request), **(extra_context or {})}


def _lacks_approval(request: HttpRequest) -> bool:
    return settings.PRICE_CHANGES_NEED_APPROVAL and not request.user.has_perm(MAY_APPROVE)
