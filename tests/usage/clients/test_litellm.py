"""LiteLLM's payloads: what its generic_api callback sends is taken, and nothing of the texts is kept."""

import json

import pytest

from pricing.catalogue.initial import BEGINS_AT
from pricing.models import BillingItem, Price, Service
from tests.usage.clients.deliveries import (
    BAD_NUMBERS,
    BAD_STRINGS,
    BAD_UNIX_TIMES,
    HALF_PAST,
    UNIX,
    limited_key,
    send,
    stored,
    with_raw,
)
from usage.models import QuarantinedUsage, UsageRecord
from usage.refused.counters import refused_in_all

pytestmark = pytest.mark.django_db

PAYLOAD = {
    "id": "chatcmpl-1",
    "status": "success",
    "model": "SenseChat-5",
    "end_user": "acme",
    "endTime": int(UNIX) + 0.25,
    "prompt_tokens": 12,
    "completion_tokens": 34,
    "total_tokens": 46,
    "cache_hit": False,
    "metadata": {"user_api_key_user_id": "globex"},
    "messages": [{"role": "user", "content": "a secret \ud800"}],
}


NOTHING = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
FAILURE = {"status": "failure", "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.fixture
def post(acme, service_key):
    def post(body, key=service_key, content_type="application/json"):
        return send("/api/v1/litellm", body, key, content_type)

    return post


def refusal_of(answer, status):
    assert answer.status_code == status, answer.content
    assert list(answer.json()) == ["error"]
    assert "secret" not in answer.content.decode()
    assert not UsageRecord.objects.exists()
    return answer.json()["error"]


FORMS = {
    "single": json.dumps(PAYLOAD),
    "indented": json.dumps(PAYLOAD, indent=2),
    "array": json.dumps([PAYLOAD]),
    "lines": json.dumps(PAYLOAD) + "\n" + json.dumps(PAYLOAD) + "\n",
}


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
def test_every_form_is_taken(body, post):
    answer = post(body)

    assert answer.status_code == 200, answer.content
    assert answer.json()["accepted"] == 1
    assert stored() == ("acme", "SenseChat-5", 12, 34)
    assert UsageRecord.objects.get().occurred_at == HALF_PAST.replace(microsecond=250_000)


CUSTOMERS = {
    "end user": {"end_user": "acme"},
    "the key's end user": {"metadata": {"user_api_key_end_user_id": "acme", "user_api_key_user_id": "x"}},
    "the key's user": {"metadata": {"user_api_key_user_id": "acme", "user_api_key_team_id": "x"}},
    "the key's team": {"end_user": "", "metadata": {"user_api_key_team_id": "acme"}},
}


@pytest.mark.parametrize("fields", CUSTOMERS.values(), ids=CUSTOMERS)
def test_the_customer_is_the_first_that_is_given(fields, post):
    assert post(PAYLOAD | {"end_user": None} | fields).status_code == 200
    assert stored()[0] == "acme"


def test_failures_and_cached_answers_are_skipped(post):
    batch = [PAYLOAD | FAILURE, PAYLOAD | {"cache_hit": True}, PAYLOAD]

    assert post(batch).json() == {"accepted": 1, "duplicates": 0, "skipped": 2, "quarantined": 0}
    assert post(batch[:2]).json() == {"accepted": 0, "duplicates": 0, "skipped": 2, "quarantined": 0}


def test_a_refusal_names_the_place_in_the_delivery(post):
    batch = [PAYLOAD | FAILURE, PAYLOAD | {"model": "SenseChat-6"}]

    assert refusal_of(post(batch), 422)["details"][0] == {
        "index": 1,
        "field": "model",
        "reason": "unknown service",
    }


@pytest.mark.parametrize("ended", [int(UNIX), None])
def test_a_payload_that_is_resent_is_stored_once(ended, post):
    answers = [post(PAYLOAD | {"endTime": ended}).json() for _ in range(2)]

    assert [answer["duplicates"] for answer in answers] == [0, 1]


def test_the_same_id_with_other_content_is_a_conflict(post):
    post(PAYLOAD)

    answer = post(PAYLOAD | {"prompt_tokens": 13, "total_tokens": 47})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflicting_usage")


@pytest.mark.parametrize(("status", "value"), BAD_NUMBERS.values(), ids=BAD_NUMBERS)
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
def test_a_bad_number_is_refused(field, status, value, post):
    refusal_of(post(with_raw(PAYLOAD, field, value)), status)


@pytest.mark.parametrize("field", ["prompt_tokens", "id"])
def test_a_fraction_is_refused_in_words_that_its_sender_knows(field, post):
    error = refusal_of(post(PAYLOAD | {field: 0.5}), 422)

    assert error["details"][0] == {
        "index": 0,
        "field": field,
        "reason": "must not be a number with a fraction or an exponent",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field in ("id", "end_user", "model") for name, value in BAD_STRINGS.items()
     if (field, name) != ("id", "256 characters")],
)  # fmt: skip
def test_a_bad_string_is_refused(field, value, post):
    refusal_of(post(with_raw(PAYLOAD, field, value)), 422)


