"""Optimistic concurrency of edit pages: nothing is saved over a change that the page did not show.

A page holds the *version* at which it was opened, the database's snapshot of that moment. Before anything is
saved the row is locked, and the audit trail says what was changed since. Two people who save at once wait for
each other: the second finds the entries of the first.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin import action
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.audit.context import changes_since, is_of_this_server, unseen_entries
from accounts.audit.entries import action_in_words, changes_of, rows_in_words, table_in_words
from accounts.models import AuditAction, AuditEntry
from sensenova_billing.lib.admin.base import AdminMixin

VERSION = "version"
CHANGED = _("This was changed after you opened it, so nothing was saved or deleted.")
UNKNOWN = _("It is not known what was changed after you opened this page, so nothing was saved or deleted.")
LOOK_AGAIN = _(
    "What you entered is still there; fields that you left alone now show what is stored. "
    "Check it and save again."
)

_SIGNER = Signer(salt="accounts.edit_conflicts")  # of forms that are open in browsers


def current_version() -> str:
    """Return the version that a page which is read from now on has."""
    snapshot, _ = changes_since(snapshot=None)
    return _SIGNER.sign(snapshot)


def version_to_send(request: HttpRequest, found: Any) -> str:
    """Return the version for the hidden field of a page: that of its opening, also when it is shown again."""
    return request.POST.get(VERSION) or str(vars(found)[VERSION])


def entries_since(version: str, *, about: Q) -> list[AuditEntry] | None:
    """Return the entries of the audit trail that a version lacks, oldest first; None if that is unknown."""
    try:
        snapshot = _SIGNER.unsign(version)
    except BadSignature:
        return None
    if not is_of_this_server(snapshot):
        return None
    return list(AuditEntry.objects.filter(about, pk__in=unseen_entries(snapshot)).order_by("pk"))


def entries_about(model: type[models.Model], keys: Iterable[Any], parts: Mapping[str, str]) -> Q:
    """Return the condition for entries about these rows, and about their `parts` (table: column)."""
    about = Q(table=model._meta.db_table, row__in=[str(key) for key in keys])
    for table, column in parts.items():
        for key in keys:
            about |= Q(table=table) & (Q(**{f"before__{column}": key}) | Q(**{f"after__{column}": key}))
    return about


def conflict_in_words(entries: list[AuditEntry] | None) -> list[str]:
    """Return why nothing is saved, and by whom, when and how the row was changed meanwhile."""
    if entries is None:
        return [str(UNKNOWN), str(LOOK_AGAIN)]
    names = rows_in_words(entries)
    changes = [_entry_in_words(entry, names[entry.pk]) for entry in entries]
    return [str(CHANGED), *changes, str(LOOK_AGAIN)]


def _entry_in_words(entry: AuditEntry, name: str) -> str:
    if entry.deed == AuditAction.CHANGED:
        what = "; ".join(
            f"{one.column}: {one.before or gettext('none')} → {one.after or gettext('none')}"
            for one in changes_of(entry)
            if one.is_changed
        )
    else:
        what = f"{action_in_words(entry)} {table_in_words(entry.table).lower()} {name}"
    return f"{entry.by}, {entry.at:%Y-%m-%d %H:%M:%S} UTC: {what}."


class VersionedForm(forms.ModelForm):  # type: ignore[type-arg]
    """Is not valid while there are changes since it was opened; subclasses are made for each request."""

    version = forms.CharField(required=False, widget=forms.HiddenInput)

    present_version: ClassVar[str]
    conflict: ClassVar[list[str]]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields[VERSION].initial = self.present_version
        for name in self._versioned():
            # So that `changed_data` tells what was typed from what was only shown.
            self.fields[name].show_hidden_initial = True

    def clean(self) -> dict[str, Any]:
        """Refuse to save over what was not seen, and show it."""
        cleaned = super().clean() or self.cleaned_data
        if self.conflict:
            self._show_what_is_stored()
            raise ValidationError(self.conflict)
        return cleaned

    def _versioned(self) -> list[str]:
        stored = {field.name for field in self._meta.model._meta.get_fields()}
        return [name for name, field in self.fields.items() if name in stored and not field.disabled]

    def _show_what_is_stored(self) -> None:
        """Let fields that were left alone, and what each field is compared with, be what is stored now."""
        shown = QueryDict(mutable=True)
        shown.update(self.data)
        for name in self._versioned():
            bound = self[name]
            value = bound.field.prepare_value(bound.initial)
            if name not in self.changed_data:
                _put(shown, bound.html_name, bound.field.widget, value)
            _put(shown, bound.html_initial_name, bound.field.hidden_widget(), value)
        shown[VERSION] = self.present_version
        self.data = shown


def _put(data: QueryDict, name: str, widget: Any, value: Any) -> None:
    """Write a value as a browser would send it from this widget."""
    if hasattr(widget, "widgets_names"):
        parts = zip(widget.widgets_names, widget.widgets, widget.decompress(value), strict=True)
        for suffix, part, its_value in parts:
            data[name + suffix] = part.format_value(its_value) or ""
    elif isinstance(value, list | tuple | models.QuerySet):
        data.setlist(name, [str(one) for one in value])
    elif isinstance(widget, forms.CheckboxInput) and not value:
        data.pop(name, None)
    else:
        data[name] = "" if value is None else str(value)


def versioned_form(form: Any, row: models.Model, *, data: QueryDict | None = None) -> Any:
    """Return a form for a row that does not save over unseen changes; within the transaction that saves.

    What is sent locks the row first.
    """
    model = row._meta.model  # not type(row): the person of a request is a lazy object
    rows = model._base_manager
    if data is not None:
        rows.select_for_update(no_key=True).get(pk=row.pk)
    version = current_version()  # before the row is read: what changes in between counts as changed since
    conflict: list[str] = []
    if data is not None:
        entries = entries_since(data.get(VERSION, ""), about=entries_about(model, [row.pk], {}))
        conflict = [] if entries == [] else conflict_in_words(entries)
    its = {"present_version": version, "conflict": conflict}
    return type("EditForm", (VersionedForm, form), its)(data, instance=rows.get(pk=row.pk))


class VersionedAdmin(AdminMixin):
    """For a ModelAdmin: nothing is changed or deleted over a change that was not seen."""

    actions = ("delete_selected",)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row with the version at which it is read; locked, if it may be saved."""
        if request.method == "POST" and connection.in_atomic_block:
            self._lock(object_id, from_field)
        version = current_version()  # before the row is read: what changes in between counts as changed since
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            vars(found)[VERSION] = version
        return found

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Compare before saving."""
        if obj is None or not change:
            return super().get_form(request, obj, change, **kwargs)
        its = {
            "present_version": vars(obj)[VERSION],
            "conflict": self.conflict(request, [obj.pk]) if request.method == "POST" else [],
        }
        form = type("EditForm", (VersionedForm, self.form), its)
        return super().get_form(request, obj, change, **{"form": form} | kwargs)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Try again where another person has just saved what there may be once: then the form says so."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError:
            return super().changeform_view(request, object_id, form_url, extra_context)

    @transaction.atomic
    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Delete what was seen, and nothing else."""
        found = self.get_object(request, unquote(object_id))
        may = found is not None and self.has_delete_permission(request, found)
        if may and request.method == "POST" and self.report_conflict(request, [found.pk]):
            return redirect(request.get_full_path())
        context = {VERSION: vars(found)[VERSION] if found else "", **(extra_context or {})}
        return super().delete_view(request, object_id, context)

    @action(permissions=["delete"], description=_("Delete selected %(verbose_name_plural)s"))
    def delete_selected(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        """Delete what was seen, and nothing else."""
        version = current_version()
        with transaction.atomic():
            keys = list(queryset.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))
            if request.POST.get("post") and self.report_conflict(request, keys):
                return None
            answer = delete_selected(self, request, queryset)
        if isinstance(answer, TemplateResponse):
            answer.context_data = {**(answer.context_data or {}), VERSION: version}
        return answer

    def conflict(self, request: HttpRequest, keys: Collection[Any]) -> list[str]:
        """Return in words what was changed of these rows since the page that is sent was opened."""
        about = entries_about(self.model, keys, self._parts())
        entries = entries_since(request.POST.get(VERSION, ""), about=about)
        return [] if entries == [] else conflict_in_words(entries)

    def report_conflict(self, request: HttpRequest, keys: Collection[Any]) -> bool:
        """Whether there is a conflict; the next page says so."""
        conflict = self.conflict(request, keys)
        if conflict:
            messages.error(request, " ".join(conflict[:-1]))
        return bool(conflict)

    def _lock(self, object_id: str, from_field: str | None) -> None:
        field: Any = self.opts.get_field(from_field) if from_field else self.opts.pk
        try:
            key = field.to_python(object_id)
        except ValidationError:
            return  # there is no such row
        rows = self.model._base_manager.select_for_update(no_key=True, of=("self",))
        bool(rows.filter(**{field.name: key}))

    def _parts(self) -> dict[str, str]:
        """Return the tables that are edited on the same page, each with the column that refers to the row."""
        linked = {field.m2m_db_table(): field.m2m_column_name() for field in self.opts.many_to_many}
        columns = [field for inline in self.inlines for field in inline.model._meta.concrete_fields]
        return linked | {
            field.model._meta.db_table: field.column for field in columns if field.related_model is self.model
        }
