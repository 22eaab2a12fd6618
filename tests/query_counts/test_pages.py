"""Every page takes at most 12 statements, and not one more where ten times as many rows are on it.

Customers' pages are those that tests/translations visits, the admin's are all of its routes: each with the
oldest and with the newest row that it can be about. A new page needs nothing here, unless it says more in
answer to a query.
"""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts.models import Customer, User
from pricing.models import BillingItem, Price
from tests.query_counts.stage import add_one_of_each, now_of
from tests.querying import statements
from tests.test_tenancy import STAFFED
from tests.translations.test_pages import VISITS, addresses, keep_everything

pytestmark = pytest.mark.django_db

MOST, ROUNDS = 12, 10
# They apply what they show, and roll it back.
PREVIEWS, MOST_OF_A_PREVIEW = {"admin:pricing_proposal_change"}, 29
MODELS = {f"admin:{model._meta.app_label}_{model._meta.model_name}_": model for model in admin.site._registry}
MODELS["admin:auth_user_"] = User
RECORD = "?customer=acme&event_id=next"
QUERIES = {
    "usage_record": [RECORD],
    "admin:invoices_chargeline_changelist": [RECORD],
    "admin:accounts_auditentry_changelist": ["?about=accounts_customer:{customer}", "?customer=acme"],
    "admin_search": ["?q=acme", "?q=call-0-0-0"],
    "change_price": ["?item={item}"],
    "end_price": ["?prices={price}"],
}


@pytest.fixture
def everything(acme, globex, alice, settings):
    """Everything has happened to Acme once."""
    keep_everything(acme=acme, globex=globex, alice=alice, settings=settings)


@pytest.fixture
def counts_after(everything, monkeypatch):
    """Add rows in some rounds, then count the statements of each address of pages: by name and place."""

    def play(rounds, names, addresses_of, client):
        for number in rounds:
            add_one_of_each(number)
        monkeypatch.setattr("sensenova_billing.lib.clock.now", lambda: now_of(rounds.stop))
        client.get(reverse("account"))  # notes once in a while that the session is in use
        return _visit(names, addresses_of, client)

    return play


def _visit(names, addresses_of, client):
    found = {}
    for name in names:
        for place, address in enumerate(addresses_of(name)):
            with statements() as taken:
                answer = client.get(address)
                answer.getvalue()  # a file is read as it is sent
            if answer.status_code == 200:
                found[name, place] = len(taken)
    return found


def _customer_addresses(name: str) -> list[str]:
    found = addresses(name)
    plain = [address for address in found if "?" not in address]
    return [plain[0], plain[-1], *(address for address in found if "?" in address)]


def _staff_addresses(name: str) -> Iterator[str]:
    """Yield the addresses of a page of the admin: of a list also a search, and the rows after the first."""
    model = next((model for start, model in MODELS.items() if name.startswith(start)), None)
    keys = list(model._default_manager.order_by("pk").values_list("pk", flat=True)) if model else []
    if "<" not in STAFFED[name]:
        queries = ["?q=acme", f"?p=after-{keys[0]}"] if keys and name.endswith("_changelist") else []
        queries += [query.format(**_shown()) for query in QUERIES.get(name, ())]
        yield from (reverse(name) + query for query in ("", *queries))
    elif name == "admin:app_list":
        yield reverse(name, args=["pricing"])
    else:
        yield from (reverse(name, args=[key]) for key in (*keys[:1], *keys[-1:]))


def _shown() -> dict[str, int]:
    models = {"customer": Customer, "item": BillingItem, "price": Price}
    return {name: model._default_manager.earliest("pk").pk for name, model in models.items()}


@pytest.mark.long
@pytest.mark.parametrize(
    ("names", "addresses_of", "client"),
    [(VISITS, _customer_addresses, "alice_client"), (STAFFED, _staff_addresses, "operator_client")],
    ids=["customers", "admin"],
)
def test_every_page_takes_few_statements_however_many_rows_are_on_it(
    counts_after, names, addresses_of, client, request
):
    visitor = request.getfixturevalue(client)
    few = counts_after(range(1), names, addresses_of, visitor)
    many = counts_after(range(1, ROUNDS), names, addresses_of, visitor)

    assert {page: number for page, number in many.items() if number > _most(page)} == {}
    assert {page: few[page] for page in few.keys() & many if _grew(page, few[page], many[page])} == {}
    # The others lead elsewhere, or refuse: most documents are neither added nor deleted by hand.
    assert len({name for name, _ in few}) > len(names) / 3


def _most(page: tuple[str, int]) -> int:
    return MOST_OF_A_PREVIEW if page[0] in PREVIEWS else MOST


def _grew(page: tuple[str, int], few: int, many: int) -> bool:
    # A list of the admin counts its rows once they are on more than one page.
    return many > few + page[0].endswith("_changelist")
