"""Each path has its own limit on the body, which counts before anything of it is read."""

import gzip
import json
import re
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import get_resolver, resolve, reverse
from rest_framework.views import APIView

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from sensenova_billing.http import body_limits
from sensenova_billing.http.body_limits import FORM, LIMITS, NOTHING, limit_of
from sensenova_billing.http.errors import API
from sensenova_billing.lib.api.request_body import _DECODING as DECODING
from sensenova_billing.lib.api.request_body import KIB, MIB
from tests.builders import THE_HOUR
from tests.test_tenancy import ROUTES, sample
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked"}
SIGN_IN = "/sign-in"
COOKIE = "csrftoken=" + "a" * 32  # without one the check against cross-site requests reads no form


class NothingRead(BytesIO):
    """A body of which nothing may be read."""

    def read(self, size=-1, /):
        raise AssertionError("The body was read.")


class Chunks(BytesIO):
    """A body without a length, as the web server hands it on."""


def send(path, sent=b"", *, client=None, content_type=URLENCODED, method="POST", **environ):
    client = client or Client(enforce_csrf_checks=True, headers={"Cookie": COOKIE})
    if isinstance(sent, BytesIO):
        environ |= {"wsgi.input": sent, "CONTENT_TYPE": content_type}
        sent = b""
    return client.generic(method, path, sent, content_type=content_type, **environ)


def views_of(path):
    """What answers there: a view of Django REST framework, or None for a page."""
    found = resolve(path).func
    return getattr(found, "cls", None)


def takes_a_body(view):
    return any(hasattr(view, method) for method in ("post", "put", "patch"))


# --- The table -------------------------------------------------------------------------------------


def test_every_route_has_a_chosen_limit():
    """A new endpoint that takes a body fails here until it has one in LIMITS."""
    paths = [sample(route) for route in ROUTES.values()]
    endpoints = {path for path in paths if path.startswith(API)}
    taking = {path for path in endpoints if takes_a_body(views_of(path))}

    assert len(paths) > 100
    assert taking == {path for path in LIMITS if path.startswith(API)}
    assert {path: limit_of(path, content_type="") for path in endpoints - taking} == dict.fromkeys(
        endpoints - taking, NOTHING
    )
    assert {limit_of(path, content_type=URLENCODED) for path in paths if path not in endpoints} == {FORM}


def test_no_endpoint_of_the_api_lies_outside_the_paths_of_the_api():
    views = {sample(route): views_of(sample(route)) for route in ROUTES.values()}

    outside = {path for path, view in views.items() if view and issubclass(view, APIView)} - {
        path for path in views if path.startswith(API)
    }
    assert outside == set()


def test_every_limit_is_that_of_a_route():
    assert {resolve(path).url_name for path in LIMITS} <= set(ROUTES)
    assert len(get_resolver().url_patterns) > 40


def test_the_table_in_the_documentation_is_that_of_the_code():
    text = (Path(body_limits.__file__).parents[2] / "docs/operations.md").read_text()
    rows = re.findall(r"^\| `(/[^`]*)` \| ([\d.]+ [KM]iB) \| ([\d,]*) ?\|", text, re.MULTILINE)

    written = {path: (size, values) for path, size, values in rows}
    assert written == {
        path: (str(limit), f"{limit.most_values:,}" if limit.most_values else "")
        for path, limit in LIMITS.items()
    }


# --- Forms -----------------------------------------------------------------------------------------

FORMS = [SIGN_IN, "/sign-out", "/admin/login/", "/admin/accounts/customer/add/", "/admin/prices/change", "/"]


@pytest.mark.parametrize("content_type", [URLENCODED, MULTIPART, "text/plain", "application/json", ""])
@pytest.mark.parametrize("path", [*FORMS, "/overview", "/bills/1"])
def test_a_form_that_is_too_large_is_refused_unread(path, content_type):
    answer = send(path, NothingRead(), content_type=content_type, CONTENT_LENGTH=str(FORM.most_bytes + 1))

    assert answer.status_code == 413
    assert b"larger than 256 KiB" in answer.content
    assert answer.headers["Content-Length"] == str(len(answer.content))


