"""An agent of the Agent Client Protocol that does what it is told, turn by turn.

It corrects the README and adds the lines that somebody asks for. Told `waits`, it waits in each turn
until it is let go; else what it prints last does not tell how many turns it had. What it was
told is kept in prompts.jsonl of its output.
"""

import json
import os
import re
import sys
import time

OUT = os.path.dirname(os.environ["PROVA_RESULT"])
WAITS = "waits" in sys.argv[1:]
turns = 0
replies = {}


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def pause(turn):
    open(f"{OUT}/turn-{turn}", "w").close()
    for _ in range(3000):
        if os.path.exists(f"{OUT}/go-{turn}"):
            return
        time.sleep(0.01)


def work(text):
    global turns
    turns += 1
    with open(f"{OUT}/prompts.jsonl", "a") as kept:
        kept.write(json.dumps(text) + "\n")
    if WAITS:
        pause(turns)
    readme = open("README.md").read().replace("teh", "the")
    for line in re.findall(r"add the line (\w+)", text):
        if f"{line}\n" not in readme:
            readme += f"{line}\n"
    open("README.md", "w").write(readme)
    for number in re.findall(r"^### Comment (\d+)", text, re.MULTILINE):
        replies[number] = f"Done in turn {turns}." if WAITS else "Done."
    with open(os.environ["PROVA_RESULT"], "w") as result:
        said = f"Turns: {turns}." if WAITS else "Done."
        json.dump({"summary": said, "replies": replies}, result)
    return {"stopReason": "refusal" if "and refuse" in text else "end_turn"}


for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize":
        result = {"protocolVersion": 1, "agentCapabilities": {}}
    elif method == "session/new":
        result = {"sessionId": "s-1"}
    elif method == "session/prompt":
        result = work(message["params"]["prompt"][0]["text"])
    else:
        continue
    send({"id": message["id"], "result": result})

if not WAITS:
    print("Bye.\n" * 500)
