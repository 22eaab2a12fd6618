"""Eight processes use two budgets up over HTTP: no cap is passed, and nearly all of each is used.

`make hammer` does the same with more money, and on a broken build.
"""

import shutil
from decimal import Decimal

import pytest

from sensenova_billing.dev_server.data_directory import make_temporary
from tests.limits.budget_hammer import hammer_budget
from tests.sensenova_billing.processes import server_on_copy

pytestmark = pytest.mark.long


def test_budgets_are_used_up_and_never_passed(prepared):
    directory = make_temporary()
    with server_on_copy(prepared) as url:
        verdict = hammer_budget(url, seconds=90, directory=directory, cap=Decimal(4))
    shutil.rmtree(directory)

    assert verdict.faults() == [], verdict
    assert verdict.calls["refused"] > 0
