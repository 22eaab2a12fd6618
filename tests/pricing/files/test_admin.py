"""Import and export of the catalogue in the admin, and by command."""

import datetime as dt
import io
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from django.core import signing
from django.core.management import CommandError, call_command
from django.core.signing import BadSignature
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from pricing.catalogue.initial import BEGINS_AT
from pricing.changes.apply import ChangesRefused, apply_rows
from pricing.changes.rows import AliasRow, GroupRow, PriceRow
from pricing.changes.stored import all_rows
from pricing.files.admin import IMPORT_RIGHTS
from pricing.files.formats import CellProblem, Reading, csv_file, xlsx_file
from pricing.files.forms import opened, sealed
from pricing.files.imports import import_rows
from pricing.models import Price, Proposal
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import commit, price
from tests.invoices.browsing import OPERATOR, staff_client, text
from tests.pricing.changes.test_apply import wipe

pytestmark = pytest.mark.django_db

NOW = dt.datetime.now(dt.UTC)
SOON = (NOW + dt.timedelta(days=1)).replace(microsecond=0)
WRITERS = {"csv": csv_file, "xlsx": xlsx_file}
FORMATS = pytest.mark.parametrize("ending", WRITERS)
IN_FORCE = PriceRow(
    service="SenseChat",
    measure=Measure.INPUT_TOKENS,
    kind=Kind.LIST_PRICE,
    unit_price=Decimal("0.012"),
    unit_size=1000,
    begins_at=BEGINS_AT,
)
CHANGE = [
    replace(IN_FORCE, ends_at=SOON),
    replace(IN_FORCE, unit_price=Decimal("0.01"), begins_at=SOON),
]
GAP = [replace(IN_FORCE, ends_at=SOON)]


def upload(client, data, name="prices.csv"):
    file = io.BytesIO(data)
    file.name = name
    return client.post(reverse("catalogue_import"), {"file": file})


def confirm(client, shown, reason="As agreed.", **fields):
    fields = {"previewed": shown.context["previewed"], "reason": reason, **fields}
    return client.post(reverse("catalogue_import"), fields, follow=True)


def exported(client, ending):
    return client.get(reverse(f"catalogue_{ending}")).content


@pytest.fixture
def rich(acme):
    """A catalogue with everything: an alias, own prices, a scheduled one, an ended one, a tricky text."""
    began = NOW - dt.timedelta(days=2)
    price(
        "SenseChat", "output_tokens", "0.00000001", begins_at=began, ends_at=NOW, customer=acme, unit_size=1
    )
    price("SenseChat", "output_tokens", "123456.12345678", begins_at=SOON, customer=acme)
    group = GroupRow(name="=1+1", family="商汤 👩‍👩‍👧", description=" two\r\nlines, '@'\n", position=9)
    apply_rows(
        rows=[*CHANGE, group, AliasRow(alias="-gpt", service="SenseChat")], by="test", reason="", now=NOW
    )


@FORMATS
def test_the_catalogue_survives_export_wipe_and_import_unchanged(ending, rich, operator_client):
    before = all_rows()
    file = exported(operator_client, ending)
    wipe()
    assert all_rows() == []

    confirm(operator_client, upload(operator_client, file, f"catalogue.{ending}"))
    commit()

    assert all_rows() == before
    assert exported(operator_client, "csv") == csv_file(before)


@FORMATS
def test_an_export_that_is_imported_again_changes_nothing(ending, rich, operator_client):
    shown = upload(operator_client, exported(operator_client, ending))

    assert f"0 new, 0 changed, 0 removed, {len(all_rows())} unchanged, 0 refused" in text(shown)
    assert "nothing to import" in text(shown)
    assert shown.context["form"] is None


def test_an_export_is_a_file_with_a_name(operator_client):
    answer = operator_client.get(reverse("catalogue_xlsx"))

    assert answer.headers["Content-Disposition"].startswith('attachment; filename="catalogue-2')
    assert answer.headers["Content-Disposition"].endswith('Z.xlsx"')
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_preview_shows_what_changes_and_changes_nothing(operator_client):
    before = all_rows()

    shown = upload(operator_client, csv_file([*CHANGE, *before[-2:]]))

    said = text(shown)
    assert "Preview of prices.csv 1 new, 1 changed, 0 removed, 2 unchanged, 0 refused." in said
    assert f"ends_at: empty → {SOON:%Y-%m-%dT%H:%M:%SZ}" in said
    assert "unit_price: 0.01 unit_size: 1000" in said
    assert "Make 2 changes" in said
    assert [change["line"] for change in shown.context["changes"]] == [2, 3]
    assert all_rows() == before


