"""The audit trail in the admin: each change with its author, time, reason, and values before and after."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.audit.audited_admin import history_url
from accounts.audit.entries import (
    ColumnChange,
    action_in_words,
    changes_in_short,
    changes_of,
    model_of,
    rows_in_words,
    table_in_words,
)
from accounts.audit.filters import (
    AboutFilter,
    ActionFilter,
    CustomerFilter,
    FromDayFilter,
    PersonFilter,
    TableFilter,
    UntilDayFilter,
)
from accounts.models import AuditAction, AuditEntry
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.labels import Label
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin

ACTION_LABELS = {
    AuditAction.ADDED.label: "success",
    AuditAction.CHANGED.label: "info",
    AuditAction.REMOVED.label: "danger",
}
TRAIL_FILTERS: tuple[Any, ...] = (
    AboutFilter,
    CustomerFilter,
    PersonFilter,
    FromDayFilter,
    UntilDayFilter,
    TableFilter,
    ("deed", ActionFilter),
)
SHOWN = 3  # changed columns in the list


class AuditEntryAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every change of customers, people, keys and the catalogue, the newest first. Nothing is counted."""

    list_display = ("at_text", "what", "row_text", "action_label", "changed", "by_link", "reason")
    list_filter = TRAIL_FILTERS
    list_filter_submit = True
    sortable_by = ()  # without an index of a column, all entries would be read and put in order
    search_fields = ("row", "by")
    search_help_text = _("The number of a row, or the whole e-mail address of its author.")
    list_per_page = 50
    fields = ("at_text", "by_link", "reason", "what", "action_label", "row_link")
    change_form_outer_after_template = "admin/audit_entry.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Find by the whole of it, which an index can: of parts, millions of entries would be read."""
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(**({"row": term} if term.isdigit() else {"by": term})), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With what the rows of the page are called, read at once."""
        page = super().get_changelist_instance(request)
        page.result_list = list(page.result_list)
        names = rows_in_words(page.result_list)
        for entry in page.result_list:
            entry.called = names[entry.pk]
        return page

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With before and after side by side."""
        entry = self.get_object(request, object_id)
        context = {"changes": _table(changes_of(entry), entry.deed)} if entry else {}
        answer: HttpResponse = super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )
        return answer

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The history of the row that the entry is about."""
        entry = self.get_object(request, object_id)
        if entry is None:
            raise Http404
        return redirect(history_url(table=entry.table, row=entry.row))

    @display(description=_("when (UTC)"))
    def at_text(self, entry: AuditEntry) -> str:
        """To the second."""
        return f"{entry.at:%Y-%m-%d %H:%M:%S}"

    @display(description=_("what"))
    def what(self, entry: AuditEntry) -> str:
        """Price, Customer and so on."""
        return table_in_words(entry.table)

    @display(description=_("which"))
    def row_text(self, entry: Any) -> str:
        """What it is called now, or was."""
        return str(entry.called)

    @display(description=_("action"), label=ACTION_LABELS)
    def action_label(self, entry: AuditEntry) -> Label:
        """Added, changed or removed, or what that means for such a row."""
        return Label(entry.get_deed_display(), action_in_words(entry))

    @display(description=_("changes"))
    def changed(self, entry: AuditEntry) -> str:
        """The first columns of a change; what was added or removed is on the entry's own page."""
        changes = changes_in_short(entry)
        text = "; ".join(changes[:SHOWN])
        if len(changes) <= SHOWN:
            return text
        return gettext("%(changes)s; %(number)s more") % {"changes": text, "number": len(changes) - SHOWN}

    @display(description=_("by"))
    def by_link(self, entry: AuditEntry) -> str:
        """With a link to all that they changed."""
        url = f"{reverse('admin:accounts_auditentry_changelist')}?{urlencode({'q': entry.by})}"
        return format_html('<a class="underline" href="{}">{}</a>', url, entry.by)

    @display(description=_("which"))
    def row_link(self, entry: AuditEntry) -> str:
        """With links to its page and to its other entries."""
        name = rows_in_words([entry])[entry.pk]
        history = history_url(table=entry.table, row=entry.row)
        link = format_html('<a class="underline" href="{}">{}</a>', history, gettext("all its entries"))
        return format_html("{} - {}", _page_of(entry, name), link)


def _page_of(entry: AuditEntry, name: str) -> str:
    model = model_of(entry.table)
    if model is None or not admin.site.is_registered(model):
        return name
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[entry.row])
    return format_html('<a class="underline" href="{}">{}</a>', url, name)


def _table(changes: list[ColumnChange], action: str) -> dict[str, Any]:
    """Return the table of before and after; of a change what changed stands out, and first."""
    is_change = action == AuditAction.CHANGED
    ordered = sorted(changes, key=lambda change: not change.is_changed) if is_change else changes
    return {
        "headers": ["", gettext("before"), gettext("after")],
        "rows": [[_cell(text, one) for text in (one.column, one.before, one.after)]
                 if is_change else [one.column, one.before, one.after] for one in ordered],
    }  # fmt: skip


def _cell(text: str, change: ColumnChange) -> str:
    if not change.is_changed:
        return text
    return format_html(
        '<strong class="text-font-important-light dark:text-font-important-dark">{}</strong>', text
    )
