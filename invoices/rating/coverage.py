"""Which usage of an hour a quota package covers, and which calls at which package ran out.

A package covers the calls of its customer to its services at hours within its period; a TPM package covers
all of them. Tokens packages are drawn in turn, the soonest expiry first, then the earliest bought; one that
runs out within the hour covers the calls before the one at which it does, in the order of their time, then of
their event ids, and of that call its items in the order of the measures (input before output) as far as what
is left reaches. Packages come one after the other in the same order for every call, so it makes no difference
whether calls or packages are gone through first: here it is packages, for all customers at once. Calls at an
instant at which a free trial is the price of every token item of their service draw nothing.

For an hour that is open, what is left of each package counts; for a closed one, its draws.
"""

import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection

from invoices.models import PackageDraw
from invoices.rating.coverage_sql import (
    DEMAND,
    DIVIDED,
    FIND,
    KEEP_REACHED,
    REACHED_USAGE,
    RETURNED,
    WEIGHED,
    demand_sql,
    plain_demand_sql,
)
from invoices.rating.usage_sql import KEPT_REVERSALS, READ_REVERSALS
from pricing.models import MethodPeriod, PackageWeight
from pricing.rules.measures import PARTS_OF, TOKEN_MEASURES, WHOLE_OF, Measure

ONE = Decimal(1)

Quantities = dict[Measure, int]  # of each measure without its parts


class RunOut(NamedTuple):
    """The call at which a package ran out, the item of it, and how much of that item was still covered."""

    package: int
    customer: int
    at: dt.datetime
    event_id: str
    measure: Measure
    quantity: int


class DividedCall(NamedTuple):
    """A call at which a package ran out; `packages` are those that cover such calls, in turn."""

    customer: int
    service: int
    at: dt.datetime
    event_id: str
    quantities: Quantities
    packages: Sequence[int]


@dataclass
class Coverage:
    """The Tokens packages that cover usage of an hour, where they run out, and the calls that are divided."""

    packages: list[int] = field(default_factory=list)
    run_outs: dict[int, RunOut] = field(default_factory=dict)
    divided: dict[tuple[int, str], DividedCall] = field(default_factory=dict)
    returned: dict[int, Decimal] = field(default_factory=dict)  # by reversed calls, while the hour is open
    left: dict[int, Decimal] = field(default_factory=dict)  # of each before the hour, while that is open

    def shares(self, call: DividedCall) -> Iterator[tuple[int | None, Quantities]]:
        """Yield what each package covers of a divided call, and last what none does."""
        rest = dict(call.quantities)
        for package in call.packages:
            covered = self._covered(package, call, rest)
            yield package, covered
            rest = {one: quantity - covered.get(one, 0) for one, quantity in rest.items()}
        yield None, rest

    def rest_for(self, package: int, call: DividedCall) -> Quantities:
        """Return what the packages before this one leave of a divided call."""
        before = call.packages[: call.packages.index(package)]
        (*_, (_, rest)) = self.shares(call._replace(packages=before))
        return rest

    def parameters(self) -> dict[str, str]:
        """Return what COVERED needs, and the draws."""
        by_call = sorted(self.run_outs.values(), key=lambda one: (one.customer, one.at, one.event_id))
        places = {one.package: place for place, one in enumerate(by_call)}
        return {
            "in_play": _json({"package": one, "position": places.get(one)} for one in self.packages),
            "run_out": _json(
                {**one._asdict(), "position": place, "at": one.at.isoformat()}
                for place, one in enumerate(by_call)
            ),
            "returned": _tokens(self.returned),
            "divided": _json(part for call in self.divided.values() for part in self._parts(call)),
        }

    def _covered(self, package: int, call: DividedCall, rest: Quantities) -> Quantities:
        tokens = {one: rest[one] for one in TOKEN_MEASURES}
        run_out = self.run_outs.get(package)
        if run_out is None or (call.at, call.event_id) < (run_out.at, run_out.event_id):
            return tokens
        if call.event_id != run_out.event_id:
            return {}  # it ran out before
        place = TOKEN_MEASURES.index(run_out.measure)
        return {one: tokens[one] for one in TOKEN_MEASURES[:place]} | {run_out.measure: run_out.quantity}

    def _parts(self, call: DividedCall) -> Iterator[dict[str, Any]]:
        parts = [(package, used) for package, used in self.shares(call) if any(used.values())]
        for place, (package, used) in enumerate(parts, start=1):
            yield {
                "customer": call.customer,
                "service": call.service,
                "at": call.at.isoformat(),
                "package": package,
                "records": int(place == len(parts)),
                **_gross(used),
            }


