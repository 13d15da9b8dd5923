"""An agent of the Agent Client Protocol that says something new all the time, until it is told to end."""

import json
import os
import sys
import time

OUT = os.path.dirname(os.environ["PROVA_RESULT"])


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def talk():
    open(f"{OUT}/talks", "w").close()
    number = 0
    while not os.path.exists(f"{OUT}/enough"):
        number += 1
        done = {"sessionUpdate": "tool_call", "toolCallId": f"t{number}", "title": f"Read page {number}", "status": "completed"}
        send({"method": "session/update", "params": {"sessionId": "s-1", "update": done}})
        time.sleep(0.002)
    return {"stopReason": "end_turn"}


ANSWERS = {
    "initialize": lambda: {"protocolVersion": 1, "agentCapabilities": {}},
    "session/new": lambda: {"sessionId": "s-1"},
    "session/prompt": talk,
}

for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") in ANSWERS:
        send({"id": message["id"], "result": ANSWERS[message["method"]]()})
