"""Random histories of buying, trying, using, renewing, refunding, reversing and closing, beside plain Python.

Tokens used are covered or charged, whatever happens; what each hour drew is what the model draws, token by
token; a customer has one billing method for a service at each instant; each renewal and each credit is what
the model says, once; and the books verify.

Every call here uses tokens, and no remainder of a package is less than a token takes: what happens otherwise
is in test_nothing_to_draw.py.
"""

import itertools
import os
from collections import Counter
from contextlib import nullcontext
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.models import Customer
from invoices.books.rerun import repeat_rating
from invoices.books.verify import verify_books
from invoices.models import ChargeLine, PackageCredit, PackageRenewal
from invoices.packages.after_sale.refund import RefundRefused, order_refund
from invoices.packages.after_sale.renewal import RenewalRefused, renew_packages, switch_renewal
from invoices.rating.charges_sql import charges_so_far
from pricing.models import MethodPeriod, QuotaPackage
from pricing.rules.kinds import Kind
from tests.builders import THE_HOUR, at, close, price, record, report
from tests.invoices.packages.package_model import (
    DAY,
    IN,
    OUT,
    REFUND_DAYS,
    Model,
    ModelCall,
    ModelPackage,
    ModelTerms,
    ModelTrial,
)
from tests.packages import buy, draws, tokens_product, tpm_product
from usage.ingest.reversals import reverse_record
from usage.models import HOUR, UsageRecord

pytestmark = pytest.mark.django_db

SERVICES = ("SenseChat", "SenseChat-5")
LEAST = 1  # tokens of a call
WEIGHTS = ("1", "2", "0.5", "0.3")
LONGEST = 60  # hours of a history
DEARER = 47  # per cent of the price, and twice the tokens, on the next terms
RUNS = {"soak": 160}.get(os.environ.get("HYPOTHESIS_PROFILE", ""), 8)

customers = st.sampled_from(("acme", "acme", "acme", "globex"))
services = st.sampled_from(SERVICES)
covered = st.sampled_from((SERVICES[:1], SERVICES[1:], SERVICES))
minutes = st.integers(0, 59)
tokens = st.integers(LEAST, 30)
calls = st.lists(st.tuples(customers, services, minutes, tokens, tokens), min_size=1, max_size=8)
units = st.integers(1, 25)  # about as many as some calls take
later = st.integers(1, 30)  # in so many hours the product is sold on other terms
renews = st.booleans()
trials = st.tuples(
    st.sampled_from((None, "acme")), covered, st.sampled_from(((IN, OUT), (IN, OUT), (IN,))), minutes,
    st.integers(1, 300),
)  # fmt: skip
sweeps = st.sampled_from((("before", "after"), ("after",), ("before",), ()))


