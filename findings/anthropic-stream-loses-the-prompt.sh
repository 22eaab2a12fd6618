#!/usr/bin/env bash
# lago-agent-sdk 0.3.1 and langchain-anthropic 1.7.10: a streamed message can be metered without its prompt, and its
# cache writes without their lifetime. Client: anthropic 2.14.0.
#
# message_start names all counts; message_delta at the end has the output once more, and where the service sends them
# the others too. Here: 10 tokens of input, 1,000 read from the cache, 50 written to it for 5 minutes, 150 for an hour,
# 15 of output.
# Expected: the counts of a streamed call are those of the call that is not streamed, as in the client's final message.
# Seen on 2026-11-29: where message_delta names the output only, lago-agent-sdk meters create(stream=True) without
# input, cached tokens and the sum of the writes, for what the last event lacks is None in the client's model and
# replaces what the first one said; LangChain has the 15 of output and nothing else. And LangChain has two forms of the
# writes: not streamed, the two lifetimes beside cache_creation=0; streamed, cache_creation=200 without lifetimes, so
# that what was written for an hour (2 times the price of input) cannot be told from the rest (1.25 times).
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check anthropic==2.14.0 lago-agent-sdk==0.3.1 \
  langchain-anthropic==1.7.10 langchain-core==1.8.3
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

import anthropic
from lago_agent_sdk import LagoSDK
from langchain_anthropic import ChatAnthropic

PROMPT = {"input_tokens": 10, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 200}
WRITES = {"cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 150}}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-5",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {**PROMPT, **WRITES, "output_tokens": 15},
}


def streamed(last_usage):
    start = {**MESSAGE, "content": [], "stop_reason": None, "usage": {**MESSAGE["usage"], "output_tokens": 1}}
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    events = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": delta, "usage": last_usage},
        {"type": "message_stop"},
    ]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)


answer = ""
metered = {}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/events/batch"):
            for event in asked["events"]:
                metered[event["code"].removeprefix("llm_").removesuffix("_tokens")] = event["properties"]["value"]
        kind = "text/event-stream" if asked.get("stream") else "application/json"
        body = (answer if "model" in asked else "{}").encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
call = {"model": "claude-opus-4-5", "max_tokens": 99, "messages": [{"role": "user", "content": "Hello"}]}
lago = LagoSDK(api_key="key", api_url=f"{url}/api/v1", default_subscription_id="sub_1")
plain = anthropic.Anthropic(api_key="key", base_url=url)
wrapped = lago.wrap(anthropic.Anthropic(api_key="key", base_url=url))
chat = ChatAnthropic(model="claude-opus-4-5", api_key="key", base_url=url)


def show(name, usage):
    lago.flush()
    print(name)
    print("  lago     ", " ".join(f"{code}={value}" for code, value in sorted(metered.items())))
    metered.clear()
    counts = {"input": usage["input_tokens"], "output": usage["output_tokens"], **usage["input_token_details"]}
    named = (f"{name.removesuffix('_input_tokens')}={count}" for name, count in sorted(counts.items()))
    print("  langchain", *named)


answer = json.dumps(MESSAGE)
wrapped.messages.create(**call)
show("not streamed", chat.invoke("Hello").usage_metadata)
for name, prompt in ("streamed, all counts at the end", PROMPT), ("streamed, output at the end", {}):
    answer = streamed({**prompt, "output_tokens": 15})
    for _ in wrapped.messages.create(**call, stream=True):
        pass
    chunks = list(chat.stream("Hello"))
    show(name, sum(chunks[1:], chunks[0]).usage_metadata)
with plain.messages.stream(**call) as stream:
    usage = stream.get_final_message().usage
counts = [usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.output_tokens]
print("  anthropic", *counts)
lago.shutdown()
PYTHON
diff "$here/seen" - <<'SEEN'
not streamed
  lago      cache_creation=200 cache_write_1h=150 cache_write_5m=50 cached_input=1000 input=10 output=15
  langchain cache_creation=0 cache_read=1000 ephemeral_1h=150 ephemeral_5m=50 input=1210 output=15
streamed, all counts at the end
  lago      cache_creation=200 cache_write_1h=150 cache_write_5m=50 cached_input=1000 input=10 output=15
  langchain cache_creation=200 cache_read=1000 input=1210 output=15
streamed, output at the end
  lago      cache_write_1h=150 cache_write_5m=50 output=15
  langchain input=0 output=15
  anthropic 10 1000 200 15
SEEN
echo "as described"