@pytest.mark.parametrize("value", BAD_UNIX_TIMES.values(), ids=BAD_UNIX_TIMES)
def test_a_bad_time_is_refused(value, post):
    assert refusal_of(post(with_raw(PAYLOAD, "endTime", value)), 422)["details"][0]["field"] == "endTime"


@pytest.mark.parametrize(
    ("status", "body"), [(400, "{"), (400, "[]"), (422, "null"), (400, '{"a": 1}\nx'), (400, "")]
)
def test_a_bad_body_is_refused(status, body, post):
    refusal_of(post(body), status)


def test_other_refusals_have_our_shape(post, globex):
    refusal_of(post(PAYLOAD, key="wrong"), 401)
    refusal_of(post(PAYLOAD, content_type="text/plain"), 415)
    refusal_of(post(" " * (17 * 1024 * 1024)), 413)
    refusal_of(post(PAYLOAD | {"metadata": {}}, key=limited_key(globex)), 422)


# --- What tells calls apart ------------------------------------------------------------------------


def test_an_id_that_is_used_again_is_another_call(post):
    calls = [PAYLOAD | {"litellm_call_id": "a", "startTime": int(UNIX) - minute * 60} for minute in (1, 2)]

    answers = [post(call).json() for call in (*calls, *calls)]

    assert [answer["accepted"] for answer in answers] == [1, 1, 0, 0]
    assert [answer["duplicates"] for answer in answers] == [0, 0, 1, 1]


def test_a_long_id_is_stored_by_its_digest_and_shown_in_full(post):
    long = "resp_" + "x" * 468

    answers = [post(PAYLOAD | {"id": long}).json() for _ in range(2)]

    found = UsageRecord.objects.get()
    assert [answer["duplicates"] for answer in answers] == [0, 1]
    assert found.event_id.startswith("sha256-")
    assert found.metadata == {"id": long}


OTHER_NAMES = {
    "an object": {"end_user": {"device_id": "4ec41ed1"}, "metadata": {"user_api_key_team_id": "acme"}},
    "an object as text": {"end_user": '{"session_id": "77"}', "metadata": {"user_api_key_team_id": "acme"}},
    "no customer": {"end_user": "somebody", "metadata": {"user_api_key_user_id": "acme"}},
}


@pytest.mark.parametrize("fields", OTHER_NAMES.values(), ids=OTHER_NAMES)
def test_a_name_that_is_no_customer_does_not_hide_the_next(fields, post):
    assert post(PAYLOAD | fields).status_code == 200
    assert stored()[0] == "acme"


# --- Kinds of calls --------------------------------------------------------------------------------

READS = ["get_responses", "aget_responses", "aretrieve_batch", "acancel_responses", "alist_input_items",
         "afile_content", "adelete_responses", "acreate_file", "a_add_message", "call_mcp_tool"]  # fmt: skip


@pytest.mark.parametrize("call_type", READS)
def test_what_reads_what_is_stored_is_skipped_whatever_it_says(call_type, post):
    answer = post(PAYLOAD | {"call_type": call_type, "model": "", "model_group": "f" * 64})

    assert answer.json() == {"accepted": 0, "duplicates": 0, "skipped": 1, "quarantined": 0}


