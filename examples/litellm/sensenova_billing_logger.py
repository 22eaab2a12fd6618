"""Admits each call of LiteLLM's proxy with SenseNova Billing, then reports its tokens or releases it.

Each call has one admission and one usage record, both under an id made here: callers may choose LiteLLM's own
id, and could pay once for many calls. docs/gateway.md has a diagram of the sequence.
"""

import asyncio
import datetime as dt
import json
import logging
import os
import uuid
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import HTTPException
from litellm import token_counter
from litellm.integrations.custom_logger import CustomLogger

log = logging.getLogger("sensenova_billing")

EMBEDDINGS = {"aembedding", "embedding", "embeddings"}
TEXTS = {"acompletion", "completion", "atext_completion", "text_completion"}
TEXTS |= {"aresponses", "responses", "anthropic_messages"}
OUTPUT_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
# Statuses that reject this call. Others concern the gateway, and are treated as no answer.
REJECTIONS = {400, 403, 409, 422, 429}
FORWARDED = ("retry-after", "x-should-retry", "x-ratelimit-")
# The billing server has rejected the record. After all other answers it is resent.
FINAL = {400, 409, 413, 415, 422}
LONGEST_WAIT = 60
# After these the call has left the window anyway.
RELEASE_ATTEMPTS = 6
MARK = "sensenova_call"


@dataclass(frozen=True)
class AdmittedCall:
    """A call that may be made; a caller's JSON cannot contain an object of this class."""

    call_id: str
    customer: str
    service: str
    is_reserved: bool
    headers: dict[str, str] = field(default_factory=dict)


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

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:
        """Let the call proceed if the billing server admits it; else raise its error."""
        if call_type not in TEXTS | EMBEDDINGS:
            return data
        customer = _customer(user_api_key_dict)
        output = 0 if call_type in EMBEDDINGS else _output_tokens(data, usual=self.usual_output)
        tokens = await asyncio.to_thread(_prompt_tokens, data) + output
        call = await self._admit(customer=customer, service=str(data.get("model")), tokens=tokens)
        place = "litellm_metadata" if "litellm_metadata" in data else "metadata"
        data[place] = {**(data.get(place) or {}), MARK: call}
        return data

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
        return call.headers if call else {}

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: dt.datetime, end_time: dt.datetime
    ) -> None:
        """Report what the call used; release it if it used nothing."""
        call = _admitted(kwargs.get("litellm_params") or {})
        if call is None:
            return
        logged = kwargs.get("standard_logging_object") or {}
        tokens = {
            "input_tokens": logged.get("prompt_tokens"),
            "output_tokens": logged.get("completion_tokens"),
        }
        is_used = any(tokens.values()) and not kwargs.get("cache_hit")
        # After a fallback another model has answered, which is billed.
        service = logged.get("model_group") or call.service
        is_settled = is_used and service == call.service
        if call.is_reserved and not is_settled:
            self._start(self._release(call))
        if not is_used:
            log.info("Call %s of %s used no model: nothing is billed.", call.call_id, call.customer)
            return
        record = {
            "event_id": call.call_id,
            "customer": call.customer,
            "service": service,
            # LiteLLM's instants are in local time without an offset.
            "occurred_at": end_time.astimezone(dt.UTC).isoformat(),
            **{name: count or 0 for name, count in tokens.items()},
            **({"call_id": call.call_id} if call.is_reserved and is_settled else {}),
        }
        self._start(self._report(call.call_id, json.dumps(record).encode()))

    # Not async_log_failure_event: it is called for each attempt, and a retry or a fallback may succeed.
    async def async_post_call_failure_hook(self, request_data: dict[str, Any], *_: Any, **__: Any) -> None:
        """Release a call that failed finally."""
        call = _admitted(request_data)
        if call is not None and call.is_reserved:
            self._start(self._release(call))

    async def _admit(self, *, customer: str, service: str, tokens: int) -> AdmittedCall:
        call_id = str(uuid.uuid4())
        call = {"customer": customer, "service": service, "estimated_tokens": tokens, "call_id": call_id}
        answer = await self._answer("POST", "/api/v1/calls", json.dumps(call).encode(), seconds=self.patience)
        if answer is None or not (answer.is_success or answer.status_code in REJECTIONS):
            log.error("Call %s of %s was not admitted (%s).", call_id, customer, answer or "no answer")
            if self.lets_through:
                return AdmittedCall(call_id, customer, service, is_reserved=False)
            # The server may have admitted the call before the answer was lost.
            self._start(self._release(AdmittedCall(call_id, customer, service, is_reserved=True)))
            raise _refusal(503, "billing_away", "No call can be admitted now. Try again later.")
        headers = {name: value for name, value in answer.headers.items() if name.startswith(FORWARDED)}
        if not answer.is_success:
            raise HTTPException(answer.status_code, answer.json(), headers)
        return AdmittedCall(call_id, customer, service, is_reserved=True, headers=headers)

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


def _prompt_tokens(data: dict[str, Any]) -> int:
    model = str(data.get("model"))
    prompt = data.get("messages") or data.get("prompt") or data.get("input") or ""
    try:
        if data.get("messages"):
            # Otherwise LiteLLM would fetch the images of a message.
            return int(token_counter(model, messages=prompt, use_default_image_token_count=True))
        return sum(_tokens_of(part, model) for part in ([prompt] if isinstance(prompt, str) else prompt))
    except (TypeError, ValueError, KeyError, AttributeError):
        # Not text, or not in LiteLLM's format; the model decides.
        return len(json.dumps(prompt)) // 4


def _tokens_of(part: Any, model: str) -> int:
    """Return the number of tokens of a text, a list of tokens or one token."""
    if isinstance(part, str):
        return int(token_counter(model, text=part))
    return 1 if isinstance(part, int) else len(part)


def _output_tokens(data: dict[str, Any], *, usual: int) -> int:
    """Return the maximum of the answer, as given by the caller or usual."""
    limits = [data[name] for name in OUTPUT_LIMITS if isinstance(data.get(name), int) and data[name] > 0]
    answers = data["n"] if isinstance(data.get("n"), int) and data["n"] > 0 else 1
    return int(max(limits, default=usual) * answers)


def _admitted(where: dict[str, Any]) -> AdmittedCall | None:
    """Return the admitted call in LiteLLM's metadata."""
    found = [(where.get(place) or {}).get(MARK) for place in ("litellm_metadata", "metadata")]
    return next((call for call in found if isinstance(call, AdmittedCall)), None)


def _refusal(status: int, code: str, message: str) -> HTTPException:
    return HTTPException(status, {"error": {"code": code, "message": message, "details": []}})


billing_logger = BillingLogger(os.environ)
