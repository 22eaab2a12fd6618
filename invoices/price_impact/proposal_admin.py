"""Proposals in the admin: the proposed change, a preview of it, and the decision."""

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from invoices.price_impact.preview import STALE, ChangePreview, preview_of
from invoices.price_impact.tables import effect_tables
from pricing.changes.apply import ChangesRefused, StalePreview
from pricing.changes.approval import decide_proposal, rows_of
from pricing.changes.approval_admin import MAY_APPROVE
from pricing.changes.checks.steep import NOT_CONFIRMED, Unconfirmed
from pricing.changes.rows import BadCell
from pricing.models import Decision, Proposal
from pricing.stored_words import stored_in_words
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.labels import Label
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin
from sensenova_billing.lib.local_time import instant_text

DECISION_COLOURS = {"waits": "warning", "approved": "success", "refused": "danger", "withdrawn": "default"}


_DONE = {
    Decision.APPROVED: gettext_noop("Approved and applied: %(change)s."),
    Decision.REFUSED: gettext_noop("Refused: %(change)s."),
    Decision.WITHDRAWN: gettext_noop("Withdrawn: %(change)s."),
}


class WaitsFilter(admin.SimpleListFilter):
    """Those that wait, or one decision."""

    title = _("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What may have become of a proposal."""
        return [(str(decision.label), gettext(str(decision.label))) for decision in Decision]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those with this decision."""
        values = {str(decision.label): decision.value for decision in Decision}
        wanted = values.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(decision=wanted)


class ProposalAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Proposed price changes with reason and decision."""

    list_display = ("change", "state", "reason", "proposed_by", "proposed_text", "decided_by")
    list_filter = (WaitsFilter,)
    search_fields = ("deed", "reason", "proposed_by", "decided_by")
    list_per_page = 50
    appears_here = _(
        "Price changes that wait for a second person appear here, and what became of them. They are proposed "
        "on the pages that change prices, where the setting PRICE_CHANGES_NEED_APPROVAL is on."
    )
    fields = ("change", "state", "reason", "proposed_by", "proposed_text", "decided_by", "decided_text")
    change_form_outer_after_template = "admin/proposal.html"

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """Those that wait first, then the newest."""
        waits = Case(When(decision=Decision.NONE, then=Value(0)), default=Value(1))
        return (waits, "-proposed_at", "-pk")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the proposal, named in the language of the page; it is not saved from here."""
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.deed = stored_in_words(found.deed)
        return found

    @display(description=_("change"), ordering="deed")
    def change(self, proposal: Proposal) -> str:
        """What is to be done."""
        return stored_in_words(proposal.deed)

    @display(description=_("decision"), label=DECISION_COLOURS)
    def state(self, proposal: Proposal) -> Label:
        """What became of it."""
        state = proposal.get_decision_display()
        return Label(state, gettext(state))

    @display(description=_("proposed (UTC)"), ordering="proposed_at")
    def proposed_text(self, proposal: Proposal) -> str:
        """To the second."""
        return instant_text(proposal.proposed_at, dt.UTC)

    @display(description=_("decided (UTC)"))
    def decided_text(self, proposal: Proposal) -> str:
        """To the second."""
        return instant_text(proposal.decided_at, dt.UTC) if proposal.decided_at else "-"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With a preview, and buttons for a person who may decide."""
        with timezone.override(request.user.time_zone):  # type: ignore[union-attr]
            answer = self._change_view(request, object_id, form_url, extra_context)
            return answer.render() if isinstance(answer, TemplateResponse) else answer

    def _change_view(
        self, request: HttpRequest, object_id: str, form_url: str, extra_context: Any
    ) -> HttpResponse:
        proposal = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if proposal is not None and self.has_view_permission(request, proposal):
            if request.method == "POST":
                self._decide(request, proposal)
                return redirect(reverse("admin:pricing_proposal_change", args=[proposal.pk]))
            context = _decision_context(request, proposal)
        answer: HttpResponse = super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )
        return answer

    def _decide(self, request: HttpRequest, proposal: Proposal) -> None:
        """Decide as the button says, or show why not."""
        wanted = request.POST.get("decision", "")
        decision = Decision(wanted) if wanted in Decision.values else Decision.NONE
        if decision == Decision.NONE:
            raise PermissionDenied
        if decision != Decision.WITHDRAWN and not request.user.has_perm(MAY_APPROVE):
            raise PermissionDenied
        try:
            decide_proposal(
                proposal=proposal,
                decision=decision,
                by=request.user.get_username(),
                now=clock.now(),
                seen=request.POST.get("preview", ""),
                confirmed=request.POST.get("confirmed") == "yes",
            )
        except Unconfirmed:
            messages.error(request, NOT_CONFIRMED)
        except ValidationError as error:
            text = gettext("Nothing was changed. %(reason)s")
            messages.error(request, text % {"reason": " ".join(error.messages)})
        except StalePreview:
            messages.error(request, STALE)
        except (ChangesRefused, BadCell) as refused:
            text = gettext("Nothing was changed: the proposal no longer fits the prices. %(reason)s")
            messages.error(request, text % {"reason": refused})
        else:
            messages.success(request, gettext(_DONE[decision]) % {"change": stored_in_words(proposal.deed)})


def _decision_context(request: HttpRequest, proposal: Proposal) -> dict[str, Any]:
    """Return the preview of a waiting proposal, and whether this person may decide."""
    if proposal.decision:
        return {"proposal": proposal}
    preview = _preview(proposal)
    is_own = proposal.proposed_by == request.user.get_username()
    return {
        "proposal": proposal,
        "waits": True,
        "preview": preview,
        "effects": [effect_tables(effect) for effect in preview.effects] if preview else [],
        "is_own": is_own,
        "may_decide": not is_own and request.user.has_perm(MAY_APPROVE),
    }


def _preview(proposal: Proposal) -> ChangePreview | None:
    try:
        return preview_of(rows=rows_of(proposal), now=clock.now())
    except BadCell:
        return None
