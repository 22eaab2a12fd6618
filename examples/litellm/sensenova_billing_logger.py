"""Admits each call of LiteLLM's proxy with SenseNova Billing, then reports what it used or releases it.

Each call has one admission and one usage record, both under an id made here: callers may choose LiteLLM's own
id, and could pay once for many calls. A kind of call that is not known here is refused. docs/gateway.md has a
diagram of the sequence, and says what is counted for each kind.
"""

import asyncio
import datetime as dt
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import Depends, HTTPException
from fastapi.responses import PlainTextResponse
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy.auth.user_api_key_auth import user_api_key_auth
from litellm.proxy.proxy_server import app

sys.path.append(str(Path(__file__).parent))  # LiteLLM reads this file by its path
from sensenova_usage import (
    KINDS,
    WITHOUT_MODEL,
    AdmittedCall,
    is_error,
    is_in_background,
    output_tokens,
    prompt_tokens,
    usage_of,
    usage_of_stream,
    with_usage,
)

log = logging.getLogger("sensenova_billing")

# Statuses that reject this call. Others concern the gateway, and are treated as no answer.
REJECTIONS = {400, 403, 409, 422, 429}
FORWARDED = ("retry-after", "x-should-retry", "x-ratelimit-", "ratelimit")
# The billing server has rejected the record. After all other answers it is resent.
FINAL = {400, 409, 413, 415, 422}
LONGEST_WAIT = 60
# After these the call has left the window anyway.
RELEASE_ATTEMPTS = 6
SECONDS_FOR_AN_EVENT = 2
MARK = "sensenova_call"
# What each counter counts, and its label.
METRICS = {
    "refused_calls": ("Calls of kinds that are not billed.", "call_type"),
    "unadmitted_answers": ("Answers of a call that was not admitted, and is not billed.", "call_type"),
    "unmeasured_answers": ("Answers of unknown usage, which are not billed.", "call_type"),
    "recounted_answers": ("Answers whose tokens the model did not say.", "counted_by"),
    "records": ("Usage records that were answered.", "outcome"),
}


