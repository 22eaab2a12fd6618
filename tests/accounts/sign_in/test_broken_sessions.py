"""A database that breaks off while a session is stored."""

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from accounts.models import Session
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def test_a_sign_in_during_an_outage_is_to_be_tried_again(alice, monkeypatch):
    store = Session.save

    def break_off(session, *, force_update=False, **options):
        if force_update:
            raise OperationalError("terminating connection due to administrator command")
        store(session, **options)

    monkeypatch.setattr(Session, "save", break_off)
    person = {"username": alice.email, "password": PASSWORD}
    answer = Client(raise_request_exception=False).post(reverse("sign_in"), person)

    assert (answer.status_code, bool(answer.headers.get("Retry-After"))) == (503, True)
