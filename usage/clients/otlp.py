"""OpenTelemetry's spans of model calls, by the semantic conventions for generative AI.

| ours | theirs |
|---|---|
| event id | trace id and span id in hexadecimal, with a hyphen between |
| customer | the first of `sensenova.customer` of span and resource, `enduser.id` and `user.id` of the span |
| service | the first of `gen_ai.response.model` and `gen_ai.request.model` that names one, or is an alias |
| occurred at | the end of the span; the arrival if missing |
| quantities | see `OTLP_NAMES`; reasoning tokens are part of the output |
| outcome | failed, where the span's status is an error |

A span without tokens is no call, and one of an operation that calls models in spans of their own (an agent)
only repeats their sums: both are passed over and counted. A sender of spans does not repeat them, so each is
stored by itself or kept in quarantine.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pricing.catalogue.service_names import known_services
from pricing.rules.measures import Measure
from sensenova_billing.lib.api.errors import Unreadable
from sensenova_billing.lib.api.strict_json import BadItem
from usage.clients.otlp_messages import SentSpan, read_spans
from usage.clients.parsing import EPOCH, Names, first_given, measure_of_each, timed_report, whole_number
from usage.ingest.payload import MAX_BATCH, UsageReport
from usage.ingest.record import Receipt
from usage.models import Outcome
from usage.quarantine.keep import BadUsage
from usage.refused.errors import RecordProblem, UsageError

# The second names are deprecated, and still written.
OTLP_NAMES: Names = {
    Measure.INPUT_TOKENS: ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    Measure.CACHED_INPUT_TOKENS: ("gen_ai.usage.cache_read.input_tokens",),
    Measure.CACHE_WRITE_TOKENS: ("gen_ai.usage.cache_creation.input_tokens",),
    Measure.OUTPUT_TOKENS: ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
}
# The client's names of our fields, for errors in its words.
NAMES = {
    "event_id": "spanId",
    "customer": "sensenova.customer",
    "service": "gen_ai.response.model",
    "occurred_at": "endTimeUnixNano",
    **{measure.value: names[0] for measure, names in OTLP_NAMES.items()},
}
# Of all operations that the conventions name, those of which each is one call of one model.
CALLS = {"chat", "text_completion", "generate_content", "embeddings"}

_OPERATION = "gen_ai.operation.name"
_MODELS = ("gen_ai.response.model", "gen_ai.request.model")
_OWN_CUSTOMER = "sensenova.customer"
_END_USER = ("enduser.id", "user.id")
_REASONING = "gen_ai.usage.reasoning.output_tokens"
_TOKENS = {*measure_of_each(OTLP_NAMES), _REASONING}
_READ = frozenset({_OPERATION, *_MODELS, _OWN_CUSTOMER, *_END_USER, *_TOKENS})
_ID_LENGTHS = {"traceId": 32, "spanId": 16}
_SHOWN = 10


@dataclass(frozen=True)
class Delivery:
    """The calls of a request by their index among them, and how many other spans were passed over."""

    calls: Sequence[SentSpan | None]
    reports: Mapping[int, UsageReport]
    problems: Sequence[RecordProblem]
    passed_over: int


class RefusedSpans(UsageError):
    """Some spans were refused, for these problems; the others are stored."""

    problems: Sequence[RecordProblem] = ()


def decode_spans(body: bytes, *, media_type: str, now: dt.datetime) -> Delivery:
    """Return the reports of the calls and the problems of those that are not valid; raise Unreadable."""
    calls, passed_over = [], 0
    for span in read_spans(body, media_type=media_type, names=_READ):
        if span is None or _is_call(span):
            calls.append(span)
        else:
            passed_over += 1
    if len(calls) > MAX_BATCH:
        text = f"A request holds up to {MAX_BATCH:,} model calls, not {len(calls):,}. Nothing was stored."
        raise Unreadable("batch_too_large", text)
    known = _known(_models(span) for span in calls if span)
    reports, problems = {}, []
    for index, span in enumerate(calls):
        try:
            reports[index] = _report(span, known=known, now=now)
        except BadItem as error:
            problems.append(RecordProblem(index, error.field, error.reason))
    return Delivery(calls=calls, reports=reports, problems=problems, passed_over=passed_over)


def _is_call(span: SentSpan) -> bool:
    operation = first_given(span.attributes, (_OPERATION,))
    return operation in (None, *CALLS) and not _TOKENS.isdisjoint(span.attributes)


def _known(models: Iterable[list[Any]]) -> set[str]:
    """Return those of these that name a service; none where nobody has to choose."""
    names = {name for given in models if len(given) > 1 for name in given}
    # PostgreSQL takes no NUL; the report refuses it.
    wanted = [name for name in names if isinstance(name, str) and "\0" not in name]
    return known_services(called=wanted) if wanted else set()


def _models(span: SentSpan) -> list[Any]:
    given = [span.attributes.get(name) for name in _MODELS]
    return [*dict.fromkeys(model for model in given if model not in (None, ""))]


def _report(span: SentSpan | None, *, known: set[str], now: dt.datetime) -> UsageReport:
    if span is None:
        raise BadItem("", "is malformed")
    fields = {
        "event_id": _event_id(span),
        "customer": _required(_customer(span), field=_OWN_CUSTOMER, what="customer or end user"),
        "service": _required(_service(span, known), field=_MODELS[0], what="model"),
        "occurred_at": _instant(span.ended_at),
        **_quantities(span),
    }
    if span.is_error:
        fields["outcome"] = Outcome.FAILED.value
    return timed_report(fields, now=now)


def _event_id(span: SentSpan) -> str:
    ids = {"traceId": span.trace_id, "spanId": span.span_id}
    for field, text in ids.items():
        if len(text) != _ID_LENGTHS[field] or not text.strip("0"):
            raise BadItem(field, f"must be {_ID_LENGTHS[field]} hexadecimal digits, not all of them 0")
    return "-".join(ids.values())


def _customer(span: SentSpan) -> Any:
    return (
        first_given(span.attributes, (_OWN_CUSTOMER,))
        or first_given(span.resource, (_OWN_CUSTOMER,))
        or first_given(span.attributes, _END_USER)
    )


def _service(span: SentSpan, known: set[str]) -> Any:
    given = _models(span)
    return next((model for model in given if model in known), given[0] if given else None)


def _required(value: Any, *, field: str, what: str) -> Any:
    if value is None:
        raise BadItem(field, f"no {what} is given")
    return value


def _instant(nanoseconds: int) -> dt.datetime | None:
    # Truncated, never rounded, as everywhere.
    return EPOCH + dt.timedelta(microseconds=nanoseconds // 1000) if nanoseconds else None


def _quantities(span: SentSpan) -> dict[str, int]:
    found: dict[str, int] = {}
    for measure, names in OTLP_NAMES.items():
        given = next((name for name in names if span.attributes.get(name) is not None), None)
        if given is not None:
            found[measure.value] = whole_number(given, span.attributes[given])
    reasoning = span.attributes.get(_REASONING)
    if reasoning is not None and whole_number(_REASONING, reasoning) > found.get(Measure.OUTPUT_TOKENS, 0):
        raise BadItem(_REASONING, "are part of the output tokens, and cannot be more")
    return found


def refusal_of(delivery: Delivery, outcomes: Sequence[Receipt | UsageError]) -> RefusedSpans | None:
    """Return what was refused, given the outcome of each report; None if all calls are stored."""
    refused = {problem.index: problem for problem in delivery.problems}
    for index, outcome in zip(delivery.reports, outcomes, strict=True):
        if isinstance(outcome, UsageError):
            detail = outcome.details[0]
            reason = detail.get("reason", "differs from the stored record")
            refused[index] = RecordProblem(index, detail["field"], reason, outcome.reasons[0])
    return _refusal(delivery, [problem for _, problem in sorted(refused.items())]) if refused else None


def _refusal(delivery: Delivery, problems: Sequence[RecordProblem]) -> RefusedSpans:
    stored = len(delivery.calls) - len(problems)
    texts = [f"{_called(delivery.calls[one.index])}: {_sentence(one)}." for one in problems[:_SHOWN]]
    more = [f"And {len(problems) - _SHOWN:,} more."] if len(problems) > _SHOWN else []
    counts = f"Spans refused: {len(problems)}, stored: {stored}, passed over: {delivery.passed_over}."
    refusal = RefusedSpans("refused_spans", " ".join([counts, *texts, *more]))
    refusal.problems = problems
    refusal.reasons = {one.index: one.counted_as for one in problems}
    spans = {one.index: delivery.calls[one.index] for one in problems}
    refusal.customers = {index: span and _customer(span) for index, span in spans.items()}
    return refusal


def kept(delivery: Delivery, refusal: RefusedSpans) -> list[BadUsage]:
    """Return what goes into quarantine, because a sender of spans does not repeat them."""
    return [
        BadUsage(
            report=delivery.reports.get(problem.index),
            customer_code=str(refusal.customers[problem.index] or ""),
            sent=_sent(delivery.calls[problem.index]),
            field=NAMES.get(problem.field, problem.field),
            problem=problem.reason,
            reason=problem.counted_as,
        )
        for problem in refusal.problems
    ]


def _sent(span: SentSpan | None) -> dict[str, str]:
    if span is None:
        return {}
    texts = {name: str(value) for name, value in span.attributes.items() if name in _READ}
    texts |= {"trace id": span.trace_id, "span id": span.span_id}
    return texts


def _called(span: SentSpan | None) -> str:
    return f"{span.trace_id}-{span.span_id}" if span else "A span"


def _sentence(problem: RecordProblem) -> str:
    return f"{NAMES.get(problem.field, problem.field)} {problem.reason}".strip()


def answer_of(refusal: RefusedSpans | None) -> ExportTraceServiceResponse:
    """Return the answer; where all calls are stored it is empty, as OTLP asks for."""
    answer = ExportTraceServiceResponse()
    if refusal is not None:
        answer.partial_success.rejected_spans = len(refusal.reasons)
        answer.partial_success.error_message = refusal.message
    return answer
