"""Load balancers ask by address, over plain HTTP; what they may see others may not."""

import pytest

pytestmark = pytest.mark.django_db

PATHS = pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])


@pytest.fixture
def https(settings):
    """As with HTTPS=1 BEHIND_PROXY=1."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.ALLOWED_HOSTS = ["billing.example.com"]


@PATHS
def test_a_web_server_is_asked_by_its_address(https, client, path):
    answer = client.get(path, headers={"host": "10.1.2.3:8000"})

    # The tests' own database may run without fsync, and is not ready then.
    assert answer.status_code == 200 or (path == "/readyz" and "E003" in answer.content.decode())


def test_pages_still_want_the_name_and_tls(https, client):
    assert client.get("/prices", headers={"host": "10.1.2.3"}).status_code == 400
    assert client.get("/prices", headers={"host": "billing.example.com"}).status_code == 301


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_what_is_for_operators_is_not_found_from_elsewhere(settings, client, path):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]

    assert client.get(path, headers={"x-forwarded-for": "203.0.113.7"}).status_code == 404
    assert client.get(path, REMOTE_ADDR="203.0.113.7").status_code == 404
    assert client.get(path, headers={"x-forwarded-for": "10.1.2.3"}).status_code != 404


def test_health_is_public(client):
    assert client.get("/healthz", REMOTE_ADDR="203.0.113.7").status_code == 200


def test_the_addresses_are_a_setting(settings, client):
    settings.MONITORING_ADDRESSES = ["198.51.100.0/24"]

    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", REMOTE_ADDR="198.51.100.9").status_code == 200
