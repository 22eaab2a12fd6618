"""Ids that senders choose: every one that is taken can be used again, in an address as well."""

import json
import urllib.request
from urllib.parse import quote

import httpx
import pytest

from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer, Scope
from pricing.catalogue.initial import load_catalogue
from sensenova_billing.lib.names import is_fit_for_a_name
from tests.builders import at
from usage.models import UsageRecord

CALL = {"customer": "acme", "service": "SenseChat-5", "estimated_tokens": 7}
REPORT = {"event_id": "e", "customer": "acme", "service": "SenseChat-5", "occurred_at": f"{at(30):%FT%TZ}"}
CONTROLS = [
    *(chr(code) for code in range(0x20)),
    *(chr(code) for code in range(0x7F, 0xA0)),
    "\u2028",
    "\u2029",
    "\ud800",
    "\udfff",
]
FIT = [
    "a b",
    " ",
    "a ",
    "%2F",
    "a%0Ab",
    "a/b",
    "/a",
    "a/",
    "a//b",
    "...",
    "..a",
    "a/.b",
    "\\",
    "a;b",
    "a+b",
    "é?x#y&z",
]
FIT += ["\u00a0", "\u200b", "👩\u200d💻", "\u202egpj", "'", '"', "x" * 255, "商" * 255]
NO_PATH = [".", "..", "a/..", "../a", "a/./b", "/..", "./"]


@pytest.fixture
def headers():
    _, text = issue_service_key(name="gateway", scopes=[Scope.CALLS_ADMIT, Scope.USAGE_WRITE])
    return {"Authorization": f"Bearer {text}", "Content-Type": "application/json"}


def problems(answer):
    error = answer.json()["error"]
    return answer.status_code, [(detail.get("field"), detail.get("reason")) for detail in error["details"]]


@pytest.mark.parametrize("character", CONTROLS, ids=ascii)
def test_no_name_holds_a_control_character_or_a_line_break(character):
    assert not is_fit_for_a_name(f"a{character}b")


@pytest.mark.parametrize("call_id", FIT, ids=lambda text: ascii(text)[:20])
def test_other_characters_are_fit_for_a_name(call_id):
    assert is_fit_for_a_name(call_id)


WRITTEN = {"escaped": json.dumps, "as it is": lambda said: json.dumps(said, ensure_ascii=False)}
SOME = ["\n", "\t", "\x7f", "\x85", "\u2028", "\u2029"]


@pytest.mark.django_db
@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("character", SOME, ids=ascii)
def test_a_call_id_with_a_control_character_is_refused(character, write, acme, headers, client):
    body = write(CALL | {"call_id": f"a{character}b"}).encode()

    answer = client.post("/api/v1/calls", body, content_type="application/json", headers=headers)

    assert answer.status_code == (400 if character in "\n\t" and b"\\" not in body else 422)
    if answer.status_code == 422:
        assert problems(answer)[1] == [("call_id", "must not hold control characters or line breaks")]


@pytest.mark.django_db
@pytest.mark.parametrize("call_id", NO_PATH)
def test_a_call_id_that_an_address_loses_is_refused(call_id, acme, headers, client):
    body = json.dumps(CALL | {"call_id": call_id})

    answer = client.post("/api/v1/calls", body, content_type="application/json", headers=headers)

    assert answer.status_code == 422
    assert "must not have a path segment . or .." in answer.json()["error"]["details"][0]["reason"]


@pytest.mark.django_db
@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("character", ["\x7f", "\x85", "\u2028", "\u2029"], ids=ascii)
@pytest.mark.parametrize(
    ("field", "value"), [("event_id", "a{}b"), ("call_id", "a{}b"), ("metadata", {"a{}b": "c"})]
)
def test_an_id_with_a_control_character_is_not_stored(field, value, character, write, acme, headers, client):
    body = write([REPORT, REPORT | {"event_id": "f", field: value}]).replace("{}", write(character)[1:-1])

    answer = client.post("/api/v1/usage", body.encode(), content_type="application/json", headers=headers)

    assert problems(answer) == (422, [(field, "must not hold control characters or line breaks")])
    assert answer.json()["error"]["details"][0]["index"] == 1
    assert not UsageRecord.objects.exists()


@pytest.mark.django_db
def test_a_record_that_was_stored_with_such_an_id_is_still_read_and_reversed(acme, headers, client):
    client.post("/api/v1/usage", json.dumps(REPORT), content_type="application/json", headers=headers)
    stored = UsageRecord.objects.values().get() | {"event_id": "a\nb"}
    UsageRecord.objects.create(**stored)
    asked = {"customer": "acme", "event_id": "a\nb", "reason": "Counted twice."}

    answer = client.post(
        "/api/v1/reversals", json.dumps(asked), content_type="application/json", headers=headers
    )

    assert answer.status_code == 200
    assert UsageRecord.objects.filter(reverses="a\nb").exists()


def by_httpx(address, headers):
    # Over plain HTTP no certificate is needed, and reading all takes longer than the request.
    return httpx.delete(address, headers=headers, trust_env=False, verify=False).status_code


def by_urllib(address, headers):
    request = urllib.request.Request(address, headers=headers, method="DELETE")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return answer.status


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("delete", [by_httpx, by_urllib])
@pytest.mark.parametrize("slashes", ["", "/"], ids=["slashes encoded", "slashes as they are"])
def test_every_id_that_is_admitted_can_be_released_by_real_clients(delete, slashes, live_server, headers):
    load_catalogue()
    Customer.objects.create(code="acme", name="Acme Ltd")
    with httpx.Client(base_url=live_server.url, headers=headers, trust_env=False) as gateway:
        admitted = {id: gateway.post("/api/v1/calls", json=CALL | {"call_id": id}).status_code for id in FIT}

    released = {
        id: delete(f"{live_server.url}/api/v1/calls/{quote(id, safe=slashes)}", headers) for id in FIT
    }

    assert admitted == released == dict.fromkeys(FIT, 200)
