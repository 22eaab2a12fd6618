#!/usr/bin/env bash
# litellm 1.106.2: a stream is logged with 0 tokens unless its caller asks for usage; in Google's form nobody can ask.
#
# The service counts 4 tokens of input and 26 of output. At the end of a stream it says so if the request has
# stream_options.include_usage, as OpenAI does.
# Expected: the success event of a stream has the counts of the service or, where it was not asked, LiteLLM's own, which
# its stream_chunk_builder makes of the chunks; the same for acompletion, atext_completion and
# agenerate_content_stream, all of which become the same request.
# Seen on 2026-11-29: 0 and 0 where the caller did not ask, so that such calls look like calls that used nothing; and
# agenerate_content_stream drops stream_options, so that its calls always do. (async_pre_call_deployment_hook sees the
# request that is made of it, and can add them.)
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check litellm==1.106.2
LITELLM_LOCAL_MODEL_COST_MAP=True "$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import asyncio
import http.server
import json
import logging
import threading

import litellm
from litellm.google_genai import agenerate_content_stream
from litellm.integrations.custom_logger import CustomLogger

logging.disable(logging.CRITICAL)


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        said = {"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "text": "Hello", "finish_reason": None}
        end = {"index": 0, "delta": {}, "text": "", "finish_reason": "stop"}
        chunks = [{**head, "choices": [choice]} for choice in (said, end)]
        if asked.get("stream_options", {}).get("include_usage"):
            usage = {"prompt_tokens": 4, "completion_tokens": 26, "total_tokens": 30}
            chunks.append({**head, "choices": [], "usage": usage})
        lines = [*map(json.dumps, chunks), "[DONE]"]
        body = "".join(f"data: {line}\n\n" for line in lines).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Counting(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        logged = kwargs["standard_logging_object"]
        counts.append((logged["prompt_tokens"], logged["completion_tokens"]))


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
where = {"model": "openai/m", "api_key": "key", "api_base": f"http://127.0.0.1:{server.server_port}/v1"}
hello = [{"role": "user", "content": "Hello"}]
contents = [{"role": "user", "parts": [{"text": "Hello"}]}]
asking = {"stream_options": {"include_usage": True}}
counts = []
litellm.callbacks = [Counting()]


async def show(name, call):
    counts.clear()
    async for _ in await call:
        await asyncio.sleep(0)
    for _ in range(100):
        if counts:
            break
        await asyncio.sleep(0.1)
    print(f"{name:32}", *counts[0] if counts else ("no event",))


async def main():
    await show("chat", litellm.acompletion(**where, messages=hello, stream=True))
    await show("chat, asking", litellm.acompletion(**where, messages=hello, stream=True, **asking))
    await show("text completion", litellm.atext_completion(**where, prompt="Hello", stream=True))
    await show("text completion, asking", litellm.atext_completion(**where, prompt="Hello", stream=True, **asking))
    await show("generate content", agenerate_content_stream(**where, contents=contents))
    await show("generate content, asking", agenerate_content_stream(**where, contents=contents, **asking))


asyncio.run(main())
PYTHON
diff "$here/seen" - <<'SEEN'
chat                             0 0
chat, asking                     4 26
text completion                  0 0
text completion, asking          4 26
generate content                 0 0
generate content, asking         0 0
SEEN
echo "as described"
