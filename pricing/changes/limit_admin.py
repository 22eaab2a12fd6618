"""Call specifications in the admin: add, end, cancel while scheduled; and a customer's way to them."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from accounts.admin import CustomerAdmin
from accounts.audit.audited_admin import UndeletableAdmin
from accounts.audit.edit_conflicts import version_to_send
from pricing.admin_filters import SCHEDULED, STATES, ForWhomFilter, StateFilter, state_in_words, state_of
from pricing.changes.apply import ChangesRefused, catalogue_locked, database_time
from pricing.changes.approval_admin import RequiresApproval
from pricing.changes.constraint_messages import refusal_text
from pricing.changes.limit_commands import (
    AddedLimits,
    add_limits,
    cancel_limits,
    describe_others,
    limits_text,
    utc_text,
    without_default_from,
)
from pricing.changes.limit_forms import (
    AT_ONCE,
    CancelForm,
    NewLimitsForm,
    SpecificationForm,
    frozen_fields,
    is_in_force,
)
from pricing.changes.stored import specification_row
from pricing.models import CallSpecification
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.decorators import action, display
from sensenova_billing.lib.admin.labels import Label

REFUSED = (ChangesRefused, ValidationError, IntegrityError)


class CallSpecificationAdmin(RequiresApproval, UndeletableAdmin):
    """Calls and tokens per minute; new limits supersede the old ones, which stay as history."""

    form = SpecificationForm
    list_display = ("service", "for_whom", "rpm", "tpm_text", "begins_at", "ends_at", "state")
    list_filter = (StateFilter, ForWhomFilter, "service")
    list_select_related = ("service", "customer")
    search_fields = ("service__name", "customer__code", "customer__name")
    search_help_text = _("A service, or a customer's code or name.")
    autocomplete_fields = ("service", "customer")
    # Each service's default first, then customers' own; of each what was before what is and will be.
    ordering = (
        "service__group__position",
        "service__position",
        F("customer__code").asc(nulls_first=True),
        "begins_at",
    )
    actions_detail = ("change_these", "take_back")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """A new specification has a form of its own."""
        return super().get_form(request, obj, change, **({} if obj else {"form": NewLimitsForm}) | kwargs)

    def get_fields(self, request: HttpRequest, obj: CallSpecification | None = None) -> tuple[str, ...]:
        """What is in force may end at once."""
        fields = ("service", "customer", "rpm", "tpm", "excludes_cached_input", "begins_at", "ends_at")
        may = obj is not None and self.has_change_permission(request, obj)
        return (*fields, AT_ONCE) if may and obj and is_in_force(obj, now=clock.now()) else fields

    def get_readonly_fields(
        self, request: HttpRequest, obj: CallSpecification | None = None
    ) -> tuple[str, ...]:
        """What the database keeps as it was."""
        return frozen_fields(obj, now=clock.now())

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only a scheduled specification can be cancelled."""
        offered = super().get_actions_detail(request, object_id)
        held = self.get_object(request, object_id)
        if held and state_of(held) == SCHEDULED:
            return offered
        return [one for one in offered if not one.action_name.endswith("_take_back")]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Lock the catalogue, so that it does not change between validation and save."""
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, extra_context)
        try:
            with catalogue_locked():
                return super().changeform_view(request, object_id, form_url, extra_context)
        except REFUSED as refused:
            _show_refusal(request, refused)
            return redirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: CallSpecification, form: Any, change: bool) -> None:
        """Add limits that supersede others, or move the end of a stored specification."""
        if change:
            if form.cleaned_data.get(AT_ONCE):
                obj.ends_at = database_time()
            super().save_model(request, obj, form, change)
        else:
            added = add_limits(
                service=obj.service,
                customer=obj.customer,
                rpm=obj.rpm,
                tpm=obj.tpm,
                excludes_cached_input=obj.excludes_cached_input,
                begins_at=obj.begins_at,
                ends_at=obj.ends_at,
                by=request.user.get_username(),
                reason=form.cleaned_data["reason"],
            )
            at_once, open_ended = obj.begins_at is None, obj.ends_at is None
            obj.__dict__.update(added.specification.__dict__)
            messages.success(request, _added_text(added, at_once=at_once, open_ended=open_ended))
        _warn_of_no_default(request, obj)

    @action(description=_("Change these limits"), permissions=["add"])
    def change_these(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open the form for new limits, filled in with these."""
        held = self.get_object_or_404(request, object_id)
        known = {
            "service": held.service_id,
            "customer": held.customer_id,
            "rpm": held.rpm,
            "tpm": held.tpm,
            "excludes_cached_input": held.excludes_cached_input or None,
        }
        return redirect(
            reverse(
                "admin:pricing_callspecification_add",
                query={name: value for name, value in known.items() if value is not None},
            )
        )

    @action(description=_("Cancel these limits"), url_path="take-back", permissions=["change"])
    def take_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason; then remove the scheduled limits and let the superseded ones resume."""
        held = self.get_object_or_404(request, object_id)
        form = CancelForm(request.POST if request.method == "POST" else None)
        page = reverse("admin:pricing_callspecification_change", args=[held.pk])
        if request.method != "POST" or not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": gettext("Cancel %(limits)s") % {"limits": held},
                "words": limits_text(held),
                "specification": held,
                "is_scheduled": state_of(held) == SCHEDULED,
                "form": form,
                "page": page,
                "version": version_to_send(request, held),
                "opts": self.opts,
            }
            return render(request, "admin/cancel_limits.html", context)
        by, reason = request.user.get_username(), form.cleaned_data["reason"]
        try:
            with catalogue_locked():
                held = self.get_object_or_404(request, object_id)
                if state_of(held) == SCHEDULED and self.report_conflict(request, [held.pk]):
                    return redirect(request.get_full_path())
                changes = cancel_limits(specification=held, by=by, reason=reason)
        except REFUSED as refused:
            _show_refusal(request, refused)
            return redirect(page)
        messages.success(
            request,
            " ".join([gettext("%(scope)s:") % {"scope": _scope_text(held)}, *describe_others(changes)]),
        )
        _warn_of_no_default(request, held)
        return redirect(reverse("admin:pricing_callspecification_changelist"))

    @display(description=_("for"), ordering="customer__code")
    def for_whom(self, specification: CallSpecification) -> str:
        """Everybody, or one customer's code."""
        return str(specification.customer or gettext("everybody"))

    @display(description="TPM", ordering="tpm")
    def tpm_text(self, specification: CallSpecification) -> str:
        """The number, or that there is none."""
        if not specification.tpm:
            return gettext("none stated")
        if specification.excludes_cached_input:
            return gettext("%(tpm)s without cached input") % {"tpm": f"{specification.tpm:,}"}
        return f"{specification.tpm:,}"

    @display(description=_("state"), label=STATES)
    def state(self, specification: CallSpecification) -> Label:
        """In force, scheduled or ended."""
        return state_in_words(specification)


