from io import StringIO
import pytest
from django.core.management import call_command
from tests.builders import *

pytestmark = pytest.mark.django_db


def test_x(acme):
    record(report())
    close()
    out = StringIO()
    call_command("verify_books", "--rerate", "--record", stdout=out)
    print(out.getvalue())
    assert 0