@pytest.mark.parametrize(
    "call_type", ["acompletion", "aresponses", "anthropic_messages", "agenerate_content"]
)
def test_what_uses_a_model_is_stored(call_type, post):
    assert post(PAYLOAD | {"call_type": call_type}).json()["accepted"] == 1


@pytest.mark.parametrize("call_type", ["adream", "aget_dreams", "acreate_batch", "_arealtime", "moderation"])
def test_a_kind_that_cannot_be_charged_is_kept_by_name(call_type, post):
    error = refusal_of(post(PAYLOAD | {"call_type": call_type}), 422)

    assert error["details"][0]["field"] == "call_type"
    assert QuarantinedUsage.objects.get().sent["call_type"] == call_type


def test_speech_is_charged_by_its_characters(post):
    speech = {"call_type": "aspeech", "model": "nova-tts-1", "messages": "你好，商量。"}

    answer = post(PAYLOAD | NOTHING | speech)

    assert answer.json()["accepted"] == 1, answer.content
    assert UsageRecord.objects.get().input_characters == 6


@pytest.mark.parametrize("text", [None, "", "redacted-by-litellm", {"a": 1}])
def test_speech_without_its_text_is_kept(text, post):
    speech = {"call_type": "aspeech", "model": "nova-tts-1", "messages": text}

    assert refusal_of(post(PAYLOAD | NOTHING | speech), 422)["details"][0]["field"] == "messages"


OTHER_KINDS = {
    "transcription": ("seconds", {"metadata": {"usage_object": {"type": "duration", "seconds": 12.5}}}, 13),
    "aimage_generation": ("images", {"metadata": {"usage_object": {"output_image_count": 2}}}, 2),
    "image_edit": ("images", {"response": {"data": [{}, {}, {}]}}, 3),
    "arerank": ("requests", {"response": {"meta": {"billed_units": {"search_units": 2}}}}, 2),
    "rerank": ("requests", {}, 1),
}


@pytest.mark.parametrize(("call_type", "expected"), OTHER_KINDS.items(), ids=OTHER_KINDS)
def test_other_kinds_are_charged_where_they_are_sold_and_else_kept(call_type, expected, post):
    measure, fields, quantity = expected
    call = PAYLOAD | NOTHING | fields | {"call_type": call_type, "end_user": "acme"}
    refusal_of(post(call), 422)
    service = Service.objects.get(name="SenseChat-5")
    item = BillingItem.objects.create(service=service, measure=measure)
    Price.objects.create(billing_item=item, unit_price="0.01", begins_at=BEGINS_AT)

    assert post(call).json()["accepted"] == 1
    assert UsageRecord.objects.get().quantity_of(measure) == quantity


# --- Tokens ----------------------------------------------------------------------------------------


def test_parts_are_those_of_the_usage_object(post):
    usage = {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46,
             "prompt_tokens_details": {"cached_tokens": 8}}  # fmt: skip

    assert post(PAYLOAD | {"metadata": {"usage_object": usage}}).json()["accepted"] == 1
    assert UsageRecord.objects.get().quantity_of("cached_input_tokens") == 8


def test_anthropics_own_usage_object_has_the_cached_part_beside(post):
    usage = {"input_tokens": 12, "output_tokens": 34, "cache_read_input_tokens": 500}

    assert post(PAYLOAD | {"metadata": {"usage_object": usage}}).json()["accepted"] == 1
    assert stored() == ("acme", "SenseChat-5", 512, 34)


DISCREPANCIES = {
    "total": ({"total_tokens": 623}, "total_tokens"),
    "usage object": ({"metadata": {"usage_object": {"prompt_tokens": 1}}}, "metadata.usage_object"),
    "unknown count": (
        {"metadata": {"usage_object": {"prompt_tokens": 12, "completion_tokens": 34, "moon_tokens": 1}}},
        "metadata.usage_object.moon_tokens",
    ),
}


@pytest.mark.parametrize(("fields", "field"), DISCREPANCIES.values(), ids=DISCREPANCIES)
def test_what_does_not_add_up_is_kept_by_name(fields, field, post):
    assert refusal_of(post(PAYLOAD | fields), 422)["details"][0]["field"] == field
    assert QuarantinedUsage.objects.get().field == field


