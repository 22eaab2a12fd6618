#!/usr/bin/env bash
# semantic-kernel 1.45.0: the token totals of a chat service leave out streamed calls.
#
# A chat service for OpenAI adds up prompt_tokens, completion_tokens and total_tokens of its calls. It asks for the usage
# of streams by itself, and each stream's last message has it.
# Expected: after a whole answer and a stream of 2000 and 300 tokens each, totals of 4000 and 600.
# Seen on 2026-11-30: the message of the stream has its usage; the totals are 2000 and 300.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check semantic-kernel==1.45.0 openai==2.54.0
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import asyncio
import http.server
import json
import threading

from openai import AsyncOpenAI
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion, OpenAIChatPromptExecutionSettings
from semantic_kernel.contents import ChatHistory

USAGE = {
    "prompt_tokens": 2000,
    "completion_tokens": 300,
    "total_tokens": 2300,
    "prompt_tokens_details": {"cached_tokens": 1024},
    "completion_tokens_details": {"reasoning_tokens": 200},
}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"id": "chatcmpl-1", "created": 1795900000, "model": "gpt-5"}
        whole = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}
        part = {"index": 0, "finish_reason": "stop", "delta": {"role": "assistant", "content": "Hi"}}
        chunk = answer | {"object": "chat.completion.chunk"}
        chunks = [chunk | {"choices": [part]}]
        if asked.get("stream_options", {}).get("include_usage"):
            chunks = [chunk | {"choices": [part], "usage": None}, chunk | {"choices": [], "usage": USAGE}]
        streamed = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        answer = json.dumps(answer | {"object": "chat.completion", "choices": [whole], "usage": USAGE})
        body = (streamed if asked.get("stream") else answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if asked.get("stream") else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
async def main():
    client = AsyncOpenAI(base_url=url, api_key="key")
    service = OpenAIChatCompletion(ai_model_id="gpt-5", async_client=client)
    history = ChatHistory()
    history.add_user_message("Hi")
    settings = OpenAIChatPromptExecutionSettings()
    whole = await service.get_chat_message_content(history, settings)
    print("whole", whole.metadata["usage"].prompt_tokens, whole.metadata["usage"].completion_tokens)
    async for part in service.get_streaming_chat_message_content(history, settings):
        if part and part.metadata.get("usage"):
            print("streamed", part.metadata["usage"].prompt_tokens, part.metadata["usage"].completion_tokens)
    print("totals", service.prompt_tokens, service.completion_tokens, service.total_tokens)


asyncio.run(main())
PYTHON
diff "$here/seen" - <<'SEEN'
whole 2000 300
streamed 2000 300
totals 2000 300 2300
SEEN
echo "as described"
