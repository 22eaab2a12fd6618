"""What tests of pages need: who looks, and what they read."""

import csv
import html
import io
import re

from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User

OPERATOR = "operator@sensenova.example"


def text(answer):
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())).split())


def csv_rows(answer):
    """The rows of a CSV file, each by its head."""
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"), newline="")))


def staff_client(*permissions):
    """The browser of somebody who works for SenseNova and may do only this."""
    person = User.objects.create_user("clerk@sensenova.example", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client
