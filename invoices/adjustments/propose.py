"""Proposing a credit or charge by hand, and deciding it."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal, localcontext

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext

from accounts.audit.context import set_audit_context
from accounts.models import Customer
from invoices.account.balance_rules import resume_if_within_rules
from invoices.adjustments.basis import Basis
from invoices.models import Adjustment, AdjustmentCause, AdjustmentKind
from pricing.models import Decision
from pricing.rules.amounts import amount_of, exact_sum, plain

MOST = Decimal(10) ** 12  # RMB
BEYOND_CHARGES = "more than was charged"  # in the audit trail


class AdjustmentRefused(Exception):
    """Nothing was proposed or decided; the text says why."""


@dataclass(frozen=True)
class Computed:
    """What an adjustment comes to, and what there is to credit; nothing of it is rounded."""

    amount: Decimal
    charged: Decimal
    credited: Decimal

    @property
    def creditable(self) -> Decimal:
        """What was charged and not credited."""
        return exact_sum([self.charged, -self.credited])

    @property
    def is_beyond_charges(self) -> bool:
        """Whether it is more than that."""
        return self.amount > self.creditable

    @property
    def needs_approval(self) -> bool:
        """Whether a second person has to approve it."""
        above: Decimal | None = settings.CREDIT_APPROVAL_ABOVE
        return above is not None and self.amount > above

    def require_charged(self) -> None:
        """Raise AdjustmentRefused for a credit of more than was charged and not credited."""
        if self.is_beyond_charges:
            raise AdjustmentRefused(
                gettext("Only %(amount)s RMB were charged and not credited.")
                % {"amount": plain(max(self.creditable, Decimal(0)))}
            )


def compute(*, basis: Basis, amount: Decimal | None, percent: Decimal | None) -> Computed:
    """Return what the amount, or the percentage of the basis, comes to; raise AdjustmentRefused."""
    charged = basis.charged()
    if percent is not None:
        if not basis.is_chosen:
            raise AdjustmentRefused(gettext("A percentage is of a statement or of days: choose one."))
        with localcontext(prec=60):
            amount = amount_of(quantity=charged, unit_price=percent, unit_size=100)
    if amount is None or not amount.is_finite() or not 0 < amount < MOST:
        raise AdjustmentRefused(gettext("The amount must be more than 0 and less than a trillion RMB."))
    return Computed(amount, charged, basis.credited())


@transaction.atomic
def propose_adjustment(
    *,
    basis: Basis,
    kind: AdjustmentKind,
    cause: AdjustmentCause,
    amount: Decimal | None,
    percent: Decimal | None,
    reason: str,
    is_beyond_charges: bool,
    by: str,
    now: dt.datetime,
    key: str,
) -> Adjustment:
    """Propose a credit or charge; it is approved at once unless it needs a second person.

    The same key again returns the same. Raises AdjustmentRefused for a credit of more than was charged and
    not credited yet, unless `is_beyond_charges` says so.
    """
    Customer.objects.select_for_update(no_key=True).get(pk=basis.customer.pk)  # one after the other
    if before := Adjustment.objects.filter(key=key, customer=basis.customer).first():
        return before
    computed = compute(basis=basis, amount=amount, percent=percent)
    is_beyond = kind == AdjustmentKind.CREDIT and computed.is_beyond_charges
    if is_beyond and not is_beyond_charges:
        computed.require_charged()
    mark = f" ({BEYOND_CHARGES})" if is_beyond else ""
    set_audit_context(by=by, reason=f"{reason}{mark}")
    decision = {} if computed.needs_approval else _decision(Decision.APPROVED, by=by, now=now)
    made = Adjustment.objects.create(
        **{"customer": basis.customer, "key": key, "kind": kind, "cause": cause, "reason": reason},
        **{"amount": computed.amount, "percent": percent, "statement": basis.statement},
        **{"begins_at": basis.begins_at, "ends_at": basis.ends_at, "service": basis.service},
        **{"charged": computed.charged, "creditable": computed.creditable, "is_beyond_charges": is_beyond},
        **{"approval_above": settings.CREDIT_APPROVAL_ABOVE, "proposed_by": by, "proposed_at": now},
        **decision,
    )
    _resume(made, now=now)
    return made


@transaction.atomic
def decide_adjustment(*, adjustment: Adjustment, decision: Decision, by: str, now: dt.datetime) -> Adjustment:
    """Approve, refuse or withdraw what waits; raise AdjustmentRefused if decided, or not for this person.

    An approved one is on the statement of the month in which it was approved.
    """
    Customer.objects.select_for_update(no_key=True).get(pk=adjustment.customer_id)  # no statement meanwhile
    waiting = Adjustment.objects.get(pk=adjustment.pk)
    if waiting.decision:
        words = {"decision": gettext(waiting.get_decision_display()), "person": waiting.decided_by}
        raise AdjustmentRefused(gettext("It was %(decision)s by %(person)s already.") % words)
    if (decision == Decision.WITHDRAWN) != (by == waiting.proposed_by):
        raise AdjustmentRefused(
            gettext("Only the proposer can withdraw it; another person approves or refuses it.")
        )
    set_audit_context(by=by, reason=waiting.reason)
    for name, value in _decision(decision, by=by, now=now).items():
        setattr(waiting, name, value)
    waiting.save(update_fields=["decision", "decided_by", "decided_at"])
    _resume(waiting, now=now)
    return waiting


def _resume(adjustment: Adjustment, *, now: dt.datetime) -> None:
    """Admit calls again where a credit brings the balance back within its limit."""
    if adjustment.decision == Decision.APPROVED:
        resume_if_within_rules(customer=adjustment.customer, now=now)


def _decision(decision: Decision, *, by: str, now: dt.datetime) -> dict[str, object]:
    return {"decision": decision, "decided_by": by, "decided_at": now}
