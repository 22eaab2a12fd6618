"""Usage in quarantine in the admin: what waits and why; staff store it as it is or mended, or dismiss it."""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.audit.audited_admin import reason_field
from pricing.rules.measures import MAX_QUANTITY, Measure
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import action, display
from sensenova_billing.lib.admin.filters import ExactFilter, TranslatedChoicesFilter
from sensenova_billing.lib.admin.labels import Label
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.number_fields import WholeNumberField
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin
from usage.models import QuarantinedUsage, QuarantineState
from usage.quarantine.decide import NotStored, dismiss_quarantined, store_quarantined
from usage.quarantine.words import field_in_words, problem_in_words

_STATES = {
    QuarantineState.WAITING: "warning",
    QuarantineState.STORED: "success",
    QuarantineState.DISMISSED: "info",
}


def _text(label: Any, help_text: Any) -> forms.CharField:
    return forms.CharField(
        label=label, max_length=255, help_text=help_text, widget=UnfoldAdminTextInputWidget()
    )


class MendForm(forms.Form):
    """The customer, the service and the quantities with which the usage is stored, and why."""

    customer = _text(_("Customer"), _("The customer's code."))
    service = _text(
        _("Service"), _("Its name or an alias. To take a name from now on, add it as an alias first.")
    )

    def __init__(self, data: Any, *, held: QuarantinedUsage) -> None:
        stated = {"customer": held.customer_code, "service": held.service_name, **held.quantities}
        super().__init__(data, initial=stated)
        for measure in Measure:
            self.fields[measure.value] = WholeNumberField(
                label=gettext(measure.label),
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
    list_filter = (KeyFilter, ("state", TranslatedChoicesFilter), ("reason", TranslatedChoicesFilter))
    list_filter_submit = True
    list_select_related = ("key",)
    search_fields = ("event_id__exact", "customer_code__exact", "service_name__exact")
    search_help_text = _("The whole event id, customer code or service name.")
    list_per_page = 50
    sortable_by = ("received_text",)
    actions = ("send_again",)
    actions_detail = ("store", "dismiss")
    appears_here: ClassVar[str | Promise] = _(
        "No usage is in quarantine. What LiteLLM's generic_api callback or OpenTelemetry sends and cannot be "
        "stored appears here, because it is sent only once."
    )
    fields = (
        "event_id", "received_text", "key", "customer_code", "service_name", "used_text", "quantities_text",
        "outcome_text", "sent_text", "problem_text", "reason_text", "state_text", "decided_text",
    )  # fmt: skip

    @display(description=_("received (UTC)"), ordering="received_at")
    def received_text(self, held: QuarantinedUsage) -> str:
        """To the second."""
        return f"{held.received_at:%Y-%m-%d %H:%M:%S}"

    @display(description=_("used (UTC)"))
    def used_text(self, held: QuarantinedUsage) -> str:
        """To the second."""
        return f"{held.occurred_at:%Y-%m-%d %H:%M:%S}"

    @display(description=_("problem"))
    def problem_text(self, held: QuarantinedUsage) -> str:
        """The field and what is wrong with it."""
        return problem_in_words(held)

    @display(description=_("state"), ordering="state", label={str(state): c for state, c in _STATES.items()})
    def state_text(self, held: QuarantinedUsage) -> Label:
        """Waits, stored or dismissed."""
        return Label(held.state, gettext(held.get_state_display()))

    @display(description=_("reason"), ordering="reason")
    def reason_text(self, held: QuarantinedUsage) -> str:
        """The reason under which it is counted."""
        return gettext(held.get_reason_display())

    @display(description=_("outcome"))
    def outcome_text(self, held: QuarantinedUsage) -> str:
        """Empty: completed."""
        return gettext(held.outcome) if held.outcome else "-"

    @display(description=_("quantities"))
    def quantities_text(self, held: QuarantinedUsage) -> str:
        """In the order of the measures."""
        used = [(one, held.quantities.get(one)) for one in map(str, Measure)]
        return gettext(", ").join(
            f"{field_in_words(name)}: {quantity:,}" for name, quantity in used if quantity
        ) or gettext("none")

    @display(description=_("what was read of the payload"))
    def sent_text(self, held: QuarantinedUsage) -> str:
        """As it was sent."""
        return "; ".join(f"{name}: {value}" for name, value in held.sent.items()) or gettext("nothing")

    @display(description=_("decided"))
    def decided_text(self, held: QuarantinedUsage) -> str:
        """When, by whom and why."""
        if held.decided_at is None:
            return gettext("not yet")
        return gettext("%(at)s by %(by)s: %(reason)s") % {
            "at": f"{held.decided_at:%Y-%m-%d %H:%M:%S}",
            "by": held.decided_by,
            "reason": held.decision,
        }

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Those who may change it, as long as it waits."""
        if not request.user.has_perm("usage.change_quarantinedusage"):
            return False
        held = self.get_object(request, object_id) if object_id else None
        return object_id is None or (held is not None and held.state == QuarantineState.WAITING)

    @admin.action(description=_("Send again as it is"), permissions=["decide"])
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
        messages.success(request, gettext("Stored: %(number)s.") % {"number": f"{stored:,}"})
        for text in problems[:10]:
            messages.error(request, text)
        if (more := len(problems) - 10) > 0:
            text = ngettext("%(more)s more could not be stored.", "%(more)s more could not be stored.", more)
            messages.error(request, text % {"more": f"{more:,}"})

    @action(description=_("Mend and store"), url_path="store", permissions=["decide"])
    def store(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for what is to be stored; then store it, to be billed."""
        held = self.get_object_or_404(request, object_id)
        form = MendForm(request.POST or None, held=held)
        return self._form_page(
            request,
            held,
            form,
            decide=store_quarantined,
            done=gettext("Stored: it is billed with its hour, or as a late record."),
            title=gettext("Mend and store"),
            button=gettext("Store"),
        )

    @action(description=_("Dismiss"), url_path="dismiss", permissions=["decide"])
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why; then leave it unbilled."""
        held = self.get_object_or_404(request, object_id)
        form = DismissForm(request.POST or None)
        return self._form_page(
            request,
            held,
            form,
            decide=dismiss_quarantined,
            done=gettext("Dismissed: it is not billed."),
            title=gettext("Dismiss"),
            button=gettext("Dismiss: it is never billed"),
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
