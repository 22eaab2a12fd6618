"""Every response limits what a browser may load, and is stored by no cache unless it is public."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.test_tenancy import ROUTES, sample

pytestmark = pytest.mark.django_db

# Answers that may be cached; their views set where and for how long.
CACHED = {"api_catalog"}


def directives(response):
    """The policy of a response, by directive."""
    written = response.headers["Content-Security-Policy"].split("; ")
    return {name: set(sources) for name, *sources in (one.split() for one in written)}


def assert_protected(response, name):
    policy = directives(response)
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == {"'none'"}
    assert policy["form-action"] <= {"'self'", "'none'"}
    scripts = policy.get("script-src", set())
    assert scripts <= {"'self'", "'unsafe-eval'"}
    assert ("'unsafe-eval'" in scripts) == response.wsgi_request.path.startswith("/admin/")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Permissions-Policy"]
    is_for_everybody = name in CACHED and response.status_code == 200
    assert ("no-store" in response.headers["Cache-Control"]) != is_for_everybody


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_every_route_answers_with_the_headers(name, operator, service_key):
    client = Client(headers={"Authorization": f"Bearer {service_key}"})
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")

    assert_protected(client.get(sample(ROUTES[name])), name)
    assert_protected(Client().put(sample(ROUTES[name])), name)


def test_a_page_of_our_own_has_no_style_but_that_of_files(alice_client):
    policy = directives(alice_client.get(reverse("customer_overview", args=["acme"])))

    assert policy["style-src"] == policy["script-src"] == {"'self'"}


def test_an_answer_of_the_api_loads_nothing(service_key):
    policy = directives(Client(headers={"Authorization": f"Bearer {service_key}"}).get("/api/v1/usage"))

    assert policy == dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), {"'none'"})


def refused_host():
    return Client().get("/prices", headers={"Host": "evil.example"})


def refused_for_csrf():
    return Client(enforce_csrf_checks=True).post("/sign-in")


def not_found():
    return Client().get("/no-such-page")


def sent_elsewhere():
    return Client().get("/overview")


@pytest.mark.parametrize(
    ("ask", "status"), [(refused_host, 400), (refused_for_csrf, 403), (not_found, 404), (sent_elsewhere, 302)]
)
def test_what_is_answered_before_any_view_has_the_headers(ask, status):
    answer = ask()

    assert answer.status_code == status
    assert directives(answer)["script-src"] == {"'self'"}
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_fault_of_ours_has_the_headers(monkeypatch):
    monkeypatch.setattr("pricing.catalogue.views.catalog_at", None)

    answer = Client(raise_request_exception=False).get("/prices")

    assert answer.status_code == 500
    assert_protected(answer, "prices")


def test_the_catalogue_and_static_files_may_be_cached():
    catalog, style = Client().get("/api/v1/catalog"), Client().get("/static/billing/billing.css")
    again = Client().get("/api/v1/catalog", headers={"If-None-Match": catalog.headers["ETag"]})

    style.close()

    assert [answer.status_code for answer in (catalog, style, again)] == [200, 200, 304]
    for answer in (catalog, style, again):
        assert "public" in answer.headers["Cache-Control"]
        assert "max-age=" in answer.headers["Cache-Control"]


def test_the_pages_of_the_api_have_no_script_of_their_own():
    page = Client().get("/api/docs").content.decode()

    assert page.count("<script") == page.count("<script src=") > 0


def test_a_form_without_a_token_is_refused_with_a_page_that_says_what_to_do():
    page = refused_for_csrf().content.decode()

    assert "billing.css" in page
    assert "Nothing was changed. Open the page again, then send it" in page