def test_a_form_up_to_the_limit_is_read():
    answer = send(SIGN_IN, b"a=" + b"%41" * (FORM.most_bytes // 3 - 1), client=Client())

    assert answer.status_code == 200
    assert b"Sign in" in answer.content


@pytest.mark.parametrize("path", ["/nothing", "/sign-in/", "/api", "/admin.php", "/static/none.js"])
@pytest.mark.parametrize("framing", [{"CONTENT_LENGTH": "999999999"}, CHUNKED])
def test_what_is_sent_to_no_route_is_not_read(path, framing):
    assert send(path, NothingRead(), **framing).status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_what_comes_with_another_method_is_not_read(method):
    answer = send("/prices", NothingRead(), method=method, CONTENT_LENGTH="999999999")

    assert answer.status_code in {200, 403, 405}


@pytest.mark.parametrize(
    "sent", [b"username=nobody&password=wrong", b"username=nobody&password=" + b"x" * 200_000]
)
def test_a_chunked_form_is_read(sent):
    answer = send(SIGN_IN, Chunks(sent), client=Client(), **CHUNKED)

    assert answer.status_code == 200
    assert answer.context["form"].data["username"] == "nobody"


def test_of_a_chunked_form_no_more_is_read_than_a_byte_beyond_the_limit():
    wire = Chunks(b"a=" + b"x" * MIB)

    answer = send(SIGN_IN, wire, **CHUNKED)

    assert (answer.status_code, wire.tell()) == (413, FORM.most_bytes + 1)


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "nonsense"])
def test_no_form_is_unpacked(coding):
    answer = send(SIGN_IN, gzip.compress(b"a=1"), HTTP_CONTENT_ENCODING=coding)

    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")


@pytest.mark.parametrize("length", ["-1", "1e9", "nonsense"])
def test_a_length_that_is_none_is_refused(length):
    assert send(SIGN_IN, NothingRead(), CONTENT_LENGTH=length).status_code == 400


def test_a_form_of_more_fields_than_any_has_is_refused():
    assert send(SIGN_IN, b"a=1&" * 2_000).status_code == 400


# --- Files -----------------------------------------------------------------------------------------

IMPORT = "/admin/catalogue/import"


@pytest.fixture
def no_temporary_file(monkeypatch):
    def fail(*arguments, **named):
        raise AssertionError("A temporary file was made.")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", fail)
    monkeypatch.setattr("django.core.files.uploadedfile.TemporaryUploadedFile.__init__", fail)


@pytest.mark.parametrize("path", [SIGN_IN, "/admin/login/", "/sign-out"])
def test_a_file_where_none_is_expected_is_written_nowhere(path, no_temporary_file, operator_client):
    sent = {"username": "nobody", "file": SimpleUploadedFile("a.csv", b"x" * 200_000)}

    answer = operator_client.post(path, sent)

    assert answer.status_code in {200, 302}
    assert not answer.wsgi_request.FILES


def test_the_import_reads_no_body_without_the_permission(alice_client):
    framing = {"content_type": MULTIPART, "CONTENT_LENGTH": str(5 * MIB)}

    for client in (None, alice_client):
        answer = send(IMPORT, NothingRead(), client=client, **framing)

        assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (302, "/admin/login/")


def test_the_import_is_checked_against_cross_site_requests(operator):
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")

    answer = client.post(reverse("catalogue_import"), {"file": SimpleUploadedFile("a.csv", b"sheet\n")})

    assert answer.status_code == 403


def test_the_import_takes_a_file_larger_than_any_form(operator_client, no_temporary_file):
    answer = operator_client.post(IMPORT, {"file": SimpleUploadedFile("a.csv", b"x" * 4 * MIB)})

    assert answer.status_code == 200
    assert b"cannot be read" in answer.content or b"This column is missing" in answer.content


@pytest.mark.parametrize(
    ("content_type", "framing"),
    [
        (MULTIPART, {"CONTENT_LENGTH": str(16 * MIB + 1)}),
        (URLENCODED, {"CONTENT_LENGTH": str(FORM.most_bytes + 1)}),
        ("text/plain", {"CONTENT_LENGTH": str(FORM.most_bytes + 1)}),
    ],
)
def test_the_import_has_its_own_limit_for_files_only(content_type, framing, operator_client):
    answer = send(IMPORT, NothingRead(), client=operator_client, content_type=content_type, **framing)

    assert answer.status_code == 413


def test_a_chunked_file_is_refused_beyond_the_limit_of_forms(operator_client):
    wire = Chunks(b"x" * MIB)

    answer = send(IMPORT, wire, client=operator_client, content_type=MULTIPART, **CHUNKED)

    assert (answer.status_code, wire.tell()) == (413, FORM.most_bytes + 1)


# --- The API ---------------------------------------------------------------------------------------

ENDPOINTS = [path for path in LIMITS if path.startswith(API)]
EACH_ENDPOINT = pytest.mark.parametrize("path", ENDPOINTS)
JSON = {"content_type": "application/json"}


@pytest.fixture
def gateway(acme):
    _, key = issue_service_key(name="gateway", scopes=[Scope.USAGE_WRITE, Scope.CALLS_ADMIT])
    return Client(headers={"Authorization": f"Bearer {key}"})


def code_of(answer):
    """The code of a refusal, in whatever words the endpoint refuses."""
    refusal = answer.json()
    if "message" in refusal:  # as OTLP, which has no place for it
        return refusal["message"].partition(":")[0]
    return refusal.get("code") or refusal["error"]["code"]


