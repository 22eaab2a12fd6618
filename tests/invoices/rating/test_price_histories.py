"""Histories of price edits and usage, against a plain model: which price each call was billed at, and when.

The model keeps prices as painted time: a row of half-hour cells for each item, customer and kind, in which an
edit paints. Nothing of how the product keeps periods is in it. PostgreSQL's clock is staged: the rules of the
database that know "now" see the test's.

Each kind of event has a scripted history that must show it; besides, a fixed number of random ones is played.
"""

import copy
import datetime as dt
import itertools
import os
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from accounts.models import Customer
from invoices.books.verify import verify_books
from invoices.closing.close import close_hour
from invoices.models import ChargeLine, HourlyBill, HourSeal
from pricing.catalogue.initial import BEGINS_AT
from pricing.changes.apply import ChangesRefused, apply_rows
from pricing.changes.price_commands import (
    announce_offer,
    cancel_price,
    change_price,
    copy_prices,
    end_prices,
    start_trial,
)
from pricing.changes.rows import PriceRow
from pricing.changes.stored import price_row
from pricing.models import Price
from pricing.rules.measures import Measure
from tests.builders import item, report
from usage.billing_hours import hour_of, next_hour_to_close
from usage.ingest.record import record_usage
from usage.ingest.reversals import reverse_record
from usage.models import HOUR, UsageRecord
from usage.refused.errors import UsageError

RUNS = {"soak": 2000}.get(os.environ.get("HYPOTHESIS_PROFILE", ""), 3)
STEPS = 40

BEGINNING = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
CELL = dt.timedelta(minutes=30)
CELLS = 200  # the last one stands for all that comes after
KINDS = ("free_trial", "limited_time_offer", "list_price")
# By service, all of input tokens: a list price, an offer without a price beneath, a trial without one.
SERVICES = ("SenseChat", "SenseChat-5", "SenseChat-Vision")
CODES = (None, "acme", "globex")

services = st.sampled_from(SERVICES)
codes = st.sampled_from(CODES)
kinds = st.sampled_from(KINDS)
ahead = st.integers(-1, 8)  # cells from now
lengths = st.one_of(st.none(), st.integers(1, 8))
unit_prices = st.sampled_from(["0.01", "0.5", "3", "0.00000007"])
sizes = st.sampled_from([1, 1000, 1_000_000])
INSTANT = dt.timedelta(microseconds=1)
# Instead of minutes ago: so many cells before this one, at its first instant or at the last one before it.
EDGES = st.tuples(st.integers(0, 2), st.sampled_from([dt.timedelta(0), -INSTANT]))
OWN = (Decimal("0.00000001"), 1)  # what Acme agreed on for SenseChat


def instant(cell):
    """When a cell begins; the first one has been for ever."""
    return BEGINS_AT if cell == 0 else BEGINNING + cell * CELL