class Histories(RuleBasedStateMachine):
    """Does the same to the product and to the model, and compares."""

    def __init__(self):
        super().__init__()
        self.model = Model()
        self.numbers = itertools.count(1)
        self.whole = transaction.atomic()
        # Closing an hour wants a transaction of its own.
        self.whole._from_testcase = True  # type: ignore[attr-defined]
        self.whole.__enter__()

    def teardown(self):
        try:
            self.assert_verified()
        finally:
            transaction.set_rollback(True)
            self.whole.__exit__(None, None, None)

    @initialize(
        sizes=st.lists(st.tuples(covered, units, st.integers(1, 2), minutes, renews), min_size=1, max_size=3),
        trial=trials,
    )
    def begin(self, sizes, trial):
        self.customers = {
            code: Customer.objects.create(code=code, name=code.title()) for code in ("acme", "globex")
        }
        self.use_at("acme", SERVICES[1], 0, 0, {IN: 1, OUT: 1})
        for services, units, days, minute, renews in sizes:
            self.buy_tokens_of("acme", services, units, "1", days, minute, later=DAY, renews=renews)
        self.announce(trial)

    @rule(
        customer=customers, services=covered, units=units, weight=st.sampled_from(WEIGHTS),
        days=st.integers(1, 2), minute=minutes, later=later, renews=renews,
    )  # fmt: skip
    def buy_tokens(self, customer, services, units, weight, days, minute, later, renews):
        self.buy_tokens_of(customer, services, units, weight, days, minute, later=later, renews=renews)

    def buy_tokens_of(self, customer, services, units, weight, days, minute, *, later, renews):
        weights = [(service, one, weight) for service in services for one in (IN, OUT) if weight != "1"]
        size = units * (3 if weight == "0.3" else 2)  # a remainder would be less than a token takes
        product = self.product_of(size, 2 * size, later=later)
        name, sold = f"T{next(self.numbers)}", {"services": services, "weights": weights, "validity": days}
        terms = [tokens_product(name, one.tokens, **sold, **self.sale_of(one, product)) for one in product]
        made = {"services": services, "days": days, "product": product, "weight": Decimal(weight)}
        self.bought(customer, terms[0], made, minute=minute, renews=renews)

    @rule(
        customer=customers, service=services, units=st.integers(1, 3), days=st.integers(1, 2), minute=minutes,
        later=later, renews=renews,
    )  # fmt: skip
    def buy_tpm(self, customer, service, units, days, minute, later, renews):
        product, name = self.product_of(None, None, later=later), f"M{next(self.numbers)}"
        terms = [tpm_product(name, service=service, **self.sale_of(one, product)) for one in product]
        made = {"services": (service,), "days": days, "product": product, "units": units}
        choice = {"units": units, "periods": days}
        self.bought(customer, terms[0], made, minute=minute, renews=renews, **choice)

    def product_of(self, *tokens, later):
        """The terms on which a product is sold now and later."""
        since, prices = (0, self.model.open + later), (100, 100 + DEARER)
        return tuple(map(ModelTerms, since, tokens, prices))

    def sale_of(self, terms, product):
        """When terms are in force, and their price."""
        ends_at = None if terms is product[-1] else at(0, hour=product[-1].since)
        return {"begins_at": at(0, hour=terms.since), "ends_at": ends_at, "list_price": terms.price}

    def bought(self, customer, terms, made, *, minute, renews, **choice):
        """Buy the package at this minute, and see that it begins and expires when it must."""
        begins = self.model.begin_of(customer, made["services"], is_tpm=bool(choice))
        now = at(minute, hour=self.model.open)
        package = buy(self.customers[customer], terms, now=now, **choice)
        order = self.model.open * 60 + minute, next(self.numbers)
        expected = ModelPackage(package.pk, customer, begins=begins, bought=order, **made)
        self.add(package, expected)
        self.assert_one_method()
        if renews:
            self.switch_renewal_of(expected, is_on=True, minute=minute)

    def add(self, package, expected):
        """See that a package is as expected."""
        self.model.buy(expected)
        spans = [at(0, hour=hour) for hour in (expected.begins, expected.expires)]
        assert [package.begins_at, package.expires_at] == spans
        assert (package.tokens, package.purchase.amount) == (expected.terms.tokens, expected.paid)

    @precondition(lambda self: self.model.packages)
    @rule(which=st.integers(0, 1000), is_on=st.booleans(), minute=minutes)
    def switch_renewal(self, which, is_on, minute):
        self.switch_renewal_of(self.one_of_the_packages(which), is_on=is_on, minute=minute)

    def switch_renewal_of(self, expected, *, is_on, minute):
        package, now = QuotaPackage.objects.get(pk=expected.pk), at(minute, hour=self.model.open)
        may_be = self.model.switch(expected, is_on=is_on)
        with nullcontext() if may_be else pytest.raises(RenewalRefused):
            switch_renewal(package=package, is_on=is_on, by="alice", now=now)

    @precondition(lambda self: self.model.packages)
    @rule(which=st.integers(0, 1000), minute=minutes)
    def refund(self, which, minute):
        expected, now = self.one_of_the_packages(which), self.model.open * 60 + minute
        package = QuotaPackage.objects.get(pk=expected.pk)
        may_be = self.model.refund(expected, now=now)
        with nullcontext() if may_be else pytest.raises(RefundRefused):
            order_refund(package=package, by="alice", now=at(now))
        self.assert_one_method()

    def one_of_the_packages(self, which):
        """One of them, of the last ones more often."""
        packages = [*reversed(self.model.packages.values())]
        return packages[which % len(packages)]

    def sweep(self, now):
        """Renew what is due at this minute."""
        bought = renew_packages(now=at(now))
        for package in self.model.due(now):
            outcome = PackageRenewal.objects.get(package=package.pk)
            pk, number = outcome.renewed_by_id, next(self.numbers)
            renewed = self.model.renew(package, pk=pk, now=now, number=number)
            assert (renewed is None) == (pk is None) == (outcome.refused_at is not None)
            if renewed:
                self.add(outcome.renewed_by, renewed)
                bought -= 1
        assert bought == 0
        self.assert_one_method()

    @rule(trial=trials)
    def announce(self, trial):
        customer, services, measures, minute, lasts = trial
        begins = self.model.open * 60 + minute
        for service in services:
            expected = ModelTrial(service, customer, measures, begins, begins + lasts)
            if self.model.announce(expected):
                self.announce_trial(expected)

    def announce_trial(self, trial):
        customer = trial.customer and self.customers[trial.customer]
        period = {"begins_at": at(trial.begins), "ends_at": at(trial.ends)}
        for measure in trial.measures:
            price(trial.service, measure, "0", kind=Kind.FREE_TRIAL, customer=customer, **period)

    @rule(calls=calls)
    def use(self, calls):
        for customer, service, minute, used, more in calls:
            self.use_at(customer, service, self.model.open, minute, {IN: used, OUT: more})

    @rule(calls=calls, sweeps=sweeps)
    def use_and_close(self, calls, sweeps):
        self.use(calls)
        self.close_hours(1, sweeps=sweeps)

    @precondition(lambda self: self.model.open)
    @rule(customer=customers, service=services, back=st.integers(1, 30), minute=minutes, used=tokens)
    def use_late(self, customer, service, back, minute, used):
        self.use_at(customer, service, max(0, self.model.open - back), minute, {IN: used, OUT: LEAST})

    def use_at(self, customer, service, hour, minute, used):
        event_id = f"call-{next(self.numbers)}"
        call = report(
            event_id, customer=customer, service=service, occurred_at=at(minute, hour=hour),
            input_tokens=used[IN], output_tokens=used[OUT],
        )  # fmt: skip
        record(call, now=at(59, hour=self.model.open))
        self.model.use(ModelCall(event_id, customer, service, hour, minute, used, self.model.open))

    @precondition(lambda self: any(call.reversed_in is None for call in self.model.calls))
    @rule(several=st.lists(st.integers(0, 1000), min_size=1, max_size=4))
    def reverse(self, several):
        for which in several:
            calls = [call for call in self.model.calls if call.reversed_in is None]
            if calls:
                self.reverse_one(calls[which % len(calls)])

    def reverse_one(self, call):
        reverse_record(
            customer=self.customers[call.customer], event_id=call.event_id, reason="A test.", by="alice",
            now=at(30, hour=self.model.open),
        )  # fmt: skip
        self.model.reverse(call)

    @rule(customer=customers)
    def look(self, customer):
        """What the page of the running hour shows adds up."""
        shown: Counter[Any] = Counter()
        for charge in charges_so_far(customer_id=self.customers[customer].pk, hour=self.now):
            if not charge.correction:
                shown[charge.service, charge.measure] += int(charge.quantity)
        calls = [
            one for one in self.model.calls if one.billed_in == self.model.open and one.customer == customer
        ]
        used: Counter[Any] = Counter()
        for call in calls:
            for measure, quantity in call.used.items():
                used[call.service, measure] += quantity
        assert +shown == used

    @rule(sweeps=sweeps)
    def close(self, sweeps):
        self.close_hours(1, sweeps=sweeps)

    @precondition(lambda self: self.model.packages and self.model.open < LONGEST - DAY)
    @rule(hours=st.sampled_from((2, DAY + 1)), sweeps=sweeps)
    def go_on(self, hours, sweeps):
        self.close_hours(hours, sweeps=sweeps)

    def close_hours(self, hours, *, sweeps):
        for _ in range(hours):
            if "before" in sweeps:
                self.sweep(self.model.open * 60 + 61)
            assert close(hour=self.model.open) is not None
            self.model.close()
            if "after" in sweeps:
                self.sweep(self.model.open * 60 + 6)
        self.assert_drawn()
        self.assert_credited()
        self.assert_conserved()
        self.assert_one_method()
        self.assert_verified(from_hour=self.now - HOUR)  # and all of them at the end

    @property
    def now(self):
        return at(0, hour=self.model.open)

    def assert_drawn(self):
        for pk, drawn in self.model.draws.items():
            assert draws(pk) == drawn
            assert all(left >= 0 for _, left in drawn)

    def assert_credited(self):
        fields = ("package", "ends_at", "left", "amount", "credited")
        credits = {pk: one for pk, *one in PackageCredit.objects.values_list(*fields)}
        expected = [(pk, package.credit) for pk, package in self.model.packages.items() if package.credit]
        assert credits == {pk: [at(0, hour=ends), *rest] for pk, (ends, *rest) in expected}

    def assert_conserved(self):
        found: Counter[Any] = Counter()
        for line in ChargeLine.objects.select_related("bill__customer"):
            hour = (line.bill.sealed_in_id - THE_HOUR) // HOUR
            key = hour, line.bill.customer.code, line.service_name, line.measure, line.package_id
            found[key] += int(line.quantity)
        assert {key: n for key, n in found.items() if n} == {k: n for k, n in self.model.lines.items() if n}
        billed: Counter[Any] = Counter()
        used: Counter[Any] = Counter()
        for (_, customer, service, measure, _), quantity in found.items():
            billed[customer, service, measure] += quantity
        records = UsageRecord.objects.filter(billing_hour__lt=self.now)
        for customer, service, *sums in records.values_list("customer__code", "service__name").annotate(
            Sum(IN), Sum(OUT)
        ):
            for measure, quantity in zip((IN, OUT), sums, strict=True):
                used[customer, service, measure] += quantity
        assert billed == used

    def assert_one_method(self):
        periods = [*MethodPeriod.objects.select_related("service")]
        for one, other in itertools.combinations([p for p in periods if p.begins_at < p.ends_at], 2):
            if (one.customer_id, one.service_id) == (other.customer_id, other.service_id):
                overlap = one.begins_at < other.ends_at and other.begins_at < one.ends_at
                assert one.method == other.method or not overlap
        expected = {
            (pk, service): (at(0, hour=package.begins), at(0, hour=package.ends))
            for pk, package in self.model.packages.items()
            for service in package.services
        }
        assert {(p.package_id, p.service.name): (p.begins_at, p.ends_at) for p in periods} == expected

    def assert_verified(self, **span):
        findings = verify_books(besides=repeat_rating, **span).findings.first
        assert [f"{one.hour} {one.bill} {one.what}: {one.text}" for one in findings] == []


def test_packages_do_as_the_model_does(unbounded, settings):
    settings.PACKAGE_REFUNDS, settings.PACKAGE_REFUND_DAYS = "unused", REFUND_DAYS
    run_state_machine_as_test(
        Histories,
        settings=hypothesis_settings(
            max_examples=RUNS, stateful_step_count=12, deadline=None, database=None,
            suppress_health_check=[*HealthCheck], phases=[Phase.generate, Phase.shrink],
        ),
    )  # fmt: skip