def test_what_was_previewed_is_applied_with_who_and_why(operator_client):
    done = confirm(operator_client, upload(operator_client, csv_file(CHANGE)), reason="The new list.")
    commit()

    assert "Imported: prices.csv." in text(done)
    assert Price.objects.get(begins_at=SOON).unit_price == Decimal("0.01")
    signed = AuditEntry.objects.filter(reason="The new list.").values_list("by", flat=True)
    assert {*signed} == {OPERATOR}


def test_a_row_may_take_a_scheduled_price_back(operator_client, rich):
    goes = replace(CHANGE[1], remove=True)

    shown = upload(operator_client, csv_file([IN_FORCE, goes]))
    confirm(operator_client, shown)

    assert "0 new, 1 changed, 1 removed" in text(shown)
    assert not Price.objects.filter(begins_at=SOON, customer=None).exists()


def test_one_refused_row_keeps_the_whole_file_out_and_says_its_line_and_reason(operator_client):
    rows = [*CHANGE, replace(CHANGE[1], service="SenseChat-9"), replace(CHANGE[1], kind="gift")]
    before = all_rows()

    shown = upload(operator_client, csv_file(rows))

    assert [(one.sheet, one.line, one.reason) for one in shown.context["refusals"]] == [
        ("prices", 4, "There is no service 'SenseChat-9'."),
        ("prices", 5, "Value 'gift' is not a valid choice."),
    ]
    assert "Fix these lines and upload the file again" in text(shown)
    assert shown.context["form"] is None
    assert shown.context["previewed"] == ""  # nothing that could be sent back
    assert all_rows() == before


def test_a_cell_that_cannot_be_read_is_refused_with_its_column(operator_client):
    data = csv_file(CHANGE).replace(b",0.01,", b",cheap,")

    shown = upload(operator_client, data)

    (refusal,) = [one for one in shown.context["refusals"] if one.line == 3]
    assert refusal.what == "unit_price"
    assert refusal.reason.startswith("'cheap' is not a decimal number.")
    assert shown.context["form"] is None


def test_a_gap_is_explained_at_its_row(operator_client):
    shown = upload(operator_client, csv_file(GAP))

    assert "2 prices SenseChat, input_tokens, list_price, 2023-01-01T00:00:00Z" not in text(shown)
    assert "SenseChat: input tokens would be without a price for everybody from" in text(shown)


def test_a_catalogue_that_moved_since_the_preview_is_shown_again(operator_client):
    shown = upload(operator_client, csv_file(CHANGE))
    apply_rows(rows=CHANGE[:1] + [replace(CHANGE[1], unit_price=Decimal("0.02"))], by="x", reason="", now=NOW)

    again = confirm(operator_client, shown)

    assert "has moved on since the preview. Nothing was changed: look again." in text(again)
    assert "unit_price: 0.02 → 0.01" in text(again)
    assert Price.objects.get(begins_at=SOON).unit_price == Decimal("0.02")
    assert "Imported" in text(confirm(operator_client, again))


def test_what_the_catalogue_refuses_by_now_is_shown_instead_of_applied(operator_client, acme):
    shown = upload(
        operator_client,
        csv_file([AliasRow(alias="x", service="SenseChat"), replace(CHANGE[1], customer="acme")]),
    )
    price("SenseChat", "input_tokens", "0.005", begins_at=SOON + dt.timedelta(hours=1), customer=acme)

    again = confirm(operator_client, shown)

    assert "Nothing was changed: look again." in text(again)
    assert "Another list price of this item is in force in that period." in text(again)
    assert not Price.objects.filter(begins_at=SOON).exists()
    assert AliasRow(alias="x", service="SenseChat") not in all_rows()


def test_a_reading_with_problems_is_never_imported():
    reading = Reading(problems=[CellProblem("prices", 2, "", "odd")])

    with pytest.raises(ChangesRefused):
        import_rows(name="x", reading=reading, seen="", by="x", reason="x", now=NOW)


def test_a_preview_that_was_tampered_with_is_not_applied(operator_client):
    shown = upload(operator_client, csv_file(CHANGE))

    answer = confirm(operator_client, shown, previewed=shown.context["previewed"][:-1] + "~")

    assert "This preview has expired. Nothing was changed" in text(answer)
    assert not Price.objects.filter(begins_at=SOON).exists()


def test_nobody_can_send_back_what_another_has_seen():
    held = sealed(name="a", reading=Reading(), seen="", person="alice")

    with pytest.raises(BadSignature):
        opened(held, person="bob")


def test_a_preview_that_an_earlier_release_served_can_still_be_confirmed():
    held = {"name": "a", "rows": [], "seen": "digest", "by": "alice"}
    served = signing.dumps(held, salt="pricing.sheet_forms", compress=True)

    assert opened(served, person="alice") == ("a", Reading(), "digest")


