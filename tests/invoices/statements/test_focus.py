"""A statement's charges in the columns of FOCUS 1.2: they come to its payable, and a validator agrees."""

import csv
import io
import re
import subprocess
import sys
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.urls import reverse

from tests.builders import close, record, report
from tests.invoices.documents.builders import use_and_correct
from tests.invoices.statements.builders import issue_statement
from tests.packages import buy, draws

pytestmark = pytest.mark.django_db

# What we claim to be, of the criteria by which the specification asks for more columns.
CRITERIA = (
    "ACCOUNT_NAMING_SUPPORTED,NEGOTIATED_PRICING_SUPPORTED,UNIT_PRICING_SUPPORTED,USAGE_MEASUREMENT_SUPPORTED"
)
# focus-validator 2.2.1 takes whole numbers for no decimals, refuses every InvoiceId, and asks for consumed
# quantities of purchases too.
MISREAD = {f"ConsumedQuantity-C-{rule}" for rule in ("000-C", "001-M", "003-C", "004-C", "005-C", "006-C")}
MISREAD |= {"InvoiceId-C-004-C"}


@pytest.fixture
def package(acme):
    return buy(acme)


@pytest.fixture
def statement(acme, package):
    """Usage that a package covers, usage that comes to parts of a fen, and corrections."""
    use_and_correct(acme)
    record(
        report("covered", service="SenseChat-5", input_tokens=1000),
        report("odd", service="SenseChat-Turbo", input_tokens=7, output_tokens=1),
    )
    close()
    return issue_statement(acme)


@pytest.fixture
def file(alice_client, statement):
    return alice_client.get(reverse("statement_focus", args=[statement.number])).getvalue()


@pytest.fixture
def rows(file):
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"))))


def sum_of(rows, column):
    return sum(Decimal(row[column]) for row in rows)


def of_package(rows, category):
    return [row for row in rows if row["x_Package"] and row["ChargeCategory"] == category]


def test_what_is_billed_comes_to_the_payable_of_the_statement(rows, statement):
    assert {row["InvoiceId"] for row in rows} == {statement.number}
    assert sum_of(rows, "BilledCost") == statement.payable
    assert statement.payable != statement.amount
    assert {row["ChargeCategory"] for row in rows} == {"Usage", "Purchase", "Adjustment"}


def test_each_cost_is_its_unit_price_times_the_quantity(rows):
    for row in rows:
        for cost in ("List", "Contracted") if row["ListUnitPrice"] else ():
            product = Decimal(row[f"{cost}UnitPrice"]) * Decimal(row["PricingQuantity"])
            assert product == Decimal(row[f"{cost}Cost"]), row


def test_what_a_package_covers_costs_nothing_beside_its_list_price(rows, package):
    covered = of_package(rows, "Usage")

    assert sum_of(covered, "BilledCost") == 0
    assert sum_of(covered, "ListCost") > 0
    assert {row["x_Package"] for row in covered} == {package.number}


def test_usage_has_its_share_of_the_package_that_covers_it(rows, package):
    drawn = sum(tokens for tokens, _ in draws(package))

    assert drawn > 0
    assert sum_of(of_package(rows, "Usage"), "EffectiveCost") == 30 * drawn / package.tokens
    assert sum_of(of_package(rows, "Purchase"), "EffectiveCost") == 0


def test_the_validator_finds_nothing_but_what_it_misreads(file, tmp_path):
    spec = find_spec("focus_validator")
    if spec is None or spec.origin is None:
        pytest.skip("focus-validator is installed on Python 3.12 only")
    path = tmp_path / "focus.csv"
    path.write_bytes(file)
    chosen = ("--validate-version", "1.2", "--applicability-criteria", CRITERIA, "--block-download")
    run = subprocess.run(
        [sys.executable, "-m", "focus_validator.main", "--data-file", path, *chosen],
        cwd=Path(spec.origin).parents[1],  # from where it opens its list of currencies
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--- Failures ---" in run.stdout
    assert {*re.findall(r"^- (\S+): violations", run.stdout, re.MULTILINE)} <= MISREAD
