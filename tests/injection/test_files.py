"""No cell of a file is a formula, and nothing in a PDF does anything: names are texts there."""

import csv
import datetime as dt
import io
import re
import unicodedata
import zipfile
from functools import partial
from itertools import chain
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from accounts.models import Customer, User
from invoices.models import ChargeLine, HourlyBill
from invoices.usage_report.metadata import sum_up_closed_hours
from pricing.files.csv import unescaped
from pricing.models import QuotaPackage, Service, ServiceGroup
from tests.builders import at, close, price, record, report
from tests.conftest import make_acme
from tests.injection.payloads import FORMULAS, MARK, PAYLOADS
from tests.injection.stage import BY, LONG_AGO, name_customer
from tests.invoices.documents.builders import month_of, pdf_text
from tests.packages import buy, draw, tokens_product
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

TEXTS = (*FORMULAS, *PAYLOADS)
HOURS = len(FORMULAS)
NUMBER = re.compile(r"-?\d+(\.\d+)?")
# What a PDF does by itself or at a click.
ACTIONS = (b"/JavaScript", b"/JS", b"/URI", b"/Launch", b"/SubmitForm", b"/GoToR", b"/EmbeddedFile", b"/AA")


@pytest.fixture(scope="module", autouse=True)
def used(shared_stage):
    """Services, calls, metadata, reasons and packages are named by the texts, the customer by formulas."""
    shared_stage(_use)


@pytest.fixture(autouse=True)
def later(monkeypatch):
    """It is after all of this."""
    monkeypatch.setattr("sensenova_billing.lib.clock.now", lambda: at(40, hour=HOURS + 2))


@pytest.fixture
def alice_client():
    client = Client()
    alice = User.objects.get(email="alice@acme.example")
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _use():
    acme = make_acme()
    acme.members.create(user=User.objects.create_user("alice@acme.example"), role="owner")
    for n, text in enumerate(TEXTS):
        _service(text)
        used = report(
            text,
            service=text,
            output_tokens=0,
            occurred_at=at(10, hour=n % HOURS),
            metadata={"project": text},
        )
        record(used, now=at(11, hour=n % HOURS))
    for hour, text in enumerate(FORMULAS):
        name_customer(acme, text)
        close(hour=hour)
    for text in FORMULAS:
        reverse_record(customer=acme, event_id=text, reason=text, by=BY, now=at(1, hour=HOURS))
    close(hour=HOURS)
    sum_up_closed_hours(now=at(50, hour=HOURS))
    for text in FORMULAS:
        draw(buy(acme, tokens_product(text, services=[text])), 7, of=HourlyBill.objects.latest("pk"))


@transaction.atomic  # an item on sale has a price when it is committed
def _service(name):
    group = ServiceGroup.objects.create(family=name, name=name, position=50)
    Service.objects.create(name=name, group=group).billing_items.create(measure="input_tokens")
    price(name, "input_tokens", "0.01", begins_at=LONG_AGO)


def addresses_of_files(kind):
    """The addresses of all files of this kind, and what each of them has to hold at least."""
    span = {"from": f"{at(0):%Y-%m-%d}", "to": f"{at(0) + dt.timedelta(days=2):%Y-%m-%d}", "width": "hour"}
    usage = [
        reverse(f"customer_usage_{kind}", args=["acme"], query=span | {"by": by})
        for by in ("service", "item", "project")
    ]
    month = reverse(f"customer_month_{kind}", args=["acme", month_of()])
    if kind == "xlsx":
        return [month, *usage]
    lines = list(ChargeLine.objects.select_related("bill"))
    packages = QuotaPackage.objects.values_list("number", flat=True)
    return [
        *(month, *usage),
        *(reverse(f"customer_{name}_csv", args=["acme"]) for name in ("bills", "lines")),
        *(reverse("bill_csv", args=[number]) for number in {line.bill.number for line in lines}),
        *(reverse("charge_line_csv", args=[line.bill.number, line.pk]) for line in lines),
        *(reverse("package_draws_csv", args=[number]) for number in packages),
    ]


def begins_a_formula(cell):
    """Whether a spreadsheet may take the text of a cell for a formula, however carelessly it reads."""
    seen = "".join(one for one in unicodedata.normalize("NFKC", cell) if unicodedata.category(one)[0] != "C")
    return seen.lstrip().startswith(("=", "+", "-", "@", "\u2212")) and not NUMBER.fullmatch(cell)