@pytest.mark.parametrize("reason", ["", "x" * 501])
def test_without_a_reason_nothing_is_imported(reason, operator_client):
    again = confirm(operator_client, upload(operator_client, csv_file(CHANGE)), reason)

    assert again.context["form"].errors["reason"]
    assert "Make 2 changes" in text(again)
    assert not Price.objects.filter(begins_at=SOON).exists()


def test_where_a_second_person_has_to_approve_an_import_is_a_proposal(operator_client, settings):
    settings.PRICE_CHANGES_NEED_APPROVAL = True

    shown = upload(operator_client, csv_file(CHANGE), f"{'x' * 190}.csv")
    done = confirm(operator_client, shown)

    assert "Propose 2 changes" in text(shown)
    assert "It waits for a second person." in text(done)
    assert Proposal.objects.get().deed.startswith("Import of xxx")
    assert not Price.objects.filter(begins_at=SOON).exists()


BAD = {
    "nothing": b"",
    "a picture": b"\x89PNG\r\n\x1a\n",
    "a head only": csv_file([]),
    "GBK": "sheet,name\naliases,商汤".encode("gbk"),
    "half a workbook": xlsx_file(CHANGE)[:-200],
    "an open quote": b'sheet,name\naliases,"x',
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_bad_file_is_explained_at_the_form(data, operator_client):
    shown = upload(operator_client, data, "bad.xlsx")

    (error,) = shown.context["upload"].errors["file"]
    assert shown.status_code == 200
    assert error in text(shown)
    assert "Nothing was changed" in error or "empty" in error


LONG = "9" * 400
ODD = {
    "a name that is too long": [AliasRow(alias="x" * 300, service="SenseChat")],
    "an empty name": [GroupRow(name="", family="", position=1)],
    "a position that is too large": [GroupRow(name="x", family="x", position=10**17)],
    "a price that is too large": [replace(CHANGE[1], unit_price=Decimal("1e29"))],
    "a price that is too fine": [replace(CHANGE[1], unit_price=Decimal("1e-29"))],
    "a price before all prices": [replace(CHANGE[1], begins_at=dt.datetime(1, 1, 1, tzinfo=dt.UTC))],
    "a price at the end of time": [replace(CHANGE[1], begins_at=dt.datetime(9999, 12, 31, tzinfo=dt.UTC))],
    "the same twice": [AliasRow(alias="x", service="SenseChat")] * 2,
}


@pytest.mark.parametrize("rows", ODD.values(), ids=ODD)
def test_an_odd_row_is_refused_in_words(rows, operator_client):
    shown = upload(operator_client, csv_file(rows))

    assert shown.status_code == 200
    assert all(refusal.reason for refusal in shown.context["refusals"])
    assert shown.context["refusals"]


def test_a_form_without_a_file_says_so(operator_client):
    shown = operator_client.post(reverse("catalogue_import"))

    assert shown.context["upload"].errors["file"] == ["This field is required."]


def rights(*rest):
    return [name.removeprefix("pricing.") for name in rest]


def test_who_may_see_prices_may_export_but_not_import():
    client = staff_client("view_price")

    page = client.get(reverse("catalogue_import"))

    assert exported(client, "csv") == csv_file(all_rows())
    assert "Export" in text(page)
    assert "Preview" not in text(page)
    assert upload(client, csv_file(CHANGE)).status_code == 403


@pytest.mark.parametrize("lacking", IMPORT_RIGHTS)
def test_who_lacks_one_right_of_what_a_file_states_may_not_import(lacking):
    client = staff_client("view_price", *rights(*(one for one in IMPORT_RIGHTS if one != lacking)))

    assert upload(client, csv_file(CHANGE)).status_code == 403


def test_who_has_all_rights_may_import():
    client = staff_client("view_price", *rights(*IMPORT_RIGHTS))

    assert "Imported" in text(confirm(client, upload(client, csv_file(CHANGE))))


@pytest.mark.parametrize("route", ["catalogue_csv", "catalogue_xlsx", "catalogue_import"])
def test_who_may_not_see_prices_sees_none_of_it(route):
    assert staff_client("view_service").get(reverse(route)).status_code == 403


def test_an_import_needs_the_token_of_the_form(operator):
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")

    assert upload(client, csv_file(CHANGE)).status_code == 403


@FORMATS
def test_commands_export_and_import(ending, tmp_path, rich, capsys):
    file, before = tmp_path / f"catalogue.{ending}", all_rows()
    call_command("export_catalogue", file)
    wipe()

    call_command("import_catalogue", file)
    assert all_rows() == []
    call_command("import_catalogue", file, apply=True, reason="A new home.")

    assert all_rows() == before
    said = capsys.readouterr().out
    assert f"{len(before)} rows written." in said
    assert "prices, line 2: new: SenseChat" in said or "service groups, line 2: new:" in said
    assert "Nothing was changed." in said
    assert said.endswith("Imported.\n")
    signed = AuditEntry.objects.filter(reason="A new home.").values_list("by", flat=True)
    assert {*signed} == {"import_catalogue"}


def test_a_refused_row_fails_the_command_and_nothing_is_changed(tmp_path, capsys):
    file = tmp_path / "gap.csv"
    file.write_bytes(csv_file([*GAP, AliasRow(alias="x", service="SenseChat")]))
    before = all_rows()

    with pytest.raises(CommandError, match="whole or not at all"):
        call_command("import_catalogue", file, apply=True)

    assert "prices, line 2: refused: SenseChat, input_tokens" in capsys.readouterr().out
    assert all_rows() == before


class Meddling(io.StringIO):
    """Where the command shows its preview; somebody else changes the catalogue while it does."""

    def __init__(self, deed):
        super().__init__()
        self.deed = deed

    def write(self, text):
        self.deed, deed = (lambda: None), self.deed
        deed()
        return super().write(text)


def test_what_somebody_else_changes_after_the_preview_fails_the_command(tmp_path):
    file = tmp_path / "change.csv"
    file.write_bytes(csv_file([AliasRow(alias="x", service="SenseChat")]))
    theirs = [AliasRow(alias="x", service="SenseChat-5")]
    deed = Meddling(lambda: apply_rows(rows=theirs, by="rival", reason="First.", now=NOW))

    with pytest.raises(CommandError, match="has changed since the preview"):
        call_command("import_catalogue", file, apply=True, stdout=deed)


def test_what_somebody_else_puts_in_the_way_after_the_preview_fails_the_command(tmp_path):
    offer = replace(IN_FORCE, kind=Kind.LIMITED_TIME_OFFER, begins_at=SOON)
    file = tmp_path / "offer.csv"
    file.write_bytes(csv_file([offer]))
    theirs = [replace(offer, begins_at=SOON - dt.timedelta(hours=1))]
    deed = Meddling(lambda: apply_rows(rows=theirs, by="rival", reason="First.", now=NOW))

    with pytest.raises(CommandError, match="has changed since the preview"):
        call_command("import_catalogue", file, apply=True, stdout=deed)


def test_commands_say_what_is_wrong_with_a_file(tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"\xff")

    with pytest.raises(CommandError, match="nor text in UTF-8"):
        call_command("import_catalogue", bad)
    with pytest.raises(CommandError, match=r"was not read: No such file"):
        call_command("import_catalogue", tmp_path / "none.csv")
    with pytest.raises(CommandError, match=r"ends with \.csv or \.xlsx"):
        call_command("export_catalogue", tmp_path / "catalogue.ods")
    with pytest.raises(CommandError, match="was not written"):
        call_command("export_catalogue", tmp_path / "none" / "catalogue.csv")


def test_the_worked_example_of_the_documentation_does_what_it_says(operator_client, acme):
    document = Path(__file__).parents[3].joinpath("docs", "catalogue-files.md").read_text(encoding="utf-8")
    example = document.partition("```csv\n")[2].partition("```")[0]

    shown = upload(operator_client, example.encode(), "example.csv")

    assert document.partition("The preview says: ")[2].partition(".")[0] in text(shown)
    assert shown.context["refusals"] == []


def test_a_steep_change_in_a_file_needs_a_second_confirmation(tmp_path):
    steep = replace(CHANGE[1], unit_price=Decimal(12))
    file = tmp_path / "steep.csv"
    file.write_bytes(csv_file([CHANGE[0], steep]))

    with pytest.raises(CommandError, match=r"from 0.012 to 12 RMB/thousand tokens, \+99,900 %"):
        call_command("import_catalogue", file, apply=True)
    assert steep not in all_rows()

    call_command("import_catalogue", file, apply=True, confirm=True)
    assert steep in all_rows()


def test_a_steep_change_in_an_uploaded_file_is_asked_about(operator_client):
    steep = [CHANGE[0], replace(CHANGE[1], unit_price=Decimal(12))]
    shown = upload(operator_client, csv_file(steep))

    refused = confirm(operator_client, shown)
    assert "Yes: SenseChat input tokens from 0.012 to 12 RMB/thousand tokens, +99,900 %" in text(refused)
    assert "Nothing was changed. Tick that the figures" in text(refused)

    confirm(operator_client, shown, confirmed="yes")
    assert steep[1] in all_rows()
