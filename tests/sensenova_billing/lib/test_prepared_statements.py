import pytest
from django.db import connection

from sensenova_billing.lib.database.prepared_statements import fetch_all

pytestmark = pytest.mark.django_db

SUM = "SELECT %s::int + %s::int"


def prepared():
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [statement for (statement,) in cursor.fetchall()]


def test_a_statement_is_planned_once_a_connection():
    assert [fetch_all(SUM, 1, n) for n in (2, 3)] == [[(3,)], [(4,)]]

    assert prepared().count("SELECT $1::int + $2::int") == 1


def test_django_s_own_statements_are_left_alone():
    with connection.cursor() as cursor:
        for _ in range(9):
            cursor.execute("SELECT 7")

    assert "SELECT 7" not in prepared()
