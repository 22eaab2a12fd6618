"""Balance rules: when a customer is warned, suspended for arrears or for its balance, and resumed.

Arrears and the balance suspend apart from each other, and apart from a suspension by hand, which nothing here
touches. What suspends for the balance is that more is owed than the credit limit, unbilled hours included; of
a customer that pays ahead, that nothing is left. Calls that were admitted before are billed all the same.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from accounts.audit.context import set_audit_context
from accounts.models import Customer, CustomerNotice, EventKind
from accounts.notices.notices import notify
from accounts.payment_terms import own_or
from invoices.account.arrears import Arrears, Unpaid, all_unpaid, arrears_by, unpaid_of
from invoices.account.position import Position, limit_of, pays_ahead, positions_of
from pricing.rules.amounts import exact_sum, plain
from sensenova_billing.lib.local_time import utc_text

BY = "balance rules"


@dataclass(frozen=True)
class Ruling:
    """What the rules say of a customer at an instant; the position is needed where there is a limit."""

    customer: Customer
    unpaid: Unpaid | None
    arrears: Arrears
    position: Position | None
    now: dt.datetime

    @property
    def is_overdue(self) -> bool:
        """Whether arrears have begun."""
        return self.arrears.due_at is not None and self.arrears.due_at <= self.now

    @property
    def is_in_arrears(self) -> bool:
        """Whether arrears suspend."""
        return self.arrears.suspends_at is not None and self.arrears.suspends_at <= self.now

    @property
    def limit(self) -> Decimal | None:
        """How much the customer may owe; None: any amount."""
        return limit_of(self.customer)

    @property
    def is_paid_ahead(self) -> bool:
        """Whether calls are admitted only until what was paid ahead is used up."""
        return pays_ahead(self.customer)

    @property
    def left(self) -> Decimal | None:
        """What may be spent before calls are refused; None: any amount."""
        limit = self.limit
        return None if limit is None or self.position is None else exact_sum([self.position.available, limit])

    @property
    def is_beyond_limit(self) -> bool:
        """Whether the balance suspends: more is owed than the limit, or nothing paid ahead is left."""
        left = self.left
        return left is not None and (left <= 0 if self.is_paid_ahead else left < 0)

    @property
    def is_low(self) -> bool:
        """Whether less is left than the last hours cost."""
        left, position = self.left, self.position
        return bool(left is not None and position and not self.is_beyond_limit and left < position.spent)

    @property
    def is_to_change(self) -> bool:
        """Whether the rules say otherwise than the customer is."""
        return (self.customer.suspended_for_arrears_at is not None) != self.is_in_arrears or (
            self.customer.suspended_for_credit_at is not None
        ) != self.is_beyond_limit


@dataclass(frozen=True)
class Due:
    """A notice that is due."""

    kind: EventKind
    key: str
    payload: dict[str, Any]


def apply_balance_rules(*, now: dt.datetime) -> int:
    """Warn, suspend and resume customers by the rules as of now; return how many were suspended or resumed.

    Idempotent. Each with something to do is decided again under its lock: a payment may be under way.
    """
    unpaid = all_unpaid()
    customers = list(
        Customer.objects.filter(_is_limited() | Q(pk__in=unpaid) | _is_suspended()).order_by("pk")
    )
    positions = positions_of([one for one in customers if limit_of(one) is not None], now=now)
    rulings = {
        one.pk: Ruling(
            one, unpaid.get(one.pk), arrears_by(one, unpaid.get(one.pk)), positions.get(one.pk), now=now
        )
        for one in customers
    }
    new = _not_sent(rulings.values())
    to_do = [pk for pk, ruling in rulings.items() if pk in new or ruling.is_to_change]
    return sum(_apply_to(pk, now=now) for pk in to_do)


def resume_if_within_rules(*, customer: Customer, now: dt.datetime) -> None:
    """Resume a customer that the rules suspend no longer; in a transaction that has locked it."""
    stored = Customer.objects.get(pk=customer.pk)
    if not stored.is_stopped_by_rules:
        return
    ruling = ruling_of(stored, now=now)
    arrears = ruling.is_in_arrears and stored.suspended_for_arrears_at is not None
    credit = ruling.is_beyond_limit and stored.suspended_for_credit_at is not None
    _set(ruling, arrears=arrears, credit=credit)


def ruling_of(customer: Customer, *, now: dt.datetime) -> Ruling:
    """Return what the rules say of one customer."""
    unpaid, position = unpaid_of(customer), positions_of([customer], now=now)[customer.pk]
    return Ruling(customer, unpaid, arrears_by(customer, unpaid), position, now=now)


@transaction.atomic
def _apply_to(pk: int, *, now: dt.datetime) -> bool:
    customer = Customer.objects.select_for_update(no_key=True).get(pk=pk)
    ruling = ruling_of(customer, now=now)
    for due in _due_notices(ruling):
        facts: dict[str, Any] = {"payload": due.payload, "key": due.key, "path": _page(customer)}
        notify(customer=customer, kind=due.kind, **facts, now=now)
    if not ruling.is_to_change:
        return False
    _set(ruling, arrears=ruling.is_in_arrears, credit=ruling.is_beyond_limit)
    return True


def _set(ruling: Ruling, *, arrears: bool, credit: bool) -> None:
    """Store whether arrears and the balance suspend, with a notice where calls stop or are admitted again."""
    customer = ruling.customer
    changes: dict[str, Any] = {}
    if arrears != (customer.suspended_for_arrears_at is not None):
        changes["suspended_for_arrears_at"] = ruling.now if arrears else None
    if credit != (customer.suspended_for_credit_at is not None):
        is_limited = credit and not pays_ahead(customer)
        changes["suspended_for_credit_at"] = ruling.now if credit else None
        changes["suspended_balance"] = ruling.position.available if credit and ruling.position else None
        changes["suspended_limit"] = ruling.limit if is_limited else None
    if not changes:
        return
    was_stopped, reasons = customer.is_stopped, {"arrears": arrears, _credit_word(customer): credit}
    set_audit_context(by=BY, reason=_audit_reason(changes))
    for name, value in changes.items():
        setattr(customer, name, value)
    customer.save(update_fields=list(changes))
    if customer.is_stopped != was_stopped:
        because = next((reason for reason, is_so in reasons.items() if is_so), "")
        kind = EventKind.CUSTOMER_SUSPENDED if customer.is_stopped else EventKind.CUSTOMER_RESUMED
        payload = {"because": because} if because else {}
        facts: dict[str, Any] = {"payload": payload, "key": ruling.now.isoformat(), "path": _page(customer)}
        notify(customer=customer, kind=kind, **facts, now=ruling.now)


def _page(customer: Customer) -> str:
    return reverse("customer_account", args=[customer.code])


def _credit_word(customer: Customer) -> str:
    return "balance" if pays_ahead(customer) else "credit_limit"


def _audit_reason(changes: dict[str, Any]) -> str:
    words = []
    if "suspended_for_arrears_at" in changes:
        words.append("In arrears." if changes["suspended_for_arrears_at"] else "No longer in arrears.")
    if "suspended_for_credit_at" in changes:
        is_beyond = changes["suspended_for_credit_at"] is not None
        words.append("The balance is used up." if is_beyond else "The balance is within its limit.")
    return " ".join(words)


def _due_notices(ruling: Ruling) -> Iterator[Due]:
    """Yield the warnings that are due, each with a key that names its occasion."""
    unpaid, arrears, position = ruling.unpaid, ruling.arrears, ruling.position
    if ruling.is_overdue and unpaid and arrears.due_at:
        owed = plain(-position.balance) if position else ""
        overdue = {"due_at": utc_text(arrears.due_at), "owed": owed, "currency": "CNY"}
        yield Due(EventKind.ARREARS_BEGAN, str(unpaid.booking), overdue)
        if arrears.warns_at and arrears.suspends_at and arrears.warns_at <= ruling.now < arrears.suspends_at:
            suspends_at = utc_text(arrears.suspends_at)
            key, facts = f"{unpaid.booking} {suspends_at}", overdue | {"suspends_at": suspends_at}
            yield Due(EventKind.SUSPENSION_NEAR, key, facts)
    if ruling.is_low and position and ruling.left is not None and ruling.limit is not None:
        hours = own_or(ruling.customer.low_balance_hours, settings.LOW_BALANCE_HOURS)
        spent = {"hours": hours, "spent": plain(position.spent), "currency": "CNY"}
        # Once between two payments, and again under another limit.
        key = f"{position.paid_by} {plain(ruling.limit)}"
        yield Due(EventKind.BALANCE_LOW, key, {"left": plain(ruling.left), **spent})


def _not_sent(rulings: Iterable[Ruling]) -> set[int]:
    """Return the customers with a notice that is due and was not written yet."""
    due = {(one.customer.pk, each.kind.value, each.key) for one in rulings for each in _due_notices(one)}
    written = CustomerNotice.objects.filter(
        customer__in={pk for pk, *_ in due}, kind__in={kind for _, kind, _ in due}
    )
    return {pk for pk, *_ in due - set(written.values_list("customer_id", "kind", "key"))}


def _is_limited() -> Q:
    """Customers with a limit, or all where all have one."""
    if settings.CREDIT_LIMIT is not None or settings.CUSTOMERS_PAY_AHEAD:
        return ~Q(pk=None)
    return Q(credit_limit__isnull=False) | Q(pays_ahead=True)


def _is_suspended() -> Q:
    return Q(suspended_for_arrears_at__isnull=False) | Q(suspended_for_credit_at__isnull=False)
