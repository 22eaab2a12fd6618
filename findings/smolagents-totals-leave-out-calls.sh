#!/usr/bin/env bash
# smolagents 1.26.0: the token usage of a run leaves out the agents that it manages, and that of its monitor leaves out
# the planning as well.
#
# RunResult.token_usage and Monitor.get_total_token_counts() both count the tokens of a run; the monitor's are what is
# printed after each step.
# Expected: both have 4000 and 600 of a run that makes two calls of 2000 and 300 tokens, whoever in it makes them.
# Seen on 2026-11-30: with a planning step the result has both calls and the monitor one; where a managed agent made one
# of them, both have one. Nothing of the run has the sum; the managed agent's monitor has the rest.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check "smolagents[openai]==1.26.0" openai==3.57.0
cd "$here"
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

from smolagents import CodeAgent, OpenAIServerModel

requests = []


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        requests.append(asked)
        # The manager asks its agent; an agent with the task of saying Hi says it.
        code = "final_answer('Hi')" if "say Hi" in str(asked["messages"]) else "final_answer(helper(task='say Hi'))"
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1795900000,
            "model": "gpt-5",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": f"Thought: done\n<code>\n{code}\n</code>"},
                }
            ],
            "usage": {"prompt_tokens": 2000, "completion_tokens": 300, "total_tokens": 2300},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
model = OpenAIServerModel(model_id="gpt-5", api_key="key", api_base=f"http://127.0.0.1:{server.server_port}")
options = {"tools": [], "model": model, "max_steps": 1, "verbosity_level": 0}
helper = CodeAgent(**options, name="helper", description="Says things.")
for name, agent, task in (
    ("plain", CodeAgent(**options), "say Hi"),
    ("planning", CodeAgent(**options, planning_interval=1), "say Hi"),
    ("managing", CodeAgent(**options, managed_agents=[helper]), "have it said"),
):
    requests.clear()
    result = agent.run(task, return_full_result=True).token_usage
    monitor = agent.monitor.get_total_token_counts()
    counts = (result.input_tokens, result.output_tokens, "monitor", monitor.input_tokens, monitor.output_tokens)
    print(f"{name}: {len(requests)} calls, result", *counts)
PYTHON
diff "$here/seen" - <<'SEEN'
plain: 1 calls, result 2000 300 monitor 2000 300
planning: 2 calls, result 4000 600 monitor 2000 300
managing: 2 calls, result 2000 300 monitor 2000 300
SEEN
echo "as described"
