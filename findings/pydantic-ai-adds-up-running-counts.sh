#!/usr/bin/env bash
# pydantic-ai 2.62.0: of a stream whose chunks have the usage so far, as those of Gemini's endpoint for OpenAI's client, the
# counts of all chunks are added up, and priced.
#
# Expected: the last chunk's, 2000 and 300, as openai-agents 0.24.0 has them of the same stream.
# Seen on 2026-11-30: 6000 and 600 of three chunks, and the cost of as many; each chunk more adds the prompt once more, so
# that a long answer costs a multiple. openai_continuous_usage_stats, a setting that asks vLLM for such chunks, makes the
# last one count; without it, a service that sends them unasked is counted wrongly.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check "pydantic-ai-slim[openai]==2.62.0" openai-agents==0.24.0 genai-prices==0.2.3
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import asyncio
import http.server
import json
import threading

import agents
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1795900000, "model": "gpt-5"}
        chunks = []
        parts = (({"role": "assistant", "content": "H"}, None, 100), ({"content": "i"}, None, 200), ({}, "stop", 300))
        for delta, end, output in parts:
            choice = {"index": 0, "delta": delta, "finish_reason": end}
            usage = {"prompt_tokens": 2000, "completion_tokens": output, "total_tokens": 2000 + output}
            chunks.append(head | {"choices": [choice], "usage": usage})
        body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = AsyncOpenAI(api_key="key", base_url=f"http://127.0.0.1:{server.server_port}")
agents.set_tracing_disabled(True)


async def main():
    model = agents.OpenAIChatCompletionsModel(model="gpt-5", openai_client=client)
    run = agents.Runner.run_streamed(agents.Agent(name="agent", model=model), "Hello")
    async for _ in run.stream_events():
        pass
    usage = run.context_wrapper.usage
    print("openai-agents", usage.input_tokens, usage.output_tokens)
    model = OpenAIChatModel("gpt-5", provider=OpenAIProvider(openai_client=client))
    for name, settings in (("pydantic-ai", {}), ("with the setting", {"openai_continuous_usage_stats": True})):
        async with Agent(model, model_settings=settings).run_stream("Hello") as run:
            await run.get_output()
            usage = run.usage() if callable(run.usage) else run.usage
            print(name, usage.input_tokens, usage.output_tokens, usage.cost)


asyncio.run(main())
PYTHON
diff "$here/seen" - <<'SEEN'
openai-agents 2000 300
pydantic-ai 6000 600 0.0135
with the setting 2000 300 0.0055
SEEN
echo "as described"
