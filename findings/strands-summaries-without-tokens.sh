#!/usr/bin/env bash
# strands-agents 1.62.0: the call by which a conversation is summarised is in no metrics of the agent, and neither is one of
# structured_output().
#
# An agent's metrics add up the tokens of its calls (accumulated_usage). SummarizingConversationManager has the agent's
# model write a summary where a conversation has become too long, so that this prompt is the longest of all.
# Expected: after six calls and a summary 14000 tokens of input; after structured_output() 2000, as with
# structured_output_model, which replaces it.
# Seen on 2026-12-01: 12000 of seven requests, and 0 of one.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check strands-agents==1.62.0 openai==2.54.0
cd "$here"
HOME="$here" "$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

import pydantic
from strands import Agent
from strands.agent.conversation_manager import SummarizingConversationManager
from strands.models.openai import OpenAIModel

USAGE = {"prompt_tokens": 2000, "completion_tokens": 300, "total_tokens": 2300}
TEXT = '{"age": 7}'
requests = []


class Age(pydantic.BaseModel):
    age: int


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        requests.append(asked)
        message = {"role": "assistant", "content": TEXT}
        tools = [tool["function"]["name"] for tool in asked.get("tools", [])]
        if tools:
            function = {"name": tools[0], "arguments": TEXT}
            message = {"role": "assistant", "tool_calls": [{"index": 0, "id": "1", "type": "function", "function": function}]}
        end = "tool_calls" if tools else "stop"
        answer = {"id": "1", "created": 1795900000, "model": "gpt-5"}
        if asked.get("stream"):
            choices = ({"delta": message, "finish_reason": None}, {"delta": {}, "finish_reason": end})
            chunks = [{"choices": [{"index": 0, **choice}]} for choice in choices]
            if asked.get("stream_options", {}).get("include_usage"):
                chunks.append({"choices": [], "usage": USAGE})
            lines = [json.dumps(answer | {"object": "chat.completion.chunk"} | chunk) for chunk in chunks]
            self.answer("text/event-stream", "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]))
        else:
            choices = [{"index": 0, "finish_reason": end, "message": message}]
            self.answer(
                "application/json",
                json.dumps(answer | {"object": "chat.completion", "choices": choices, "usage": USAGE}),
            )

    def answer(self, kind, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = {"api_key": "key", "base_url": f"http://127.0.0.1:{server.server_port}"}
model = OpenAIModel(client_args=client, model_id="gpt-5")


def show(name, agent):
    usage = agent.event_loop_metrics.accumulated_usage
    print(f"{name}: requests {len(requests)}, counted {usage['inputTokens']} {usage['outputTokens']}")


agent = Agent(model=model, callback_handler=None, conversation_manager=SummarizingConversationManager())
for _ in range(6):
    agent("Hello")
show("six calls", agent)
agent.conversation_manager.reduce_context(agent)
show("and a summary", agent)

requests.clear()
agent = Agent(model=model, callback_handler=None)
agent("How old?", structured_output_model=Age)
show("structured_output_model", agent)

requests.clear()
agent = Agent(model=model, callback_handler=None)
agent.structured_output(Age, "How old?")
show("structured_output()", agent)
PYTHON
diff "$here/seen" - <<'SEEN'
six calls: requests 6, counted 12000 1800
and a summary: requests 7, counted 12000 1800
structured_output_model: requests 1, counted 2000 300
structured_output(): requests 1, counted 0 0
SEEN
echo "as described"
