"""Credits and charges by hand in the admin: to propose after a preview, to decide, never to change."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from invoices.account.form_page import form_page
from invoices.adjustments.forms import AdjustmentForm
from invoices.adjustments.propose import (
    AdjustmentRefused,
    Computed,
    compute,
    decide_adjustment,
    propose_adjustment,
)
from invoices.models import Adjustment, AdjustmentKind
from invoices.price_impact.proposal_admin import DECISION_COLOURS, WaitsFilter
from invoices.templatetags.amounts import exact, instant_text
from pricing.changes.base_form import offered_codes
from pricing.models import Decision
from pricing.rules.amounts import plain
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.filters import TranslatedChoicesFilter
from sensenova_billing.lib.admin.labels import Label
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin

MAY_APPROVE = "invoices.approve_adjustment"
_CHANGE = "admin:invoices_adjustment_change"
_DONE = {
    Decision.APPROVED: gettext_noop("%(number)s is approved."),
    Decision.REFUSED: gettext_noop("%(number)s is refused."),
    Decision.WITHDRAWN: gettext_noop("%(number)s is withdrawn."),
}


class AdjustmentAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every credit and charge by hand, those that wait first."""

    list_display = (
        *("number", "customer_link", "kind_text", "cause_text", "amount_text", "state"),
        *("proposed_by", "decided_by"),
    )
    list_filter = (WaitsFilter, ("kind", TranslatedChoicesFilter), ("cause", TranslatedChoicesFilter))
    list_select_related = ("customer",)
    search_fields = ("customer__code", "reason")
    list_per_page = 50
    show_full_result_count = False
    fields = (
        *("number", "customer_link", "kind_text", "cause_text", "amount_text", "of_text", "charged_text"),
        *("creditable_text", "is_beyond_charges", "reason", "state", "proposed_by", "proposed_text"),
        *("decided_by", "decided_text"),
    )
    change_form_outer_after_template = "admin/decide_adjustment.html"

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """Those that wait first, then the newest."""
        return (Case(When(decision=Decision.NONE, then=Value(0)), default=Value(1)), "-pk")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """With the permission to add them."""
        return bool(request.user.has_perm("invoices.add_adjustment"))

    @display(description=_("number"), ordering="id")
    def number(self, adjustment: Adjustment) -> str:
        """As documents show it."""
        return adjustment.number

    @display(description=_("customer"), ordering="customer__code")
    def customer_link(self, adjustment: Adjustment) -> str:
        """With a link."""
        return row_link("accounts_customer", adjustment.customer_id, adjustment.customer.code)

    @display(description=_("kind"), ordering="kind")
    def kind_text(self, adjustment: Adjustment) -> str:
        """Credit or charge."""
        return gettext(adjustment.get_kind_display())

    @display(description=_("cause"), ordering="cause")
    def cause_text(self, adjustment: Adjustment) -> str:
        """Why it is given."""
        return gettext(adjustment.get_cause_display())

    @display(description=_("amount (RMB)"), ordering="amount")
    def amount_text(self, adjustment: Adjustment) -> str:
        """Every digit."""
        return exact(adjustment.amount)

    @display(description=_("of"))
    def of_text(self, adjustment: Adjustment) -> str:
        """The percentage, and the statement or span."""
        words = [f"{plain(adjustment.percent)} %"] if adjustment.percent is not None else []
        if adjustment.statement:
            words.append(adjustment.statement.number)
        if adjustment.begins_at and adjustment.ends_at:
            words.append(f"{instant_text(adjustment.begins_at)} - {instant_text(adjustment.ends_at)} UTC")
        if adjustment.service:
            words.append(adjustment.service.name)
        return ", ".join(words) or "-"

    @display(description=_("charged there (RMB)"))
    def charged_text(self, adjustment: Adjustment) -> str:
        """When it was proposed."""
        return exact(adjustment.charged)

    @display(description=_("of it not credited (RMB)"))
    def creditable_text(self, adjustment: Adjustment) -> str:
        """The same less earlier credits."""
        return exact(adjustment.creditable)

    @display(description=_("decision"), label=DECISION_COLOURS)
    def state(self, adjustment: Adjustment) -> Label:
        """What became of it."""
        state = adjustment.get_decision_display()
        return Label(state, gettext(state))

    @display(description=_("proposed (UTC)"))
    def proposed_text(self, adjustment: Adjustment) -> str:
        """To the second."""
        return instant_text(adjustment.proposed_at)

    @display(description=_("decided (UTC)"))
    def decided_text(self, adjustment: Adjustment) -> str:
        """To the second."""
        return instant_text(adjustment.decided_at) if adjustment.decided_at else "-"

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for it, show what it comes to, and propose that."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = AdjustmentForm(request.POST if request.method == "POST" else None)
        computed = None
        if form.is_valid():
            try:
                computed = _computed(form)
                if request.POST.get("seen") == plain(computed.amount):
                    return self._propose(request, form)
            except AdjustmentRefused as refusal:
                form.add_error(None, gettext("Nothing was booked. %(reason)s") % {"reason": refusal})
        shown = computed is not None and not form.errors
        return form_page(
            self,
            request,
            form,
            title=gettext("Credit or charge by hand"),
            codes=offered_codes(),
            preview=_facts(computed) if computed and shown else [],
            seen=plain(computed.amount) if computed and shown else "",
            button=_button(computed) if computed and shown else gettext("Preview"),
            note=gettext("It is on the customer's next statement, and never changed."),
            back=reverse("admin:invoices_adjustment_changelist"),
        )

    def _propose(self, request: HttpRequest, form: AdjustmentForm) -> HttpResponse:
        cleaned = form.cleaned_data
        names = ("basis", "kind", "cause", "amount", "percent", "reason", "is_beyond_charges", "key")
        made = propose_adjustment(
            **{name: cleaned[name] for name in names}, by=request.user.get_username(), now=clock.now()
        )
        words = {"number": made.number}
        if made.decision:
            messages.success(request, gettext("%(number)s is on the next statement.") % words)
        else:
            messages.success(request, gettext("%(number)s waits for a second person.") % words)
        return redirect(reverse(_CHANGE, args=[made.pk]))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With buttons for a person who may decide."""
        adjustment: Any = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if adjustment is not None and self.has_view_permission(request, adjustment):
            if request.method == "POST":
                self._decide(request, adjustment)
                return redirect(reverse(_CHANGE, args=[adjustment.pk]))
            is_own = adjustment.proposed_by == request.user.get_username()
            may_decide = not is_own and request.user.has_perm(MAY_APPROVE)
            context = {"waits": not adjustment.decision, "is_own": is_own, "may_decide": may_decide}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def _decide(self, request: HttpRequest, adjustment: Adjustment) -> None:
        wanted = request.POST.get("decision", "")
        decision = Decision(wanted) if wanted in Decision.values else Decision.NONE
        if decision == Decision.NONE:
            raise PermissionDenied
        may = self.has_add_permission(request) if decision == Decision.WITHDRAWN else False
        if not (may or request.user.has_perm(MAY_APPROVE)):
            raise PermissionDenied
        try:
            decide_adjustment(
                adjustment=adjustment, decision=decision, by=request.user.get_username(), now=clock.now()
            )
        except AdjustmentRefused as refusal:
            messages.error(request, gettext("Nothing was changed. %(reason)s") % {"reason": refusal})
        else:
            messages.success(request, gettext(_DONE[decision]) % {"number": adjustment.number})


def _computed(form: AdjustmentForm) -> Computed:
    """Return what is to be previewed; raise AdjustmentRefused for what would not be proposed."""
    cleaned = form.cleaned_data
    computed = compute(basis=cleaned["basis"], amount=cleaned["amount"], percent=cleaned["percent"])
    if cleaned["kind"] == AdjustmentKind.CREDIT and not cleaned["is_beyond_charges"]:
        computed.require_charged()
    return computed


def _facts(computed: Computed) -> list[tuple[str, str]]:
    return [
        (gettext("Amount (RMB)"), exact(computed.amount)),
        (gettext("Charged there (RMB)"), exact(computed.charged)),
        (gettext("Credited of it, or waiting (RMB)"), exact(computed.credited)),
    ]


def _button(computed: Computed) -> str:
    words = {"amount": exact(computed.amount)}
    if computed.needs_approval:
        return gettext("Propose %(amount)s RMB to a second person") % words
    return gettext("Book %(amount)s RMB") % words