def cell_of(when):
    """The cell that holds an instant."""
    return max((when - BEGINNING) // CELL, 0)


class Model:
    """Prices as painted time: each cell holds a price and the number of its row, or None."""

    def __init__(self):
        self.painted: dict[Any, list[Any]] = {}
        self.rows = 0
        self.added: dict[Any, int] = {}
        self.cuts: dict[Any, int] = {}
        self.removed: dict[Any, Any] = {}
        for service in SERVICES:
            for code in CODES:
                for kind in KINDS:
                    self.painted[service, code, kind] = [None] * CELLS
        self.paint(("SenseChat", None, "list_price"), 0, CELLS, (Decimal("0.012"), 1000))
        self.paint(("SenseChat-5", None, "limited_time_offer"), 0, CELLS, (Decimal("0.04"), 1000))
        self.paint(("SenseChat-Vision", None, "free_trial"), 0, CELLS, (Decimal(0), 1000))
        self.paint(("SenseChat", "acme", "list_price"), 0, CELLS, OWN)

    def paint(self, of, begins, ends, price):
        """Let a price hold from a cell up to another; None: up to where the next row begins."""
        cells = self.painted[of]
        if ends is None:
            ends = min(
                (n for n in range(begins + 1, CELLS) if cells[n] and cells[n] != cells[n - 1]), default=CELLS
            )
        behind = cells[ends] if ends < CELLS and cells[ends] == cells[ends - 1] else None
        self.rows += 2
        cells[begins:ends] = [(price, self.rows)] * (ends - begins)
        # What goes on behind it is a row of its own.
        for cell in range(ends, CELLS if behind else ends):
            if cells[cell] == behind:
                cells[cell] = (behind[0], self.rows - 1)

    def copy(self):
        """A model that goes on by itself."""
        twin = copy.copy(self)
        twin.painted = {of: cells[:] for of, cells in self.painted.items()}
        twin.added, twin.cuts, twin.removed = dict(self.added), dict(self.cuts), dict(self.removed)
        return twin

    def remember(self, before, deed):
        """Keep which deed added a row, which removed one, and which cut one: from what end to what end."""
        for of in self.painted:
            was, now = dict(before.spans(of)), dict(self.spans(of))
            for begins in was.keys() - now.keys():
                self.cuts = {key: end for key, end in self.cuts.items() if key[:2] != (of, begins)}
                price = before.painted[of][begins][0]
                self.removed[of, deed] = [*self.removed.get((of, deed), []), (begins, was[begins], price)]
            for begins, ended in now.items():
                if begins not in was:
                    self.added[of, begins] = deed
                elif was[begins] > ended:
                    self.cuts[of, begins, ended, deed] = was[begins]

    def uncut(self, of, begins):
        """Where the row before would end, had it not been cut for the one that begins here."""
        before = next(first for first, ended in self.spans(of) if ended == begins)
        return self.cuts.get((of, before, begins, self.added.get((of, begins))), begins)

    def spans(self, of):
        """Every row with the cell in which it begins and the one before which it ends."""
        cells, spans = self.painted[of], dict[Any, Any]()
        for cell, held in enumerate(cells):
            if held:
                spans[held] = (spans.get(held, (cell,))[0], cell + 1)
        return sorted(spans.values())

    def counting(self, service, code, cell):
        """The price that counts in a cell, as (whose, kind, price)."""
        for whose in (code, None) if code else (None,):
            for kind in KINDS:
                if held := self.painted[service, whose, kind][cell]:
                    return whose, kind, held[0]
        return None

    def base(self, service, cell):
        """What an offer is off."""
        listed = self.painted[service, None, "list_price"][cell]
        return ("list_price", listed[0]) if listed else self.counting(service, None, cell)[1:]

    def has_gap(self):
        """Whether an item is without a price for everybody in some cell."""
        return any(
            not all(map(any, zip(*(self.painted[service, None, kind] for kind in KINDS), strict=True)))
            for service in SERVICES
        )

    def restate(self, rows):
        """State rows anew, by what they are of and begin at, as (end, price) or None; tell if that fits."""
        for of in {of for of, _ in rows}:
            stated: dict[int, Any] = {n: (ends, self.painted[of][n][0]) for n, ends in self.spans(of)}
            stated |= {begins: row for (one, begins), row in rows.items() if one == of}
            cells: list[Any] = [None] * CELLS
            self.painted[of] = cells
            for begins, row in stated.items():
                if row is None:
                    continue
                ends, price = row
                if ends <= begins or any(cells[begins:ends]) or (of[2] == "free_trial" and price[0]):
                    return False
                self.rows += 1
                cells[begins:ends] = [(price, self.rows)] * (ends - begins)
        return True

    def values(self):
        """What can be seen of it: prices, without the numbers of rows."""
        return {of: [held and held[0] for held in cells] for of, cells in self.painted.items()}


class History(RuleBasedStateMachine):
    """Edits prices and uses services, in the product and in the model."""

    def __init__(self):
        super().__init__()
        # Closing is a transaction of its own: Django lets it run inside another only if that is a test's.
        self.stage = transaction.atomic()
        self.stage._from_testcase = True  # type: ignore[attr-defined]
        self.stage.__enter__()
        self.customers = {code: Customer.objects.create(code=code, name=code) for code in CODES if code}
        self.items = {service: item(service, "input_tokens") for service in SERVICES}
        Price.objects.create(
            billing_item=self.items["SenseChat"], customer=self.customers["acme"], kind="list_price",
            unit_price=OWN[0], unit_size=OWN[1], begins_at=BEGINS_AT,
        )  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(STAGED_CLOCK)
        self.model = Model()
        self.seen: Counter[str] = Counter()
        self.deeds = 0
        self.used: dict[str, Any] = {}
        self.closed: dict[dt.datetime, Any] = {}
        self.move_clock(BEGINNING + dt.timedelta(hours=1, minutes=10))

    def teardown(self):
        try:
            if self.closed and not connection.needs_rollback:
                assert not verify_books().findings.count
        finally:
            transaction.set_rollback(True)
            self.stage.__exit__(None, None, None)

    # --- What happens ---

    @rule(minutes=st.sampled_from([1, 19, 20, 30, 50, 61]))
    def time_passes(self, minutes):
        self.move_clock(self.now + dt.timedelta(minutes=minutes))

    @rule(minutes=st.sampled_from([5, 20, 65, 130]))
    def time_passes_and_hours_are_closed(self, minutes):
        self.time_passes(minutes)
        while self.close_the_next():
            pass

    @rule(beside=st.sampled_from([-INSTANT, dt.timedelta(0), INSTANT]))
    def the_clock_comes_to_an_edge(self, beside):
        self.move_clock(max(self.now, BEGINNING + (self.cell + 1) * CELL + beside))

    @rule(
        service=services, code=codes, kind=kinds, price=unit_prices, size=sizes, begins=ahead, length=lengths
    )
    def change(self, service, code, kind, price, size, begins, length):
        begins, ends = self.span(begins, length)
        unit_price = Decimal(0) if kind == "free_trial" else Decimal(price)

        def deed():
            return change_price(
                item=self.items[service],
                customer=self.customers.get(code),
                kind=kind,
                unit_price=unit_price,
                unit_size=size,
                begins_at=instant(begins),
                ends_at=ends and instant(ends),
            )

        after = self.model.copy()
        after.paint((service, code, kind), begins, ends, (unit_price, size))
        self.edit(f"change {kind}", deed, after, in_time=begins > self.cell)

    @rule(
        # Mostly not what has only a free trial, of which no offer can be made.
        chosen=st.one_of(st.sets(st.sampled_from(SERVICES[:2]), min_size=1), st.sets(services, min_size=1)),
        percent=st.sampled_from([10, 50]),
        begins=ahead,
        length=lengths,
    )
    def offer(self, chosen, percent, begins, length):
        begins, ends = self.span(begins, length)
        after = self.model.copy()
        for service in sorted(chosen):
            kind, (unit_price, size) = self.model.base(service, begins)
            reduced = unit_price * (100 - percent) / 100
            if kind == "free_trial" or reduced != round(reduced, 8):
                after = None
                break
            after.paint((service, None, "limited_time_offer"), begins, ends, (reduced, size))

        def deed():
            return announce_offer(
                items=[self.items[service] for service in sorted(chosen)],
                percent_off=Decimal(percent),
                begins_at=instant(begins),
                ends_at=ends and instant(ends),
            )

        self.edit("offer", deed, after, in_time=begins > self.cell)

    @rule(service=services, begins=ahead, length=lengths)
    def trial(self, service, begins, length):
        begins, ends = self.span(begins, length)
        after = self.model.copy()
        _, (_, size) = self.model.base(service, begins)
        after.paint((service, None, "free_trial"), begins, ends, (Decimal(0), size))

        def deed():
            return start_trial(
                items=[self.items[service]], begins_at=instant(begins), ends_at=ends and instant(ends)
            )

        self.edit("trial", deed, after, in_time=begins > self.cell)

    @rule(place=st.integers(0, 40), ends=st.integers(1, 12), successor=st.one_of(st.none(), unit_prices))
    def end(self, place, ends, successor):
        of, begins, ended = self.some_row(place, lambda begins, ended: ended > self.cell)
        ends += self.cell
        if ends <= begins:
            return
        after = self.model.copy()
        cells = after.painted[of]
        held = cells[begins]
        if any(cells[ended:ends]):
            after = None  # another of its kind is there
        else:
            cells[begins:ends] = [held] * (ends - begins)
            cells[ends:ended] = [None] * max(ended - ends, 0)
        if after and successor:
            after.paint((of[0], of[1], "list_price"), ends, None, (Decimal(successor), held[0][1]))
        price = self.stored(of, begins)

        def deed():
            successors = {price.pk: Decimal(successor)} if successor else {}
            return end_prices(prices=[price], ends_at=instant(ends), successors=successors)

        self.edit("end with a successor" if successor else "end", deed, after)

    @rule(place=st.integers(0, 40))
    def cancel(self, place):
        found = self.some_row(place, lambda begins, ended: begins > self.cell)
        if found is None:
            return
        of, begins, ended = found
        after = self.model.copy()
        cells = after.painted[of]
        pieces = after.removed.get((of, after.added.get((of, begins))), [])
        pieces = [(max(first, begins), min(last, ended), price) for first, last, price in pieces]
        pieces = [piece for piece in pieces if piece[0] < piece[1]]
        free = min([first for first, _, _ in pieces], default=ended)
        held, until = cells[begins - 1], begins
        if held and of[2] == "list_price":
            until = free
        elif held:
            until = min(self.model.uncut(of, begins), free)
        cells[begins:ended] = [held] * (until - begins) + [None] * (ended - until)
        for first, last, price in pieces:
            after.rows += 1
            cells[first:last] = [(price, after.rows)] * (last - first)
        self.seen["cancelled, and what was superseded resumes"] += of[2] != "list_price" and until > begins
        self.seen["cancelled, and what was removed is back"] += bool(pieces)
        self.edit("cancel", lambda: cancel_price(price=self.stored(of, begins)), after)

    @rule(there=st.booleans(), begins=ahead)
    def copy_to(self, there, begins):
        source, target = ("acme", "globex") if there else ("globex", "acme")
        begins, _ = self.span(begins, None)
        after, in_time = self.model.copy(), True
        for service in SERVICES:
            for kind in KINDS:
                for first, ended in self.model.spans((service, source, kind)):
                    if ended <= begins:
                        continue
                    first = max(first, begins)
                    in_time &= first > self.cell
                    price = self.model.painted[service, source, kind][first][0]
                    after.paint((service, target, kind), first, None if ended == CELLS else ended, price)

        def deed():
            return copy_prices(
                source=self.customers[source], target=self.customers[target], begins_at=instant(begins)
            )

        self.edit("copy", deed, after, in_time=in_time)

    @rule(
        edits=st.lists(
            st.tuples(
                st.integers(0, 40),
                st.sampled_from(["price", "end", "no end", "remove", "add"]),
                st.integers(-2, 8),
                unit_prices,
            ),
            min_size=1,
            max_size=3,
        )
    )
    def import_rows(self, edits):
        stated: dict[Any, Any] = {}
        in_time = True
        for place, what, cells, price in edits:
            # Mostly what has not begun: of what has, only the end can be changed.
            found = self.some_row(place, lambda begins, ended: begins > self.cell) if place % 4 else None
            found = found or self.some_row(place, lambda begins, ended: ended >= self.cell)
            of, begins, ended = found
            held = self.model.painted[of][begins][0]
            if what == "add":
                begins, ended = max(self.cell + cells, 1), self.cell + cells + 3
                in_time &= begins > self.cell or self.begins_there(of, begins)
            elif what != "price":
                ended = {"end": max(self.cell + cells, 1), "no end": CELLS}.get(what, ended)
            figures = (Decimal(price), 1000) if what in ("price", "add") else held
            stated[of, begins] = None if what == "remove" else (ended, figures)
        after = self.model.copy()
        fits = after.restate(stated)
        in_time = in_time and fits and self.past(after) == self.past(self.model)
        rows = [self.row(of, begins, row) for (of, begins), row in stated.items()]
        self.edit("import", lambda: rows, after if fits else None, in_time=in_time)

    @rule(
        calls=st.lists(
            st.tuples(
                services, st.sampled_from(["acme", "globex"]), st.integers(1, 5000),
                st.one_of(st.sampled_from([-4, 0, 9, 61, 130, 1500]), EDGES),
            ),
            min_size=1,
            max_size=8,
        )
    )  # fmt: skip
    def use(self, calls):
        self.report(calls)

    @rule(cells=st.integers(1, 6), minutes=st.sampled_from([5, 65, 130]))
    def everything_is_used_at_every_edge_and_hours_are_closed(self, cells, minutes):
        edges = [(cell, beside) for cell in range(cells) for beside in (dt.timedelta(0), -INSTANT)]
        users = [(service, code) for service in SERVICES for code in CODES if code]
        # No two of the same quantity, so that no line can pass for another.
        self.report(
            [(*user, 1000 + n, edge) for n, (user, edge) in enumerate(itertools.product(users, edges))]
        )
        self.time_passes_and_hours_are_closed(minutes)

    @rule(places=st.sets(st.integers(0, 200), min_size=1, max_size=6))
    def reverse(self, places):
        events = [*self.used]
        for event in {events[-1 - place % len(events)] for place in places if events}:
            code, service, occurred_at, tokens, _ = self.used[event]
            try:
                made = reverse_record(
                    customer=self.customers[code], event_id=event, reason="wrong", by="test", now=self.now
                )
            except UsageError:
                continue
            if made.event_id in self.used:
                continue
            then, now = (self.model.counting(service, code, cell_of(at)) for at in (occurred_at, self.now))
            self.seen["reversed"] += 1
            self.seen["reversed at another price than now's"] += then != now
            self.used[made.event_id] = (code, service, occurred_at, -tokens, made.billing_hour)

    def close_the_next(self):
        """Close the oldest open hour if it is due, and compare its lines; return whether it was."""
        hour = next_hour_to_close()
        if hour is None or hour + HOUR + dt.timedelta(minutes=5) > self.now:
            return False
        assert close_hour(hour=hour, now=self.now)
        assert self.billed(hour) == self.owed(hour)
        self.closed[hour] = self.frozen([hour])
        return True

    # --- What has to hold ---

    @invariant()
    def the_database_has_the_prices_that_the_model_has(self):
        held: dict[Any, list[Any]] = {of: [None] * CELLS for of in self.model.painted}
        for price in Price.objects.filter(billing_item__in=self.items.values()).select_related(
            "billing_item__service", "customer"
        ):
            row = price_row(price)
            begins = 0 if row.begins_at == BEGINS_AT else cell_of(row.begins_at)
            ends = cell_of(row.ends_at) if row.ends_at else CELLS
            cells = held[row.service, row.customer or None, row.kind]
            assert not any(cells[begins:ends])
            cells[begins:ends] = [(row.unit_price, row.unit_size)] * (ends - begins)
        assert held == self.model.values()
        assert not self.model.has_gap()

    @invariant()
    def the_price_that_counts_is_the_one_that_the_model_says(self):
        for when in (self.now, BEGINNING + (self.cell + 1) * CELL - INSTANT, instant(self.cell + 1)):
            in_force = Price.objects.in_force(at=when).by_precedence().select_related("customer")
            for code in CODES:
                counts: dict[Any, Any] = {}
                for price in in_force:
                    whose = price.customer.code if price.customer else None
                    if whose in (None, code):
                        figures = (price.unit_price.normalize() + 0, price.unit_size)
                        counts.setdefault(price.billing_item_id, (whose, price.kind, figures))
                for service in SERVICES:
                    expected = self.model.counting(service, code, cell_of(when))
                    assert counts[self.items[service].pk] == expected

    @invariant()
    def what_is_closed_stays_as_it_was_closed(self):
        assert self.frozen([*self.closed]) == [row for rows in self.closed.values() for row in rows]

    # --- Both sides ---

    @property
    def cell(self):
        return cell_of(self.now)

    def span(self, begins, length):
        begins += self.cell
        return begins, None if length is None else begins + length

    def move_clock(self, now):
        self.now = now
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('staged.now', %s, true)", [now.isoformat()])

    def some_row(self, place, fits):
        rows = [(of, *span) for of in self.model.painted for span in self.model.spans(of) if fits(*span)]
        return rows[place % len(rows)] if rows else None

    def report(self, calls):
        """Report calls of (service, customer, tokens, when), with when in minutes ago or beside an edge."""
        reports = []
        for service, code, tokens, ago in calls:
            event = f"call-{len(self.used)}"
            if isinstance(ago, tuple):
                cells, beside = ago
                occurred_at = BEGINNING + (self.cell - cells) * CELL + beside
            else:
                occurred_at = self.now - dt.timedelta(minutes=ago)
            used = report(event, customer=code, service=service, occurred_at=occurred_at, input_tokens=tokens)
            reports.append(msgspec.structs.replace(used, output_tokens=0))
            own = hour_of(occurred_at)
            billed = max(own, max(self.closed) + HOUR) if self.closed else own
            self.used[event] = (code, service, occurred_at, tokens, billed)
            self.seen["late" if billed > own else "in time"] += 1
        record_usage(reports=reports, now=self.now)

    def begins_there(self, of, begins):
        return begins in [first for first, _ in self.model.spans(of)]

    def row(self, of, begins, stated):
        """A row of a file: what a price is to be, or that it is to go."""
        ends, (unit_price, size) = stated or (CELLS, self.model.painted[of][begins][0])
        return PriceRow(
            service=of[0], measure=Measure.INPUT_TOKENS, customer=of[1] or "", kind=of[2],
            unit_price=unit_price, unit_size=size, begins_at=instant(begins),
            ends_at=None if ends == CELLS else instant(ends), remove=stated is None,
        )  # fmt: skip

    def stored(self, of, begins):
        service, code, kind = of
        return Price.objects.select_related("billing_item__service", "customer").get(
            billing_item=self.items[service], customer=self.customers.get(code), kind=kind,
            begins_at=instant(begins),
        )  # fmt: skip

    def edit(self, name, deed, after, *, in_time=True):
        """Do it in the product: it succeeds if the model then has no gap, and else changes nothing."""
        allowed = after is not None and in_time and not after.has_gap()
        before = list(Price.objects.order_by("pk").values())
        self.deeds += 1
        try:
            # All of a history is one transaction: by the reason one deed is told from the next.
            apply_rows(rows=deed(), by="test", reason=f"deed {self.deeds}", now=self.now, confirmed=True)
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        except (ChangesRefused, ValidationError):
            assert not allowed
            self.seen[f"{name} refused"] += 1
            assert list(Price.objects.order_by("pk").values()) == before
            return
        # A price that begins when one that has begun did may say a new end for it: that changes nothing past.
        assert allowed or (after is not None and not in_time and not after.has_gap())
        assert self.past(after) == self.past(self.model)
        self.seen[name] += 1
        after.remember(self.model, self.deeds)
        self.model = after

    def past(self, model):
        """The prices up to now."""
        return {of: cells[: self.cell + 1] for of, cells in model.values().items()}

    def owed(self, hour):
        """What the model says of an hour's lines: quantity and amount by price."""
        owed: Counter[Any] = Counter()
        for code, service, occurred_at, tokens, billed in self.used.values():
            if billed == hour:
                whose, kind, (price, size) = self.model.counting(service, code, cell_of(occurred_at))
                self.seen[f"billed {kind}"] += 1
                self.seen["billed at a price of one's own"] += whose is not None
                owed[code, hour_of(occurred_at), service, kind, whose is not None, price, size] += tokens
        return {key: (tokens, tokens * Fraction(key[-2]) / key[-1]) for key, tokens in owed.items() if tokens}

    def billed(self, hour):
        """What the product says of them."""
        billed: dict[Any, Any] = {}
        lines = ChargeLine.objects.filter(bill__hour=hour).select_related("bill")
        for line in lines:
            key = (
                line.bill.customer_code, line.usage_hour, line.service_name, line.price_kind,
                line.is_own_price, line.unit_price.normalize() + 0, line.unit_size,
            )  # fmt: skip
            quantity, amount = billed.get(key, (0, Fraction(0)))
            billed[key] = (quantity + line.quantity, amount + Fraction(line.amount))
        self.seen["hours with two prices of an item"] += len({key[:3] for key in billed}) < len(billed)
        return {key: sums for key, sums in billed.items() if sums[0]}

    def frozen(self, hours):
        """Everything that closed hours say, hour by hour."""
        held: dict[Any, list[Any]] = {hour: [] for hour in hours}
        everything: list[tuple[Any, str]] = [
            (ChargeLine.objects.annotate(hour=F("bill__hour_id")), "hour"),
            (HourlyBill.objects, "hour_id"),
            (HourSeal.objects, "hour_id"),
            (UsageRecord.objects, "billing_hour"),
        ]
        for rows, hour in everything:
            for row in rows.filter(**{f"{hour}__in": hours}).order_by("pk").values():
                held[row[hour]].append(row)
        return [row for hour in hours for row in held[hour]]


# Named before pg_catalog, its functions come before PostgreSQL's own.
STAGED_CLOCK = """
CREATE SCHEMA staged;
CREATE FUNCTION staged.now() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT current_setting('staged.now')::timestamptz $$;
SET LOCAL search_path = staged, public, pg_catalog;
"""


def use_now(history, *services, minutes_ago=0):
    """Let Acme call these services."""
    history.use([(service, "acme", 100 + n, minutes_ago) for n, service in enumerate(services)])


def close_all(history):
    """Let time pass until all that has been used is billed."""
    history.time_passes_and_hours_are_closed(130)


def offer_ahead(history, begins, length, price="0.01"):
    """Schedule an offer on SenseChat that begins so many cells from now."""
    history.change("SenseChat", None, "limited_time_offer", price, 1000, begins, length)


Step = Callable[[History], None]
# What has to happen, and the steps in which it does. The clock shows 01:10; cells are half hours, counted
# from that of now. Rows are numbered as Model.painted has them: 0 is SenseChat's list price, 1 Acme's own.
SCRIPTS: dict[str, list[Step]] = {
    "change list_price": [lambda h: h.change("SenseChat", None, "list_price", "0.5", 1000, 1, None)],
    "change limited_time_offer": [lambda h: offer_ahead(h, 1, 4)],
    "change free_trial": [lambda h: h.change("SenseChat-5", "acme", "free_trial", "3", 1, 1, 2)],
    "change list_price refused": [lambda h: h.change("SenseChat", None, "list_price", "0.5", 1000, -1, None)],
    "offer": [lambda h: h.offer({"SenseChat", "SenseChat-5"}, 50, 1, 4)],
    "offer refused": [lambda h: h.offer({"SenseChat", "SenseChat-Vision"}, 50, 1, 4)],
    "trial": [lambda h: h.trial("SenseChat", 1, 3)],
    "trial refused": [lambda h: h.trial("SenseChat", -1, 3)],
    "end": [lambda h: h.end(1, 2, None)],
    "end refused": [lambda h: h.end(0, 2, None)],
    "end with a successor": [lambda h: h.end(2, 2, "0.5")],
    "cancel": [lambda h: offer_ahead(h, 2, 4), lambda h: h.cancel(0)],
    "cancelled, and what was superseded resumes": [
        lambda h: h.change("SenseChat-5", None, "limited_time_offer", "0.5", 1000, 2, None),
        lambda h: h.cancel(0),
    ],
    "cancelled, and what was removed is back": [
        lambda h: offer_ahead(h, 4, 2),
        lambda h: offer_ahead(h, 2, 8, "0.5"),
        lambda h: h.cancel(0),
    ],
    "copy": [lambda h: h.copy_to(True, 1)],
    "import": [lambda h: offer_ahead(h, 2, 4), lambda h: h.import_rows([(1, "price", 0, "0.5")])],
    "import refused": [lambda h: h.import_rows([(0, "price", 0, "0.5")])],
    "in time": [lambda h: use_now(h, "SenseChat")],
    "late": [
        lambda h: use_now(h, "SenseChat"),
        close_all,
        lambda h: use_now(h, "SenseChat", minutes_ago=130),
    ],
    "billed list_price": [lambda h: use_now(h, "SenseChat"), close_all],
    "billed at a price of one's own": [lambda h: use_now(h, "SenseChat"), close_all],
    "billed limited_time_offer": [lambda h: use_now(h, "SenseChat-5"), close_all],
    "billed free_trial": [lambda h: use_now(h, "SenseChat-Vision"), close_all],
    "hours with two prices of an item": [
        lambda h: use_now(h, "SenseChat-5"),
        lambda h: h.change("SenseChat-5", None, "limited_time_offer", "0.5", 1000, 1, None),
        lambda h: h.time_passes(30),
        lambda h: use_now(h, "SenseChat-5"),
        close_all,
    ],
    "reversed at another price than now's": [
        lambda h: use_now(h, "SenseChat-5"),
        lambda h: h.change("SenseChat-5", None, "limited_time_offer", "0.5", 1000, 1, None),
        lambda h: h.time_passes(30),
        lambda h: h.reverse({0}),
        close_all,
    ],
}


@pytest.mark.django_db
@pytest.mark.parametrize("event", SCRIPTS)
def test_each_kind_of_event_comes_out_as_the_model_has_it(unbounded, event):
    history = History()
    try:
        for step in SCRIPTS[event]:
            step(history)
            history.the_database_has_the_prices_that_the_model_has()
            history.the_price_that_counts_is_the_one_that_the_model_says()
            history.what_is_closed_stays_as_it_was_closed()
    finally:
        history.teardown()

    assert history.seen[event], history.seen


RANDOM = settings(
    max_examples=RUNS,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.long
@pytest.mark.django_db
def test_every_line_of_random_histories_has_the_price_that_was_in_force(unbounded):
    run_state_machine_as_test(History, settings=RANDOM)
