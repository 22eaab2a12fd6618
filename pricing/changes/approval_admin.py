"""With PRICE_CHANGES_NEED_APPROVAL, edits of groups, services and aliases also need the approval right."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from sensenova_billing.lib.admin.base import AdminMixin

MAY_APPROVE = "pricing.approve_price"


class RequiresApproval(AdminMixin):
    """For a ModelAdmin: where price changes need approval, only approvers write.

    Not as proposals: the rows of a proposal can neither rename an alias or a service nor remove an alias.
    """

    list_before_template = change_form_before_template = "admin/needs_approver.html"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As permitted, unless it needs an approver and this person is none."""
        return not _lacks_approval(request) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As permitted, unless it needs an approver and this person is none."""
        return not _lacks_approval(request) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As permitted, unless it needs an approver and this person is none."""
        return not _lacks_approval(request) and super().has_delete_permission(request, obj)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """With a note if this person could change something without the approval rule."""
        return super().changelist_view(request, self._with_note(request, extra_context))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With the same note."""
        context = self._with_note(request, extra_context)
        return super().change_view(request, object_id, form_url, context)

    def _with_note(self, request: HttpRequest, extra_context: Any) -> dict[str, Any]:
        could = super().has_change_permission(request)
        return {"needs_approver": could and _lacks_approval(request), **(extra_context or {})}


def _lacks_approval(request: HttpRequest) -> bool:
    return settings.PRICE_CHANGES_NEED_APPROVAL and not request.user.has_perm(MAY_APPROVE)
