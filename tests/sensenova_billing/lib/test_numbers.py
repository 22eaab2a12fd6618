"""Whole numbers are read in one way, wherever they are written."""

import pytest
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.urls import reverse

from accounts.audit.audited_admin import AuditedAdmin
from pricing.models import CallSpecification, Service, ServiceGroup
from sensenova_billing.lib.admin.number_fields import PlainDecimalField, WholeNumberField
from sensenova_billing.lib.numbers import read_whole_number
from tests.written_numbers import WHOLE_NUMBERS

EACH = pytest.mark.parametrize(("text", "number"), WHOLE_NUMBERS.items(), ids=lambda one: repr(one)[:20])


def read(text):
    try:
        return read_whole_number(text)
    except ValueError:
        return None


@EACH
def test_a_whole_number_is_digits_or_groups_of_three(text, number):
    assert read(text) == number


@pytest.mark.parametrize("text", ["-5", "\u22125", "-0"])
def test_less_than_nothing_is_refused_in_words(text):
    with pytest.raises(ValueError, match="Give 0 or more"):
        read_whole_number(text)


@EACH
def test_a_form_reads_a_whole_number_as_a_file_does(text, number):
    field = WholeNumberField(required=False)
    try:
        typed = field.clean(f" {text} ")
    except ValidationError:
        typed = None

    assert typed == number


def test_a_blank_is_no_number():
    with pytest.raises(ValidationError, match="required"):
        WholeNumberField().clean("  ")
    assert WholeNumberField(required=False).clean("  ") is None


def fields_of_all_admin_forms(rf, operator):
    request = rf.get("/")
    request.user = operator
    return [
        (model.__name__, name, field)
        for model, its in admin.site._registry.items()
        if isinstance(its, AuditedAdmin) and its.has_add_permission(request)
        for name, field in its.get_form(request).base_fields.items()
    ]


@pytest.mark.django_db
def test_every_number_in_the_admin_is_read_by_these_fields(rf, operator):
    numbers = [
        (where, name, field)
        for where, name, field in fields_of_all_admin_forms(rf, operator)
        if isinstance(field, forms.IntegerField)  # which is also what Django's decimals and floats are
    ]

    assert [one for one in numbers if not isinstance(one[2], WholeNumberField | PlainDecimalField)] == []
    assert {(where, name) for where, name, _ in numbers} >= {
        ("CallSpecification", "rpm"),
        ("CallSpecification", "tpm"),
        ("Service", "position"),
        ("ServiceGroup", "position"),
    }


@pytest.mark.django_db
@pytest.mark.parametrize(("rpm", "tpm"), [("1.000", "5"), ("5", "128.000"), ("1e3", ""), ("60", "-1")])
def test_limits_that_mean_something_else_are_refused_and_nothing_is_in_force(rpm, tpm, operator_client):
    service = Service.objects.get(name="SenseChat-5")
    fields = {"service": service.pk, "rpm": rpm, "tpm": tpm, "reason": "They asked for more."}
    before = CallSpecification.objects.count()

    answer = operator_client.post(reverse("admin:pricing_callspecification_add"), fields)

    assert answer.context["adminform"].form.errors.keys() <= {"rpm", "tpm"}
    assert (answer.status_code, CallSpecification.objects.count()) == (200, before)


@pytest.mark.django_db
def test_limits_may_be_written_in_groups_of_three(operator_client):
    service = Service.objects.get(name="SenseChat-5")
    when = {"begins_at_0": "", "begins_at_1": "", "ends_at_0": "", "ends_at_1": ""}
    fields = {
        "service": service.pk,
        "rpm": "1,000",
        "tpm": "128 000",
        "reason": "They asked for more.",
    } | when

    operator_client.post(reverse("admin:pricing_callspecification_add"), fields)

    held = CallSpecification.objects.get(service=service, ends_at=None)
    assert (held.rpm, held.tpm) == (1000, 128_000)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("position", "problem"),
    {
        "-1": "Give 0 or more.",
        "1.5": "Give a whole number, e.g. 1500 or 1,500.",
        "40,000": "Ensure this value is less than or equal to 32767.",
        "9" * 5000: "Give a number of at most 18 digits.",
        "": "This field is required.",
    }.items(),
    ids=lambda text: text[:20],
)
def test_a_number_that_is_refused_is_refused_in_words(position, problem, operator_client):
    fields = {"name": "New", "family": "SenseNova LLM", "position": position}

    answer = operator_client.post(reverse("admin:pricing_servicegroup_add"), fields)

    assert answer.context["adminform"].form.errors == {"position": [problem]}
    assert not ServiceGroup.objects.filter(name="New").exists()
