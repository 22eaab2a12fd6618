"""What a credit or charge is of: a statement, a span of closings, or all that was ever charged."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet, Sum

from accounts.models import Customer
from invoices.models import Adjustment, AdjustmentKind, ChargeLine, Statement
from invoices.statements.parts import StatementParts, sum_parts
from pricing.models import Decision, Service
from pricing.rules.amounts import exact_sum

_EVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NEVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Basis:
    """A statement, or a half-open span with a service or without; neither: all that was ever charged."""

    customer: Customer
    statement: Statement | None = None
    begins_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None
    service: Service | None = None

    @property
    def is_chosen(self) -> bool:
        """Whether a statement or a span is named."""
        return self.statement is not None or self.begins_at is not None

    def charged(self) -> Decimal:
        """Return what it came to: the payable of a statement, else what was billed, exactly."""
        if self.statement is not None:
            return self.statement.payable
        parts = StatementParts(self.customer, self.begins_at or _EVER, self.ends_at or _NEVER)
        if not self.is_chosen:
            sums = sum_parts(parts)
            return exact_sum([sums.usage, sums.purchases, -sums.credits])
        billed: QuerySet[Any] = parts.bills()
        if self.service is not None:
            billed = ChargeLine.objects.filter(bill__in=billed, service=self.service)
        return billed.aggregate(amount=Sum("amount"))["amount"] or Decimal(0)

    def credited(self) -> Decimal:
        """Return all credits by hand of what overlaps it, those that wait for a decision included."""
        credits = Adjustment.objects.filter(
            self._overlaps(),
            customer=self.customer,
            kind=AdjustmentKind.CREDIT,
            decision__in=[Decision.NONE, Decision.APPROVED],
        )
        return credits.aggregate(amount=Sum("amount"))["amount"] or Decimal(0)

    def _overlaps(self) -> Q:
        if not self.is_chosen:
            return Q()
        begins_at, ends_at = self.begins_at, self.ends_at
        if self.statement is not None:
            begins_at, ends_at = self.statement.begins_at, self.statement.ends_at
        of_span = Q(begins_at__lt=ends_at, ends_at__gt=begins_at)
        if self.service is not None:
            of_span &= Q(service=None) | Q(service=self.service)
        of_statement = Q(statement__begins_at__lt=ends_at, statement__ends_at__gt=begins_at)
        return of_span | of_statement | Q(statement=None, begins_at=None)
