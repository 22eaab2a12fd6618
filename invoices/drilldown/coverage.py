"""Which part of a record each package covered on its bill, for one record and for all records of a line.

As for a closed hour in invoices/rating/coverage.py: packages cover in turn; one that ran out covers the calls
before the one at which it did, and that call as far as its draw says. Calls whose tokens were all under a
free trial are covered by no Tokens package.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import BigIntegerField, Case, F, Q, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from invoices.drilldown.prices import Interval, free_intervals, within
from invoices.models import ChargeLine, HourlyBill, PackageDraw
from invoices.rating.coverage import Coverage, DividedCall, Quantities, net_quantities, run_out_of
from pricing.models import MethodPeriod, QuotaPackage
from pricing.rules.measures import ORDER, PARTS_OF, TOKEN_MEASURES, Measure
from pricing.rules.methods import BillingMethod
from usage.models import UsageRecord

_NEVER = Q(event_id="")  # no record has an empty id


@dataclass(frozen=True)
class Chain:
    """The packages that cover calls to a service at an hour on a bill, in turn, with their draws."""

    packages: list[QuotaPackage]
    draws: dict[int, PackageDraw]
    free: list[Interval]  # in which a Tokens package covers nothing

    @property
    def by_tpm(self) -> QuotaPackage | None:
        """The TPM package that covers all of these calls."""
        first = self.packages[0] if self.packages else None
        return first if first is not None and first.method == BillingMethod.TPM_PACKAGE else None

    @property
    def run_outs(self) -> list[PackageDraw]:
        """The draws of packages that ran out on the bill."""
        draws = [self.draws[package.pk] for package in self.packages if package.pk in self.draws]
        return [draw for draw in draws if draw.ran_out_at is not None]


def chain_of(*, bill: HourlyBill, service_id: int, usage_hour: dt.datetime) -> Chain:
    """Return the packages that cover calls to this service at this hour on this bill, in turn."""
    periods = MethodPeriod.objects.in_force(at=usage_hour).filter(
        customer=bill.customer_id, service=service_id
    )
    in_turn = periods.select_related("package").order_by(
        "package__expires_at", "package__bought_at", "package_id"
    )
    packages = [period.package for period in in_turn]
    found = PackageDraw.objects.filter(bill=bill, is_return=False) if packages else ()
    draws = {draw.package_id: draw for draw in found}
    covering = [one for one in packages if one.pk in draws or one.method == BillingMethod.TPM_PACKAGE]
    free = (
        free_intervals(customer_id=bill.customer_id, service_id=service_id, hour=usage_hour)
        if covering
        else []
    )
    return Chain(covering, draws, free)


def shares_of(record: UsageRecord, *, chain: Chain, event_id: str) -> dict[int | None, Quantities]:
    """Return what each package covers of a record and, under None, what none does; without parts.

    `event_id` is that of the call itself where the record reverses it.
    """
    used = net_quantities([record.quantity_of(measure) for measure in Measure])
    sign = -1 if record.reverses is not None else 1
    if chain.by_tpm is not None:
        return {chain.by_tpm.pk: used}
    if any(begin <= record.occurred_at < end for begin, end in chain.free):
        return {None: used}
    run_outs = {draw.package_id: run_out_of(draw, customer=record.customer_id) for draw in chain.run_outs}
    call = DividedCall(
        record.customer_id,
        record.service_id,
        record.occurred_at,
        event_id,
        {measure: sign * quantity for measure, quantity in used.items()},
        [package.pk for package in chain.packages],
    )
    shares: dict[int | None, Quantities] = {}
    for package, covered in Coverage(run_outs=run_outs).shares(call):
        if any(covered.values()):
            shares[package] = {measure: sign * quantity for measure, quantity in covered.items()}
    return shares or {chain.packages[0].pk if chain.packages else None: used}


def on_line(
    records: QuerySet[UsageRecord], *, line: ChargeLine, chain: Chain, event_id: str
) -> QuerySet[UsageRecord]:
    """Keep the records of which a part is on this line: covered by its package, or by none.

    `event_id` names the column with the id of the call: that of a reversal is `reverses`.
    """
    if chain.by_tpm is not None or not chain.packages:
        return records
    share = quantity_on(Measure(line.measure), line=line, chain=chain, event_id=event_id)
    divided = _any(_same(draw, event_id) for draw in chain.run_outs)
    inside = ~divided & _is_whole_on(line, chain, event_id) | divided & ~Q(divided_share=0)
    free = within(chain.free)
    return records.annotate(divided_share=share).filter(
        inside | free if line.package_id is None else inside & ~free
    )


def _is_whole_on(line: ChargeLine, chain: Chain, event_id: str) -> Q:
    """The condition that a call at which no package ran out, and that is not free, is on this line."""
    if Measure(line.measure) not in TOKEN_MEASURES:
        return Q()
    run_outs = chain.run_outs
    if line.package_id is None and len(run_outs) < len(chain.packages):
        return _NEVER  # the last package covers it
    covering = [package.pk for package in chain.packages]
    at = covering.index(line.package_id) if line.package_id is not None else len(covering)
    inside = ~_any(_before(draw, event_id) for draw in run_outs if covering.index(draw.package_id) < at)
    own = next((draw for draw in run_outs if draw.package_id == line.package_id), None)
    return inside if own is None else inside & _before(own, event_id)


def quantity_on(measure: Measure, *, line: ChargeLine, chain: Chain, event_id: str) -> Combinable:
    """Return how much of a record's measure, without its parts, the line's package covers, or none does."""
    quantity: Combinable = Coalesce(F(measure), 0)
    for part in PARTS_OF.get(measure, ()):
        quantity = quantity - Coalesce(F(part), 0)
    if chain.by_tpm is not None or not chain.packages:
        return quantity
    if measure not in TOKEN_MEASURES:
        return quantity if line.package_id is None else Value(0)
    sign = -1 if event_id == "reverses" else 1
    free = within(chain.free), quantity
    earlier: list[Q] = []
    for package in chain.packages:
        draw = chain.draws[package.pk]
        is_its = package.pk == line.package_id
        if draw.ran_out_at is None:
            rest = _case([(_any(earlier), Value(0))], quantity)
            return rest if is_its else _case([free], Value(0))
        reaches = ORDER[measure] - ORDER[Measure(draw.ran_out_measure)]
        whole = _before(draw, event_id) | (_same(draw, event_id) if reaches < 0 else _NEVER)
        part_of_it = sign * draw.ran_out_quantity if reaches == 0 else 0
        if is_its:
            cases = [(_any(earlier), Value(0)), (whole, quantity), (_same(draw, event_id), Value(part_of_it))]
            return _case(cases, Value(0))
        earlier.append(whole)
        quantity = quantity - _case([(_same(draw, event_id), Value(part_of_it))], Value(0))
    return _case([free, (_any(earlier), Value(0))], quantity)


def _before(draw: PackageDraw, event_id: str) -> Q:
    later = {"occurred_at": draw.ran_out_at, f"{event_id}__lt": draw.ran_out_event_id}
    return Q(occurred_at__lt=draw.ran_out_at) | Q(**later)


def _same(draw: PackageDraw, event_id: str) -> Q:
    return Q(**{event_id: draw.ran_out_event_id})


def _any(conditions: Iterable[Q]) -> Q:
    found = _NEVER
    for condition in conditions:
        found |= condition
    return found


def _case(cases: list[tuple[Q, Combinable]], default: Combinable) -> Case:
    return Case(*(When(condition, then=value) for condition, value in cases), default=default,
                output_field=BigIntegerField())  # fmt: skip
