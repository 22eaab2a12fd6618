"""API endpoints for existing clients: each maps a payload onto reports and stores them with `report_usage`.

Each endpoint answers in the format of its client, for errors too.
"""

import datetime as dt
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from google.rpc.status_pb2 import Status
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_keys.authentication import key_of
from sensenova_billing.lib import clock
from sensenova_billing.lib.api.request_body import BODY, RequestBody
from sensenova_billing.lib.api.schemas import answer, schema_ref
from usage.clients import cloudevents, lago, litellm, otlp, otlp_messages
from usage.clients.litellm_delivery import store_delivery
from usage.ingest.authorise import report_each, report_usage
from usage.ingest.errors import InvalidUsage, UsageConflict
from usage.ingest.schemas import batch, one_or_batch, refusals, wrapped
from usage.models import RefusalReason
from usage.quarantine.keep import keep
from usage.refused.endpoint import UsageEndpoint


class ClientView(UsageEndpoint):
    """Base of the endpoints for clients: translates errors into the client's format."""

    refusal_type: str | None = "application/json"
    # The client's names of our fields.
    names: Mapping[str, str] = {}

    def handle_exception(self, exc: Exception) -> Response:
        """Answer as every endpoint does, in the client's format."""
        response = super().handle_exception(exc)
        error = response.data["error"]
        error["details"] = [
            detail | {"field": self.names.get(detail["field"], detail["field"])}
            for detail in error["details"]
        ]
        response.data = self.refusal(status=response.status_code, error=error)
        response.content_type = self.refusal_type
        return response

    def refusal(self, *, status: int, error: dict[str, Any]) -> Any:
        """Return the body of an error; by default in our own format."""
        return {"error": error}


class CloudEventsView(ClientView):
    """Takes CloudEvents, one or a batch, as OpenMeter does."""

    media_types = ("application/cloudevents+json", "application/cloudevents-batch+json", "application/json")
    refusal_type = "application/problem+json"
    names = cloudevents.NAMES

    @extend_schema(
        operation_id="report_cloudevents",
        summary="Report usage as CloudEvents",
        tags=["clients"],
        description=(
            "For OpenMeter's clients and LiteLLM's `openmeter` callback: structured, or binary with `ce-` "
            "headers; see docs/clients.md."
        ),
        request={
            "application/cloudevents+json": one_or_batch("CloudEvent"),
            "application/cloudevents-batch+json": one_or_batch("CloudEvent"),
            "application/json": one_or_batch("CloudEvent"),
        },
        responses={
            204: OpenApiResponse(description="Committed."),
            **refusals("Problem", media_type="application/problem+json"),
        },
    )
    def post(self, request: Request) -> Response:
        """Authenticate, parse, record, answer."""
        now = clock.now()
        body = self.body_of(request)
        if "ce-specversion" in request.headers:
            reports = cloudevents.decode_binary_event(request.headers, body, now=now)
        else:
            reports = cloudevents.decode_events(body, now=now)
        report_usage(reports=reports, key=key_of(request), now=now)
        return Response(status=204)

    def refusal(self, *, status: int, error: dict[str, Any]) -> dict[str, Any]:
        """Return an RFC 9457 problem; `detail` has the reasons, because clients show nothing else."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": " ".join([error["message"], *_sentences(error["details"])]),
            "code": error["code"],
            "errors": error["details"],
        }


def _sentences(details: list[dict[str, Any]]) -> list[str]:
    reason = "differs from the stored record"
    return [
        f"[{detail['index']}] {detail['field']}: {detail.get('reason', reason)}." for detail in details[:10]
    ]


class LagoView(ClientView):
    """Base of Lago's two endpoints."""

    renderer_classes = (JSONRenderer,)  # fractions are returned as they were sent
    names = lago.NAMES
    is_batch = False

    def refusal(self, *, status: int, error: dict[str, Any]) -> dict[str, Any]:
        """Return an error in Lago's format; of a batch, by the index of the event."""
        body: dict[str, Any] = {"status": status, "error": HTTPStatus(status).phrase}
        if status == 401:
            return body
        if not error["details"]:
            return body | {"code": error["code"], "error_details": {"base": [error["message"]]}}
        found: dict[str, dict[str, list[str]]] = {}
        for detail in error["details"]:
            fields = found.setdefault(str(detail["index"]), {})
            fields.setdefault(detail["field"] or "base", []).append(detail["reason"])
        details = found if self.is_batch else found["0"]
        return body | {"code": "validation_errors", "error_details": details}

    def handle_exception(self, exc: Exception) -> Response:
        """Answer a conflict as Lago does: 422, and the id that already exists."""
        if isinstance(exc, UsageConflict):
            conflicts = sorted({difference["index"] for difference in exc.details})
            details = [{"index": i, "field": "event_id", "reason": "value_already_exist"} for i in conflicts]
            error = InvalidUsage([])
            error.details, error.reasons, error.customers = details, exc.reasons, exc.customers
            exc = error
        return super().handle_exception(exc)