def test_a_failure_with_tokens_is_stored_and_not_charged(post):
    assert post(PAYLOAD | {"status": "failure"}).json()["accepted"] == 1

    found = UsageRecord.objects.get()
    assert (found.input_tokens, found.outcome, found.is_charged) == (12, "failed", False)


# --- A bad one among good ones ---------------------------------------------------------------------


def test_the_good_ones_are_stored_and_the_bad_one_is_kept(post):
    batch = [PAYLOAD, PAYLOAD | {"id": "2", "model": "nova-9"}, PAYLOAD | {"id": "3"}]

    answer = post(batch)

    assert answer.json() == {"accepted": 2, "duplicates": 0, "skipped": 0, "quarantined": 1}
    kept = QuarantinedUsage.objects.get()
    assert (kept.event_id, kept.customer_code, kept.service_name) == ("2", "acme", "nova-9")
    assert (kept.quantities, kept.reason) == ({"input_tokens": 12, "output_tokens": 34}, "unknown_service")
    assert "secret" not in json.dumps(kept.sent)


def test_what_is_kept_is_kept_once_however_often_it_arrives(post):
    for _ in range(3):
        post(PAYLOAD | {"model": "nova-9"})

    assert QuarantinedUsage.objects.count() == 1


def test_whatever_an_item_is_the_others_are_stored(post):
    batch: list[object] = [None, 5, "text", [], {}, PAYLOAD | {"endTime": "never"}, PAYLOAD]

    assert post(batch).json() == {"accepted": 1, "duplicates": 0, "skipped": 0, "quarantined": 6}


def test_what_is_kept_counts_as_refused_usage(post):
    post([PAYLOAD, PAYLOAD | {"id": "2", "model": "nova-9"}])

    assert refused_in_all()["unknown_service"] == 1


# --- What LiteLLM leaves out -----------------------------------------------------------------------


def test_an_answer_without_tokens_is_kept_for_it_may_be_finished_later(post):
    error = refusal_of(post(PAYLOAD | NOTHING | {"call_type": "aresponses"}), 422)

    assert error["details"][0]["field"] == "prompt_tokens"


def test_a_reranking_whose_answer_is_redacted_is_kept(post):
    call = {"call_type": "arerank", "response": {"text": "redacted-by-litellm"}}

    assert refusal_of(post(PAYLOAD | NOTHING | call), 422)["details"][0]["field"] == "response"


def test_a_transcription_may_be_counted_in_tokens(post):
    assert post(PAYLOAD | {"call_type": "atranscription"}).json()["accepted"] == 1
    assert stored() == ("acme", "SenseChat-5", 12, 34)


def test_a_failure_with_tokens_is_stored_whatever_its_kind(post):
    assert post(PAYLOAD | {"call_type": "adream", "status": "failure"}).json()["accepted"] == 1
    assert UsageRecord.objects.get().outcome == "failed"


def test_tokens_of_tools_are_within_the_prompt(post):
    details = {"prompt_tokens_details": {"cached_tokens": 4, "tool_use_tokens": 3}}
    usage = {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46} | details

    assert post(PAYLOAD | {"metadata": {"usage_object": usage}}).json()["accepted"] == 1


def test_parts_of_an_id_do_not_run_into_each_other(post):
    ids: list[dict[str, object]] = [
        {"id": "a b"}, {"litellm_call_id": "a", "id": "b"}, {"id": "a", "startTime": 5},
    ]  # fmt: skip

    assert post([PAYLOAD | one for one in ids]).json()["accepted"] == 3


def test_what_has_no_report_keeps_the_time_of_its_call_and_what_people_need(post):
    usage = {"prompt_tokens": 12, "moon_tokens": 5}

    post(PAYLOAD | {"metadata": {"usage_object": usage, "user_api_key_team_id": "team-1"}})

    kept = QuarantinedUsage.objects.get()
    assert kept.occurred_at == HALF_PAST.replace(microsecond=250_000)
    assert kept.sent["usage_object"] == "prompt_tokens: 12, moon_tokens: 5"
    assert kept.sent["customers"] == "acme, team-1"
