"""What the tests of LiteLLM's proxy share; nothing is started unless a test asks for it."""

import secrets
import threading

import pytest

from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer, Scope, ServiceKey
from pricing.catalogue.initial import load_catalogue
from tests.clients.backend import running_backend
from tests.clients.litellm_proxy import Proxy, Road, until


@pytest.fixture(scope="module")
def models():
    """The model server, which a test tells what to say."""
    with running_backend() as models:
        yield models


@pytest.fixture(scope="module")
def road(live_server):
    """The way to our server."""
    with Road(live_server.url) as road:
        threading.Thread(target=road.serve_forever, daemon=True).start()
        yield road
        road.shutdown()


@pytest.fixture(scope="module")
def issued(django_db_setup, django_db_blocker):
    """The gateway's key: its row, which each test stores anew, and the text with which the proxy starts."""
    with django_db_blocker.unblock():
        key, text = issue_service_key(name="gateway", scopes=[Scope.USAGE_WRITE, Scope.CALLS_ADMIT])
        key.delete()
    return key, text


@pytest.fixture(scope="module")
def started(road, issued, models, tmp_path_factory):
    """The proxy, which takes a quarter of a minute to start."""
    proxy = Proxy(url=road.url, key=issued[1], folder=tmp_path_factory.mktemp("litellm"), models=models.url)
    proxy.start()
    yield proxy
    proxy.kill()


@pytest.fixture
def proxy(started, road, issued, models):
    """The same, with its key, a customer and the catalogue, which transactional tests do not find."""
    load_catalogue()
    # One for each test: for a second the server remembers what it has read of a customer.
    started.customer = f"acme-{secrets.token_hex(4)}"
    Customer.objects.create(code=started.customer, name="Acme Ltd")
    ServiceKey.objects.bulk_create([issued[0]])
    road.closed.clear()
    models.reset()
    yield started
    until(lambda: not list(started.folder.glob("*.json")))
    assert not list(started.folder.glob("*.refused"))
