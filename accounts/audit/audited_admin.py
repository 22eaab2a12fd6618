"""Admin classes that set the audit context: the audit trail holds author and reason of each change."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.audit.context import LONGEST_REASON, set_audit_context
from accounts.audit.edit_conflicts import VersionedAdmin
from accounts.audit.references import has_references
from accounts.key_fields import KEY_FIELDS
from sensenova_billing.lib.admin.base import AdminMixin, ModelAdmin
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.number_fields import NUMBER_FIELDS

REASON = "reason"
ABOUT = "about"  # of the trail's list: a table and a row of it


def reason_field(*, required: bool = False) -> forms.CharField:
    """Return the field for the reason, which is stored in the audit trail only."""
    return forms.CharField(
        label=_("Reason"),
        required=required,
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Why this is changed. Saved permanently in the audit trail, with your e-mail address."),
        error_messages={
            "required": _("Give a reason: it is all that later readers of the audit trail have.")
        },
    )


class OptionalReasonForm(forms.ModelForm):  # type: ignore[type-arg]
    """Asks for a reason."""

    reason = reason_field()


class RequiredReasonForm(forms.ModelForm):  # type: ignore[type-arg]
    """Requires a reason."""

    reason = reason_field(required=True)


class ReasonForm(forms.Form):
    """Asks for a reason before an action that has a page of its own."""

    reason = reason_field()


class AuditHistoryAdmin(AdminMixin):
    """Mixin of a ModelAdmin: the history of a row is its part of the trail, and that of what refers to it."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Lead to the row's entries in the audit trail."""
        table, row = self.opts.db_table, unquote(object_id)
        return redirect(
            history_of(table, row) if has_references(self.model) else history_url(table=table, row=row)
        )


class AuditedAdmin(VersionedAdmin, RobustUrlAdmin, AuditHistoryAdmin):
    """Mixin of a ModelAdmin: sets the audit context of each change, and never overwrites an unseen one."""

    formfield_overrides = NUMBER_FIELDS | KEY_FIELDS

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Set the audit context before any write: Django calls this first once the form is valid."""
        set_audit_context(by=request.user.get_username(), reason=form.cleaned_data.get(REASON, ""))
        return super().save_form(request, form, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Set the audit context, then delete; the admin's transaction holds both."""
        set_audit_context(by=request.user.get_username())
        super().delete_model(request, obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Set the audit context, then delete, in one transaction: Django opens none for actions."""
        set_audit_context(by=request.user.get_username())
        super().delete_queryset(request, queryset)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Put the reason last, and only for people who may change something."""
        listed = super().get_fieldsets(request, obj)
        fieldsets = [(title, options | {"fields": _without_reason(options)}) for title, options in listed]
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        if may and REASON in self.form.declared_fields:
            fieldsets.append((_("Why"), {"fields": (REASON,)}))
        return fieldsets


class UndeletableAdmin(AuditedAdmin, ModelAdmin):
    """Rows that are added and changed under audit, and never deleted."""

    form: Any = OptionalReasonForm
    list_per_page = 50

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


def history_url(*, table: str, row: str) -> str:
    """Return where the audit trail of one row is shown."""
    return f"{reverse('admin:accounts_auditentry_changelist')}?{urlencode({'table': table, 'q': row})}"


def history_of(table: str, row: str) -> str:
    """Return where the trail of a row is shown together with that of the rows that refer to it."""
    return f"{reverse('admin:accounts_auditentry_changelist')}?{urlencode({ABOUT: f'{table}:{row}'})}"


def _without_reason(options: Any) -> tuple[Any, ...]:
    return tuple(name for name in options["fields"] if name != REASON)