@EACH_ENDPOINT
def test_a_body_that_is_too_large_is_refused_unread(path, gateway):
    size = LIMITS[path].most_bytes + 1

    answer = send(path, NothingRead(), client=gateway, **JSON, CONTENT_LENGTH=str(size))

    assert (answer.status_code, code_of(answer)) == (413, "body_too_large")
    assert str(LIMITS[path]) in answer.content.decode()


@pytest.mark.parametrize("path", [path for path in ENDPOINTS if path != "/api/v1/estimates"])
@pytest.mark.parametrize("framing", [{"CONTENT_LENGTH": "999999999"}, CHUNKED])
def test_nothing_is_read_without_a_key(path, framing):
    assert send(path, NothingRead(), **JSON, **framing).status_code == 401


@EACH_ENDPOINT
def test_of_a_chunked_body_no_more_is_read_than_a_byte_beyond_the_limit(path, gateway):
    wire = Chunks(b" " * (LIMITS[path].most_bytes + KIB))

    answer = send(path, wire, client=gateway, **JSON, **CHUNKED)

    assert (answer.status_code, wire.tell()) == (413, LIMITS[path].most_bytes + 1)


@EACH_ENDPOINT
def test_a_gzip_bomb_is_refused(path, gateway):
    bomb = gzip.compress(b" " * (LIMITS[path].most_bytes + 1))

    answer = send(path, bomb, client=gateway, **JSON, HTTP_CONTENT_ENCODING="gzip")

    assert (answer.status_code, code_of(answer)) == (413, "body_too_large")


@EACH_ENDPOINT
def test_more_values_than_the_limit_are_refused(path, gateway):
    sent = gzip.compress(b"[" + b"[]," * 2 * LIMITS[path].most_values + b"[]]")

    answer = send(path, sent, client=gateway, **JSON, HTTP_CONTENT_ENCODING="gzip")

    assert (answer.status_code, code_of(answer)) == (413, "too_many_values")


@EACH_ENDPOINT
@pytest.mark.parametrize("coding", ["br", "deflate", "zstd"])
def test_another_coding_is_refused_with_the_accepted_one(path, coding, gateway):
    answer = send(
        path, NothingRead(), client=gateway, **JSON, CONTENT_LENGTH="9", HTTP_CONTENT_ENCODING=coding
    )

    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "gzip")
    assert code_of(answer) == "unsupported_content_encoding"
    assert b"gzip" in answer.content


@EACH_ENDPOINT
def test_a_body_that_ends_early_is_refused(path, gateway):
    answer = send(path, Chunks(b"{}"), client=gateway, **JSON, CONTENT_LENGTH="3")

    assert (answer.status_code, code_of(answer)) == (400, "incomplete_body")


@pytest.mark.parametrize("path", [path for path in ENDPOINTS if LIMITS[path].most_bytes >= MIB])
def test_a_body_that_finds_no_memory_comes_again(path, gateway, monkeypatch):
    monkeypatch.setattr("sensenova_billing.lib.api.request_body.SECONDS_TO_WAIT", 0)
    sent = b"[" + b"1," * 4_000 + b"1]"

    with DECODING.reserve(999 * MIB):
        answer = send(path, sent, client=gateway, **JSON)

    assert (answer.status_code, code_of(answer)) == (503, "busy")
    assert answer.headers["Retry-After"] == "5"
    assert send(path, sent, client=gateway, **JSON).status_code in {400, 422}


# --- Whatever the framing, what is reported is stored ----------------------------------------------

CALL = {
    "event_id": "call-1", "customer": "acme", "service": "SenseChat-5",
    "occurred_at": THE_HOUR.isoformat(), "input_tokens": 7,
}  # fmt: skip
PLAIN = json.dumps(CALL).encode()


@pytest.mark.parametrize(
    ("sent", "framing"),
    [
        (Chunks(PLAIN), CHUNKED),
        (gzip.compress(PLAIN), {"HTTP_CONTENT_ENCODING": "gzip"}),
        (gzip.compress(PLAIN), {"HTTP_CONTENT_ENCODING": " X-GZIP"}),
        (
            Chunks(gzip.compress(PLAIN)),
            CHUNKED | {"HTTP_CONTENT_ENCODING": "gzip"},
        ),
        (PLAIN, {"HTTP_CONTENT_ENCODING": "identity"}),
    ],
    ids=["chunked", "gzip", "x-gzip", "chunked gzip", "identity"],
)
def test_what_is_reported_is_stored(sent, framing, gateway):
    answer = send("/api/v1/usage", sent, client=gateway, **JSON, **framing)

    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "duplicates": 0})
    assert UsageRecord.objects.get().input_tokens == 7