class LagoEventView(LagoView):
    """Takes one Lago event."""

    @extend_schema(
        operation_id="report_lago_event",
        summary="Report usage as a Lago event",
        tags=["clients"],
        description="For Lago's SDKs and LiteLLM's `lago` callback; see docs/clients.md.",
        request={"application/json": wrapped("event", schema_ref("LagoEvent"))},
        responses={
            200: answer("Committed.", wrapped("event", schema_ref("LagoStoredEvent"))),
            **refusals("LagoRefusal", conflict=422),
        },
    )
    def post(self, request: Request) -> Response:
        """Authenticate, parse, record, answer."""
        now = clock.now()
        answers = _record_lago(lago.decode_event(self.body_of(request), now=now), request=request, now=now)
        return Response({"event": answers[0]})


class LagoBatchView(LagoView):
    """Takes a batch of Lago events."""

    is_batch = True

    @extend_schema(
        operation_id="report_lago_events",
        summary="Report usage as a batch of Lago events",
        tags=["clients"],
        description="For Lago's SDKs and lago-agent-sdk; up to 10,000 events; see docs/clients.md.",
        request={"application/json": wrapped("events", batch("LagoEvent"))},
        responses={
            200: answer("Committed.", wrapped("events", batch("LagoStoredEvent"))),
            **refusals("LagoRefusal", conflict=422),
        },
    )
    def post(self, request: Request) -> Response:
        """Authenticate, parse, record, answer."""
        now = clock.now()
        answers = _record_lago(
            lago.decode_event_batch(self.body_of(request), now=now), request=request, now=now
        )
        return Response({"events": answers})


def _record_lago(events: list[lago.LagoEvent], *, request: Request, now: dt.datetime) -> list[dict[str, Any]]:
    report_usage(reports=[event.report for event in events], key=key_of(request), now=now)
    return [lago.answer_of(event, now=now) for event in events]


class LiteLLMView(ClientView):
    """Takes the payloads of LiteLLM's `generic_api` callback."""

    media_types = ("application/json", "application/x-ndjson")
    names = litellm.NAMES

    @extend_schema(
        operation_id="report_litellm",
        summary="Report usage as LiteLLM logs it",
        tags=["clients"],
        description=(
            "StandardLoggingPayloads of LiteLLM's `generic_api` callback: an array, one a line, or one. "
            "What used no model is skipped. What cannot be stored is kept in quarantine for staff, because "
            "LiteLLM sends nothing twice; if nothing can, the answer is 422 or 409. See docs/clients.md."
        ),
        request={
            "application/json": one_or_batch("LiteLLMPayload"),
            "application/x-ndjson": batch("LiteLLMPayload"),
        },
        responses={
            200: answer("Committed.", schema_ref("LiteLLMReceipt")),
            **refusals("Error"),
        },
    )
    def post(self, request: Request) -> Response:
        """Authenticate, parse, record or keep, answer."""
        now = clock.now()
        delivery = litellm.decode_payloads(self.body_of(request), now=now)
        receipt, refusal = store_delivery(delivery, key=key_of(request), now=now)
        if refusal is not None:
            if not receipt.accepted + receipt.duplicates:
                raise refusal
            self.count(refusal, reason=RefusalReason.OTHER)
        return Response(receipt)


class TracesView(ClientView):
    """Takes spans as OTLP/HTTP sends them, and answers in the encoding of the request."""

    media_types = (otlp_messages.JSON, otlp_messages.PROTOBUF)
    refusal_type = None  # that of the renderer
    names = otlp.NAMES

    def get_renderers(self) -> list[BaseRenderer]:
        """Choose by what was sent, whatever the Accept header says."""
        if self.request._request.content_type == otlp_messages.PROTOBUF:
            return [otlp_messages.ProtobufRenderer()]
        return [otlp_messages.ProtobufJsonRenderer()]

    def body_of(self, request: Request) -> bytes:
        """Return the body, unpacked; raise as `RequestBody.read_protobuf` or `read_json`."""
        if request._request.content_type == otlp_messages.PROTOBUF:
            body: RequestBody = request.META[BODY]
            return body.read_protobuf()
        return super().body_of(request)

    # OpenTelemetry documents the format; most of what a schema would forbid is answered 200, with the number
    # of refused spans.
    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        """Authenticate, parse, record, answer."""
        now = clock.now()
        media_type = str(request._request.content_type)
        delivery = otlp.decode_spans(self.body_of(request), media_type=media_type, now=now)
        outcomes = report_each(reports=[*delivery.reports.values()], key=key_of(request), now=now)
        refusal = otlp.refusal_of(delivery, outcomes)
        if refusal is not None:
            keep(usage=otlp.kept(delivery, refusal), key=key_of(request), now=now)
            self.count(refusal, reason=RefusalReason.OTHER)
        headers = {"Spans-Passed-Over": str(delivery.passed_over)}
        return otlp_messages.MessageResponse(otlp.answer_of(refusal), headers=headers)

    def refusal(self, *, status: int, error: dict[str, Any]) -> Status:
        """Return a google.rpc.Status, of which OTLP uses nothing but the message."""
        return Status(message=f"{error['code']}: {error['message']}")