def _scope_text(specification: CallSpecification) -> str:
    words = {"service": specification.service, "customer": specification.customer or gettext("everybody")}
    return gettext("%(service)s for %(customer)s") % words


# By whether they begin at once, and whether they have no end.
_ADDED = {
    (True, True): gettext_noop("%(scope)s: %(limits)s from now on."),
    (True, False): gettext_noop("%(scope)s: %(limits)s from now until %(ends)s."),
    (False, True): gettext_noop("%(scope)s: %(limits)s from %(begins)s on."),
    (False, False): gettext_noop("%(scope)s: %(limits)s from %(begins)s until %(ends)s."),
}


def _added_text(added: AddedLimits, *, at_once: bool, open_ended: bool) -> str:
    new = added.specification
    row = specification_row(new)
    words = {"scope": _scope_text(new), "limits": limits_text(row), "begins": utc_text(new.begins_at)}
    words["ends"] = utc_text(new.ends_at) if new.ends_at else ""
    sentences = [gettext(_ADDED[at_once, new.ends_at is None]) % words]
    if new.ends_at and open_ended:
        sentences.append(gettext("Then the next one follows that is scheduled already."))
    return " ".join([*sentences, *describe_others(added.changes, but=row)])


def _warn_of_no_default(request: HttpRequest, changed: CallSpecification) -> None:
    bare = (
        without_default_from(service=changed.service, now=database_time())
        if changed.customer is None
        else None
    )
    if bare:
        text = gettext(
            "From %(at)s on %(service)s has no default limits: calls of customers without limits of their "
            "own are refused then."
        )
        messages.warning(request, text % {"at": utc_text(bare), "service": changed.service})


def _show_refusal(request: HttpRequest, refused: Exception) -> None:
    if isinstance(refused, IntegrityError):
        text = refusal_text(refused, model=CallSpecification)
    else:
        text = " ".join(refused.messages) if isinstance(refused, ValidationError) else str(refused)
    messages.error(request, gettext("Nothing was changed. %(reason)s") % {"reason": text})


class CustomerWithLimitsAdmin(CustomerAdmin):
    """Customers with their members, and a button for call limits."""

    actions_detail: tuple[str, ...] = ("give_own_limits",)

    @action(description=_("Give own limits"), permissions=["limits"])
    def give_own_limits(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to a new call specification, for this customer."""
        return redirect(reverse("admin:pricing_callspecification_add", query={"customer": object_id}))

    def has_limits_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the person may add a call specification, as its own page decides."""
        return bool(admin.site.get_model_admin(CallSpecification).has_add_permission(request))
