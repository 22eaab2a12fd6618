"""Usage in quarantine in the admin: what waits and why; staff store it as it is or mended, or dismiss it."""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.audit.audited_admin import reason_field
from pricing.rules.measures import MAX_QUANTITY, Measure
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import action, display
from sensenova_billing.lib.admin.filters import ExactFilter
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.number_fields import WholeNumberField
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin
from usage.models import QuarantinedUsage, QuarantineState
from usage.quarantine.decide import NotStored, dismiss_quarantined, store_quarantined

_STATES = {
    QuarantineState.WAITING: "warning",
    QuarantineState.STORED: "success",
    QuarantineState.DISMISSED: "info",
}


def _text(label: str, help_text: str) -> forms.CharField:
    return forms.CharField(
        label=label, max_length=255, help_text=help_text, widget=UnfoldAdminTextInputWidget()
    )


class MendForm(forms.Form):
    """The customer, the service and the quantities with which the usage is stored, and why."""

    customer = _text("Customer", "The customer's code.")
    service = _text("Service", "Its name or an alias. To take a name from now on, add it as an alias first.")

    def __init__(self, data: Any, *, held: QuarantinedUsage) -> None:
        stated = {"customer": held.customer_code, "service": held.service_name, **held.quantities}
        super().__init__(data, initial=stated)
        for measure in Measure:
            self.fields[measure.value] = WholeNumberField(
                label=measure.label,
                required=False,
                min_value=0,
                max_value=MAX_QUANTITY,
                widget=UnfoldAdminTextInputWidget(),
            )
        self.fields["reason"] = reason_field(required=True)

    @property
    def decision(self) -> dict[str, Any]:
        """The customer, the service, the quantities by measure, and the reason."""
        quantities = {str(one): used for one in Measure if (used := self.cleaned_data.get(one.value))}
        names = {name: self.cleaned_data[name] for name in ("customer", "service", "reason")}
        return {**names, "quantities": quantities}


class DismissForm(forms.Form):
    """Why usage is left unbilled."""

    reason = reason_field(required=True)

    @property
    def decision(self) -> dict[str, Any]:
        """The reason."""
        return {"reason": self.cleaned_data["reason"]}


class KeyFilter(ExactFilter):
    """By the name of a service key."""

    title, parameter_name, lookup = _("service key"), "key", "key__name"


class QuarantinedUsageAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """What could not be stored, the newest first."""

    list_display = (
        "event_id",
        "received_text",
        "customer_code",
        "service_name",
        "problem_text",
        "state_text",
    )
    list_filter = (KeyFilter, "state", "reason")
    list_filter_submit = True
    list_select_related = ("key",)
    search_fields = ("event_id__exact", "customer_code__exact", "service_name__exact")
    search_help_text = "The whole event id, customer code or service name."
    list_per_page = 50
    sortable_by = ("received_text",)
    actions = ("send_again",)
    actions_detail = ("store", "dismiss")
    appears_here: ClassVar[str] = (
        "No usage is in quarantine. What LiteLLM's generic_api callback or OpenTelemetry sends and cannot be "
        "stored appears here, because it is sent only once."
    )
    fields = (
        "event_id", "received_text", "key", "customer_code", "service_name", "used_text", "quantities_text",
        "outcome", "sent_text", "problem_text", "reason", "state_text", "decided_text",
    )  # fmt: skip

    @display(description="received (UTC)", ordering="received_at")
    def received_text(self, held: QuarantinedUsage) -> str:
        """To the second."""
        return f"{held.received_at:%Y-%m-%d %H:%M:%S}"

    @display(description="used (UTC)")
    def used_text(self, held: QuarantinedUsage) -> str:
        """To the second."""
        return f"{held.occurred_at:%Y-%m-%d %H:%M:%S}"

    @display(description="problem")
    def problem_text(self, held: QuarantinedUsage) -> str:
        """The field and what is wrong with it."""
        return f"{held.field}: {held.problem}" if held.field else held.problem

    @display(description="state", ordering="state", label={str(state): c for state, c in _STATES.items()})
    def state_text(self, held: QuarantinedUsage) -> tuple[str, str]:
        """Waits, stored or dismissed."""
        return held.state, held.get_state_display()

    @display(description="quantities")
    def quantities_text(self, held: QuarantinedUsage) -> str:
        """In the order of the measures."""
        used = [(one, held.quantities.get(one)) for one in map(str, Measure)]
        return ", ".join(f"{name}: {quantity:,}" for name, quantity in used if quantity) or "none"

    @display(description="what was read of the payload")
    def sent_text(self, held: QuarantinedUsage) -> str:
        """As it was sent."""
        return "; ".join(f"{name}: {value}" for name, value in held.sent.items()) or "nothing"

    @display(description="decided")
    def decided_text(self, held: QuarantinedUsage) -> str:
        """When, by whom and why."""
        if held.decided_at is None:
            return "not yet"
        return f"{held.decided_at:%Y-%m-%d %H:%M:%S} by {held.decided_by}: {held.decision}"

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Those who may change it, as long as it waits."""
        if not request.user.has_perm("usage.change_quarantinedusage"):
            return False
        held = self.get_object(request, object_id) if object_id else None
        return object_id is None or (held is not None and held.state == QuarantineState.WAITING)

    @admin.action(description="Send again as it is", permissions=["decide"])
    def send_again(self, request: HttpRequest, chosen: QuerySet[QuarantinedUsage]) -> None:
        """Store what can be stored by now, e.g. after an alias or a customer was added."""
        stored, problems = 0, []
        for held in chosen.filter(state=QuarantineState.WAITING).order_by("id"):
            try:
                store_quarantined(
                    pk=held.pk, by=request.user.get_username(), reason="Sent again as it is.", now=clock.now()
                )
                stored += 1
            except NotStored as problem:
                problems.append(f"{held.event_id}: {problem}")
        messages.success(request, f"Stored: {stored:,}.")
        for text in problems[:10]:
            messages.error(request, text)
        if len(problems) > 10:
            messages.error(request, f"{len(problems) - 10:,} more could not be stored.")

    @action(description="Mend and store", url_path="store", permissions=["decide"])
    def store(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for what is to be stored; then store it, to be billed."""
        held = self.get_object_or_404(request, object_id)
        form = MendForm(request.POST or None, held=held)
        return self._form_page(
            request,
            held,
            form,
            decide=store_quarantined,
            done="Stored: it is billed with its hour, or as a late record.",
            title="Mend and store",
            button="Store",
        )

    @action(description="Dismiss", url_path="dismiss", permissions=["decide"])
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why; then leave it unbilled."""
        held = self.get_object_or_404(request, object_id)
        form = DismissForm(request.POST or None)
        return self._form_page(
            request,
            held,
            form,
            decide=dismiss_quarantined,
            done="Dismissed: it is not billed.",
            title="Dismiss",
            button="Dismiss: it is never billed",
        )

    def _form_page(
        self,
        request: HttpRequest,
        held: QuarantinedUsage,
        form: MendForm | DismissForm,
        *,
        decide: Callable[..., QuarantinedUsage],
        done: str,
        title: str,
        button: str,
    ) -> HttpResponse:
        """Decide if the form was sent and is valid, and return to the usage; else show the form."""
        back = reverse("admin:usage_quarantinedusage_change", args=[held.pk])
        if request.method == "POST" and form.is_valid():
            try:
                decide(pk=held.pk, by=request.user.get_username(), now=clock.now(), **form.decision)
            except NotStored as problem:
                form.add_error(None, str(problem))
            else:
                messages.success(request, done)
                return redirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{title}: {held.event_id}",
            "button": button,
            "held": held,
            "problem": self.problem_text(held),
            "sent": self.sent_text(held),
            "form": form,
            "back_url": back,
            "opts": self.opts,
        }
        return render(request, "admin/quarantine.html", context)