class BillingLogger(CustomLogger):
    """Admits a call before it is made; afterwards reports or releases it in the background."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__()
        self.url = environment["SENSENOVA_BILLING_URL"]
        self.key = environment["SENSENOVA_SERVICE_KEY"]
        self.lets_through = {"refuse": False, "admit": True}[environment.get("SENSENOVA_WHEN_AWAY", "refuse")]
        self.patience = int(environment.get("SENSENOVA_ADMISSION_SECONDS", "3"))
        self.usual_output = int(environment.get("SENSENOVA_USUAL_OUTPUT_TOKENS", "1000"))
        folder = environment.get("SENSENOVA_USAGE_FOLDER")
        self.folder = Path(folder) if folder else None
        self.client: httpx.AsyncClient | None = None
        # asyncio has only weak references to tasks.
        self.tasks: set[asyncio.Task[None]] = set()
        self.counts: dict[str, Counter[str]] = {metric: Counter() for metric in METRICS}

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:
        """Let the call proceed if it is billable and the billing server admits it; else raise an error."""
        if call_type in WITHOUT_MODEL:
            return data
        if call_type not in KINDS:
            self.counts["refused_calls"][call_type] += 1
            log.error("A call of the kind %s was refused: it would not be billed.", call_type)
            raise _refusal(400, "call_kind_not_billable", f"Calls of the kind {call_type} are not on sale.")
        if KINDS[call_type] == "text" and is_in_background(data):
            # Its answer has no usage yet, and is read later.
            raise _refusal(400, "background_not_billable", "`background` is not on sale. Use `stream`.")
        call = AdmittedCall(call_type, _customer(user_api_key_dict), str(data.get("model")))
        await self._admit(call, await asyncio.to_thread(self._estimate, call, data))
        place = "litellm_metadata" if "litellm_metadata" in data else "metadata"
        if not isinstance(data.get(place), dict):
            data[place] = {}
        # In place: the failure of a text completion comes with the request itself, which shares this.
        data[place][MARK] = call
        # LiteLLM's /cursor/chat/completions loses the metadata; some other calls have no such object yet.
        if logging_object := data.get("litellm_logging_obj"):
            logging_object.model_call_details[MARK] = call
        return data

    async def async_pre_call_deployment_hook(
        self, kwargs: dict[str, Any], call_type: Any
    ) -> dict[str, Any] | None:
        """Note which service is tried, and have the model count a stream, whatever the caller asks for."""
        if call := _admitted(kwargs):
            call.note_attempt(kwargs)
        if kwargs.get("stream") and call_type in ("acompletion", "atext_completion"):
            return with_usage(kwargs)
        return None

    async def async_post_call_response_headers_hook(
        self,
        data: dict[str, Any],
        user_api_key_dict: Any,
        response: Any,
        request_headers: dict[str, str] | None = None,
        litellm_call_info: dict[str, Any] | None = None,
    ) -> dict[str, str]:
        """Return the headers with the remaining limits."""
        call = _admitted(data)
        if call is None:
            return {}
        call.answer = response
        return call.headers

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """Pass the stream on; where it ends early, report what was sent if LiteLLM has no event for it."""
        call, sent = _admitted(request_data), []
        is_whole = False
        try:
            async for chunk in response:
                sent.append(chunk)
                yield chunk
            is_whole = not (sent and is_error(sent[-1]))
        finally:
            if call is not None and sent and not is_whole:
                self._start(self._report_cut(call, sent))

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: dt.datetime, end_time: dt.datetime
    ) -> None:
        """Report what the call used; release it if it used nothing."""
        call, call_type = _admitted(kwargs), str(kwargs.get("call_type"))
        if call is None:
            if call_type not in WITHOUT_MODEL:
                self.counts["unadmitted_answers"][call_type] += 1
                log.error("An answer of the kind %s is of no admitted call, and is not billed.", call_type)
            return
        if call.is_reported:
            return
        used, counted_by = ({}, "model") if kwargs.get("cache_hit") else usage_of(call, kwargs, response_obj)
        service = (kwargs.get("standard_logging_object") or {}).get("model_group") or call.attempted
        is_settled = bool(used) and service == call.service
        if call.is_reserved and not is_settled:
            self._start(self._release(call))
        if not used:
            self._log_unused(call, is_cached=bool(kwargs.get("cache_hit")))
            return
        # LiteLLM's instants are in local time without an offset.
        self._record(call, service, used, counted_by, end_time.astimezone(dt.UTC))

    # Not async_log_failure_event: it is called for each attempt, and a retry or a fallback may succeed.
    async def async_post_call_failure_hook(self, request_data: dict[str, Any], *_: Any, **__: Any) -> None:
        """Release a call that failed finally."""
        call = _admitted(request_data)
        if call is not None and call.is_reserved:
            self._start(self._release(call))

    async def metrics(self) -> PlainTextResponse:
        """Return the counters in Prometheus' text format."""
        lines = []
        for metric, (text, label) in METRICS.items():
            name = f"sensenova_gateway_{metric}_total"
            lines += [f"# HELP {name} {text}", f"# TYPE {name} counter"]
            lines += [f'{name}{{{label}="{value}"}} {n}' for value, n in sorted(self.counts[metric].items())]
        return PlainTextResponse("\n".join([*lines, ""]))

    def _estimate(self, call: AdmittedCall, data: dict[str, Any]) -> int:
        """Count what the caller sends; return the tokens that the call may use."""
        kind = KINDS[call.call_type]
        if kind == "speech":
            call.input_characters = len(str(data.get("input") or ""))
        if kind not in ("text", "embedding"):
            return 0
        call.input_tokens = prompt_tokens(data)
        return call.input_tokens + (output_tokens(data, usual=self.usual_output) if kind == "text" else 0)

    def _log_unused(self, call: AdmittedCall, *, is_cached: bool) -> None:
        if is_cached:
            log.info("Call %s of %s used no model, and is not billed.", call.call_id, call.customer)
        else:
            self.counts["unmeasured_answers"][call.call_type] += 1
            log.error("Call %s of %s: its usage is unknown, and is not billed.", call.call_id, call.customer)

    async def _admit(self, call: AdmittedCall, tokens: int) -> None:
        """Reserve the call, or raise the refusal."""
        names = {"customer": call.customer, "service": call.service, "call_id": call.call_id}
        body = json.dumps({**names, "estimated_tokens": tokens}).encode()
        answer = await self._answer("POST", "/api/v1/calls", body, seconds=self.patience)
        if answer is None or not (answer.is_success or answer.status_code in REJECTIONS):
            log.error(
                "Call %s of %s was not admitted (%s).", call.call_id, call.customer, answer or "no answer"
            )
            if self.lets_through:
                return
            # The server may have admitted the call before the answer was lost.
            self._start(self._release(call))
            raise _refusal(503, "billing_away", "No call can be admitted now. Try again later.")
        call.headers = {name: value for name, value in answer.headers.items() if name.startswith(FORWARDED)}
        if not answer.is_success:
            raise HTTPException(answer.status_code, answer.json(), call.headers)
        call.is_reserved = True

    def _record(
        self, call: AdmittedCall, service: str, used: dict[str, int], counted_by: str, ended: dt.datetime
    ) -> None:
        """Report usage; it settles the call unless another service has answered."""
        call.is_reported = True
        record = {
            "event_id": call.call_id,
            "customer": call.customer,
            "service": service,
            "occurred_at": ended.isoformat(),
            **used,
        }
        if counted_by != "model":
            self.counts["recounted_answers"][counted_by] += 1
            record["metadata"] = {"counted_by": counted_by}
        if call.is_reserved and service == call.service:
            record["call_id"] = call.call_id
        self._start(self._report(call.call_id, json.dumps(record).encode()))

    async def _report_cut(self, call: AdmittedCall, sent: list[Any]) -> None:
        """Report what was sent of a stream, unless LiteLLM has an event for it."""
        ended = dt.datetime.now(dt.UTC)
        await asyncio.sleep(SECONDS_FOR_AN_EVENT)
        if not call.is_reported:
            used = await asyncio.to_thread(usage_of_stream, call, sent)
            self._record(call, call.attempted, used, "gateway", ended)

    async def _report(self, event_id: str, body: bytes) -> None:
        """Send a usage record until it is answered; a copy in the folder survives this process."""
        path = self.folder / f"{event_id}.json" if self.folder else None
        if path:
            await asyncio.to_thread(path.write_bytes, body)
        wait = 1
        while True:
            answer = await self._answer("POST", "/api/v1/usage", body)
            if answer is not None and (answer.is_success or answer.status_code in FINAL):
                break
            log.warning("The usage of call %s is not stored yet (%s).", event_id, answer or "no answer")
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
        self.counts["records"]["stored" if answer.is_success else "rejected"] += 1
        if not answer.is_success:
            log.error("The usage %s was rejected: %s", body.decode(), answer.text)
        if path and path.exists():  # else another worker has sent it too
            path.unlink() if answer.is_success else path.rename(path.with_suffix(".refused"))

    async def _release(self, call: AdmittedCall) -> None:
        path = f"/api/v1/calls/{call.call_id}?customer={quote(call.customer, safe='')}"
        for attempt in range(RELEASE_ATTEMPTS):
            if await self._answer("DELETE", path):
                return  # released, never admitted, or settled by its usage
            await asyncio.sleep(2**attempt)

    async def _answer(
        self, method: str, path: str, body: bytes | None = None, *, seconds: int = 60
    ) -> httpx.Response | None:
        """Return the server's answer; None if it is unreachable or unavailable."""
        try:
            answer = await self._connected().request(method, path, content=body, timeout=seconds)
        except httpx.TransportError as error:
            log.warning("%s cannot be reached: %r", self.url, error)
            return None
        return None if answer.status_code >= 500 else answer

    def _connected(self) -> httpx.AsyncClient:
        """Return the client; made at the first call, when the event loop exists."""
        if self.client is None:
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            self.client = httpx.AsyncClient(base_url=self.url, headers=headers)
            if self.folder:
                self.folder.mkdir(parents=True, exist_ok=True)
                for path in self.folder.glob("*.json"):
                    self._start(self._report(path.stem, path.read_bytes()))
        return self.client

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def _customer(key: Any) -> str:
    """Return the customer to bill: that of the key or its team, else the end user given by the caller."""
    for metadata in (key.metadata, key.team_metadata):
        if customer := (metadata or {}).get("billing_customer"):
            return str(customer)
    if key.end_user_id:
        return str(key.end_user_id)
    raise _refusal(400, "no_customer", "Neither the key nor `user` names a customer.")


def _admitted(where: dict[str, Any]) -> AdmittedCall | None:
    """Return the admitted call in a request or in an event of LiteLLM's."""
    params = where.get("litellm_params") or where
    found = [
        where.get(MARK),
        *((params.get(place) or {}).get(MARK) for place in ("litellm_metadata", "metadata")),
    ]
    return next((call for call in found if isinstance(call, AdmittedCall)), None)


def _refusal(status: int, code: str, message: str) -> HTTPException:
    return HTTPException(status, {"error": {"code": code, "message": message, "details": []}})


billing_logger = BillingLogger(os.environ)
# With the master key; a key for calls may not read it.
app.add_api_route(
    "/sensenova-billing/metrics", billing_logger.metrics, dependencies=[Depends(user_api_key_auth)]
)