def any_packages(*, customers: Sequence[int] | None) -> bool:
    """Whether there is any package at all, of these customers or of anybody."""
    periods = MethodPeriod.objects.all()
    return (periods if customers is None else periods.filter(customer__in=customers)).exists()


def find_coverage(
    *,
    grouped: str,
    values: Mapping[str, Any],
    drawn_before: Mapping[int, Decimal] | None = None,
    has_reversals: bool = True,
) -> Coverage:
    """Return what is covered of an open hour; `grouped` defines that relation, empty if it is a table.

    Then `reversals_here` is one as well.

    If it is, the table `reached_usage` keeps what the groups have of the calls before those at which packages
    run out. `drawn_before` is what earlier hours would draw that are not closed yet, by package.
    """
    if not grouped:
        with connection.cursor() as cursor:
            cursor.execute(REACHED_USAGE)
    returned: dict[int, Decimal] = {}
    if has_reversals:
        statement = RETURNED.substitute(reversals_here=READ_REVERSALS if grouped else KEPT_REVERSALS)
        returned = dict(_rows(statement, {"sealed_in": values["hour"], **values}))
    before = dict(returned)
    for package, tokens in (drawn_before or {}).items():
        before[package] = before.get(package, Decimal(0)) - tokens
    found = _rows(DEMAND.substitute(grouped=grouped), {**values, "returned": _tokens(before)})
    coverage = Coverage(
        packages=[package for package, *_ in found],
        returned=returned,
        left={package: left for package, _, left, _ in found},
    )
    turns: defaultdict[int, dict[int, Decimal]] = defaultdict(dict)
    seen: Counter[int] = Counter()
    for package, customer, left, demand in found:
        seen[customer] += 1
        if demand > left:
            turns[seen[customer]][package] = left
    weights = _weights([package for turn in turns.values() for package in turn])
    for turn in sorted(turns):
        _find_run_outs(coverage, turns[turn], weights, grouped=grouped, values=values)
    return coverage


def stored_coverage(*, grouped: str, values: Mapping[str, Any]) -> Coverage:
    """Return what is covered of an hour that is billed, as the draws of its bills say."""
    draws = PackageDraw.objects.filter(bill__hour=values["hour"], is_return=False).select_related("bill")
    if values["customers"] is not None:
        draws = draws.filter(bill__customer__in=values["customers"])
    coverage = Coverage(packages=[draw.package_id for draw in draws])
    for draw in draws:
        if draw.ran_out_at is not None:
            coverage.run_outs[draw.package_id] = run_out_of(draw, customer=draw.bill.customer_id)
    if coverage.run_outs:
        for row in _rows(DIVIDED.substitute(grouped=grouped), {**values, **coverage.parameters()}):
            _add_divided(coverage, *row)
    return coverage


# To read all records of an hour as they lie.
WHOLE_HOUR = ("nestloop", "mergejoin", "indexscan")


@contextmanager
def plans_without(*kinds: str) -> Iterator[None]:
    """Let statements of this transaction be planned without these kinds of joins and scans.

    The planner takes what comes as JSON, or was written by this transaction, for a few rows, and would look
    up the others one by one.
    """
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET LOCAL enable_{kind} = off" for kind in kinds))
        yield
        cursor.execute("; ".join(f"SET LOCAL enable_{kind} TO DEFAULT" for kind in kinds))