def cells_of(csv_file):
    rows = csv.reader(io.StringIO(csv_file.decode("utf-8-sig"), newline=""))
    return list(chain.from_iterable(rows))


def test_no_cell_of_a_csv_file_is_a_formula_and_none_of_them_is_lost(alice_client):
    held = set()
    for path in addresses_of_files("csv"):
        cells = cells_of(alice_client.get(path).getvalue())
        assert [cell for cell in cells if begins_a_formula(cell)] == [], path
        held |= {unescaped(cell) for cell in cells}

    assert set(TEXTS) - held == set()


def test_every_text_in_a_workbook_is_a_text(alice_client):
    for path in addresses_of_files("xlsx"):
        answer = alice_client.get(path).getvalue()
        cells = [cell for sheet in load_workbook(io.BytesIO(answer)) for row in sheet for cell in row]
        texts = {cell.value for cell in cells if cell.data_type != "n"}
        assert [cell for cell in cells if cell.data_type not in {"s", "n"} or cell.hyperlink] == [], path
        assert {*FORMULAS[1:], *PAYLOADS[1:]} & texts, path
        assert is_plain_workbook(answer)


def is_plain_workbook(file):
    """Whether it holds sheets and texts, and no formula, link to elsewhere or program."""
    archive = zipfile.ZipFile(io.BytesIO(file))
    parts = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".xml")]
    odd = [
        name for name in archive.namelist() if re.search("external|vba|macro|embedding", name, re.IGNORECASE)
    ]
    return not odd and not any(re.search("<f[ >]|<script|<hyperlink|<ddeLink", part) for part in parts)


def test_the_exported_catalogue_holds_them_as_texts(operator_client):
    table = operator_client.get(reverse("catalogue_csv")).getvalue()
    workbook = operator_client.get(reverse("catalogue_xlsx")).getvalue()

    assert [cell for cell in cells_of(table) if begins_a_formula(cell)] == []
    assert set(TEXTS) - {unescaped(cell) for cell in cells_of(table)} == set()
    assert is_plain_workbook(workbook)


def test_a_file_is_named_after_the_customers_code(alice_client):
    paths = [*addresses_of_files("xlsx"), *addresses_of_files("csv")[:6], *_pdf_addresses()]

    for path in paths:
        answer = alice_client.get(path)
        assert answer.getvalue()
        disposition = answer.headers["Content-Disposition"]
        assert re.fullmatch(r'attachment; filename="[\w.-]+"', disposition), disposition
        assert MARK not in disposition


def test_names_in_a_pdf_are_texts_and_do_nothing(alice_client):
    name_customer(Customer.objects.get(code="acme"), PAYLOADS[0])

    drawn = ""
    for address in _pdf_addresses():
        file = alice_client.get(address).getvalue()
        objects = re.sub(rb"stream\r?\n.*?endstream", b"", file, flags=re.DOTALL)
        assert b"/Catalog" in objects
        assert [action for action in ACTIONS if action in objects] == []
        drawn += squeezed("".join(pdf_text(SimpleNamespace(getvalue=partial(bytes, file)))))
    assert [text for text in TEXTS if squeezed(text) not in drawn] == []


def squeezed(text):
    """A text without blanks and what has no width: a PDF breaks lines where they fit."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(one for one in folded if unicodedata.category(one)[0] not in "CZ")


def _pdf_addresses():
    """Return those of the months in which the hours are; at the end of a month they are two."""
    months = sorted({month_of(at(0, hour=hour)) for hour in range(HOURS)})
    return [reverse("customer_month_pdf", args=["acme", month]) for month in months]


@pytest.mark.parametrize("formula", FORMULAS)
def test_each_formula_would_be_found(formula):
    """The control."""
    assert begins_a_formula(formula)
    assert not begins_a_formula(f"'{formula}")


@pytest.mark.parametrize("model", [Customer, Service, QuotaPackage])
def test_names_take_formulas_so_files_have_to_escape_them(model):
    name = "product_name" if model is QuotaPackage else "name"
    others = {field.name for field in model._meta.fields} - {name}

    for formula in FORMULAS:
        model(**{name: formula}).clean_fields(exclude=others)
