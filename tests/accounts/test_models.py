import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import ProtectedError
from django.test import RequestFactory

from accounts.models import Customer, Member, User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def test_an_e_mail_address_is_one_persons_whatever_its_case(alice):
    address = alice.email.upper()

    with pytest.raises(IntegrityError, match="a_person_has_one_e_mail_whatever_its_case"):
        User.objects.create_user(address, PASSWORD)


def test_the_form_says_that_the_address_is_taken(alice):
    twin = User(email=alice.email.title(), password="!")

    with pytest.raises(ValidationError, match="e-mail address exists already"):
        twin.full_clean()


def test_a_person_signs_in_whatever_the_case_of_the_address(alice):
    request = RequestFactory().post("/")

    found = authenticate(request, username="ALICE@Acme.Example", password=PASSWORD)

    assert found == alice


def test_a_person_who_left_does_not_sign_in(alice):
    User.objects.filter(pk=alice.pk).update(is_active=False)

    found = authenticate(RequestFactory().post("/"), username=alice.email, password=PASSWORD)

    assert found is None


def test_a_person_without_an_address_is_refused():
    nobody = ""

    with pytest.raises(ValueError, match="may not be empty"):
        User.objects.create_user(nobody, PASSWORD)


def test_a_password_is_not_stored(alice):
    stored = User.objects.get(pk=alice.pk).password

    assert PASSWORD not in stored
    assert alice.check_password(PASSWORD)


@pytest.mark.parametrize("code", ["acme", "A", "7-eleven", "acme.cn_test-1", "a" * 64])
def test_a_plain_customer_code_is_taken(code):
    customer = Customer(code=code, name="Any")

    customer.full_clean()
    customer.save()

    assert Customer.objects.get(code=code).name == "Any"


NOT_PLAIN = [
    "",
    "-acme",
    ".acme",
    "ac me",
    "acme\n",
    "acme/bills",
    "../acme",
    "商汤",
    "ａｃｍｅ",
    "acme|x",
    "é",
]


@pytest.mark.parametrize("code", NOT_PLAIN)
def test_a_customer_code_that_is_not_plain_is_refused_by_form_and_database(code):
    customer = Customer(code=code, name="Any")

    with pytest.raises(ValidationError, match="code"):
        customer.full_clean()

    with pytest.raises(IntegrityError, match="a_customer_code_is_plain"):
        customer.save()


def test_a_customer_code_names_one_customer(acme):
    code = acme.code

    with pytest.raises(IntegrityError, match="a_customer_code_names_one_customer"):
        Customer.objects.create(code=code, name="Another Acme")


def test_customer_codes_differ_by_case(acme):
    other = Customer.objects.create(code="ACME", name="Another Acme")

    found = Customer.objects.get(code="acme")

    assert found == acme != other


def test_a_customers_clock_is_shanghais_unless_set_otherwise(acme, globex):
    clocks = [acme.time_zone, globex.time_zone]

    assert clocks == ["Asia/Shanghai", "Europe/Berlin"]


@pytest.mark.parametrize("name", ["", "Shanghai", "UTC+8", "../../etc/passwd", "asia/shanghai "])
def test_a_time_zone_that_does_not_exist_is_refused(name):
    customer = Customer(code="acme", name="Acme Ltd", time_zone=name)

    with pytest.raises(ValidationError, match="time_zone"):
        customer.full_clean()


def test_a_person_sees_the_customers_of_which_they_are_a_member(acme, globex, alice, bob):
    Member.objects.create(customer=globex, user=alice)

    seen = {person.email: [*Customer.objects.of(person)] for person in (alice, bob)}

    assert seen == {alice.email: [acme, globex], bob.email: [globex]}


def test_a_person_is_a_member_of_a_customer_once(acme, alice):
    assert alice.memberships.get().customer == acme

    with pytest.raises(IntegrityError, match="a_person_is_a_member_of_a_customer_once"):
        Member.objects.create(customer=acme, user=alice)


def test_a_customer_with_people_is_not_deleted(acme, alice):
    assert alice.memberships.get().customer == acme

    with pytest.raises(ProtectedError):
        acme.delete()