def run_out_of(draw: PackageDraw, *, customer: int) -> RunOut:
    """Return where a draw says that its package ran out; raise ValueError if it did not."""
    if draw.ran_out_at is None or draw.ran_out_event_id is None:
        raise ValueError(f"{draw} did not run out.")
    return RunOut(
        draw.package_id,
        customer,
        draw.ran_out_at,
        draw.ran_out_event_id,
        Measure(draw.ran_out_measure),
        draw.ran_out_quantity,
    )


def net_quantities(gross: Sequence[int | None]) -> Quantities:
    """Return quantities in the order of the measures, each without its parts."""
    used = dict(zip(Measure, (quantity or 0 for quantity in gross), strict=True))
    return {one: used[one] - sum(used[part] for part in PARTS_OF.get(one, ())) for one in Measure}


def _find_run_outs(
    coverage: Coverage,
    packages: Mapping[int, Decimal],
    weights: Mapping[tuple[int, int], Mapping[Measure, Decimal]],
    *,
    grouped: str,
    values: Mapping[str, Any],
) -> None:
    """Find where these packages, at most one of a customer, run out; `packages` are what is left of each."""
    rest = [
        {
            "package": package,
            "customer": call.customer,
            "service": call.service,
            "at": call.at.isoformat(),
            "event_id": call.event_id,
            **_gross(coverage.rest_for(package, call)),
        }
        for call in coverage.divided.values()
        for package in call.packages
        if package in packages
    ]
    examined = _json({"package": package, "left": str(left)} for package, left in packages.items())
    parameters = {**values, **coverage.parameters(), "examined": examined, "rest": _json(rest)}
    statement = FIND.substitute(
        grouped=grouped,
        demand=demand_sql("reaching") if weights else plain_demand_sql("reaching"),
        weighed=WEIGHED if weights else "",
        keep="" if grouped else KEEP_REACHED,
    )
    with nullcontext() if grouped else plans_without(*WHOLE_HOUR):
        found = _rows(statement, parameters)
    for package, left, *call in found:
        divided = _add_divided(coverage, *call)
        rest_of_call = coverage.rest_for(package, divided)
        measure, quantity = _reach(rest_of_call, left, weights.get((package, divided.service), {}))
        coverage.run_outs[package] = RunOut(
            package, divided.customer, divided.at, divided.event_id, measure, quantity
        )


def _add_divided(
    coverage: Coverage, customer: int, service: int, at: dt.datetime, event_id: str, *more: Any
) -> DividedCall:
    *gross, packages = more
    call = DividedCall(customer, service, at, event_id, net_quantities(gross), packages)
    # As it was found first: a later package sees only the rest of it.
    return coverage.divided.setdefault((customer, event_id), call)


def _reach(rest: Quantities, left: Decimal, weights: Mapping[Measure, Decimal]) -> tuple[Measure, int]:
    """Return the item of a call that is no longer covered whole, and how much of it is."""
    for measure in TOKEN_MEASURES:
        weight = weights.get(measure, ONE)
        if rest[measure] * weight > left:
            return measure, int(left // weight)
        left -= rest[measure] * weight
    raise ValueError("What is left reaches for the whole call.")


def _weights(packages: Sequence[int]) -> dict[tuple[int, int], dict[Measure, Decimal]]:
    """Return how many tokens of these packages a token takes, by package and service."""
    found: defaultdict[tuple[int, int], dict[Measure, Decimal]] = defaultdict(dict)
    for one in PackageWeight.objects.filter(package__in=packages).select_related("billing_item"):
        found[one.package_id, one.billing_item.service_id][Measure(one.billing_item.measure)] = one.weight
    for its in found.values():
        its |= {part: its[whole] for part, whole in WHOLE_OF.items() if whole in its and part not in its}
    return found


def _tokens(by_package: Mapping[int, Decimal]) -> str:
    return _json({"package": package, "tokens": str(tokens)} for package, tokens in by_package.items())


def _gross(net: Mapping[Measure, int]) -> dict[str, int]:
    return {
        one.value: net.get(one, 0) + sum(net.get(part, 0) for part in PARTS_OF.get(one, ()))
        for one in Measure
    }


def _json(rows: Iterable[Mapping[str, Any]]) -> str:
    return json.dumps(list(rows))


def _rows(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
