"""An agent of the Agent Client Protocol that does what its first argument names.

What it is told is kept in heard.jsonl of the checkout.
"""

import json
import os
import signal
import subprocess
import sys
import time

SESSION = "s-1"
part = sys.argv[1]


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def raw(line):
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def update(kind, /, **said):
    said["sessionUpdate"] = kind
    send({"method": "session/update", "params": {"sessionId": SESSION, "update": said}})


def say(text, kind="agent_message_chunk"):
    update(kind, content={"type": "text", "text": text})


def hear():
    line = sys.stdin.readline()
    if not line:
        return None
    with open("heard.jsonl", "a") as kept:
        kept.write(line)
    return json.loads(line)


def ask(number, method, **params):
    """Asks the client, and returns its answer."""
    send({"id": number, "method": method, "params": {"sessionId": SESSION, **params}})
    while True:
        message = hear()
        if message is None:
            sys.exit(1)
        if message.get("id") == number and "method" not in message:
            return message


def work():
    say("I think.", "agent_thought_chunk")
    say("I will ")
    say("edit.")
    plan = [("read", "completed"), ("write", "in_progress")]
    update("plan", entries=[{"content": c, "priority": "low", "status": s} for c, s in plan])
    update("tool_call", toolCallId="t1", title="Edit", kind="edit", status="pending")
    with open("made.txt", "w") as made:
        names = ["PWD", "HOME", "TMPDIR", "COLOUR"]
        made.write("".join(f"{os.environ.get(name)}\n" for name in names) + os.getcwd())
    diff = {"type": "diff", "path": os.getcwd() + "/made.txt", "newText": "…"}
    where = [{"path": os.getcwd() + "/made.txt", "line": 1}]
    update("tool_call_update", toolCallId="t1", title="Edit made.txt", status="in_progress")
    update("tool_call_update", toolCallId="t1", status="completed", content=[diff], locations=where)
    update("usage_update", used=70, size=1000)
    update("something_new", what="ever")
    say("Done.")
    return {"stopReason": "end_turn", "usage": {"inputTokens": 50, "outputTokens": 20, "totalTokens": 70}}


def asks():
    kinds = ["allow_always", "allow_once", "reject_once"]
    options = [{"optionId": kind, "name": kind, "kind": kind} for kind in kinds]
    answers = [
        ask("p", "session/request_permission", toolCall={"toolCallId": "t1"}, options=options),
        ask(7, "session/request_permission", toolCall={"toolCallId": "t1"}, options=[]),
        ask(8, "elicitation/create", mode="form", message="Name?", requestedSchema={"type": "object"}),
        ask(9, "fs/read_text_file", path="/etc/passwd"),
        ask(10, "_vendor/anything"),
    ]
    with open("answers.json", "w") as kept:
        json.dump(answers, kept)
    return {"stopReason": "end_turn"}


def noise():
    raw(b"\x1b[32mready\x1b[0m")
    raw(b"\xc3\xff half")
    raw(b"")
    raw(b"[]")
    raw(b'{"jsonrpc":"2.0","method":"session/update","params":' + b"[" * 5000)
    huge = b'{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s-1","update":"'
    raw(huge + b"x" * 50_000_000 + b'"}}')
    raw(b'{"jsonrpc":"2.0","id":99,"result":{"of":"nothing that was asked"}}')
    say("Still \x1b[31mhere\x00.")
    sys.stdout.write("no end of line yet")
    sys.stdout.flush()
    raw(b"")
    return {"stopReason": "end_turn"}


def cancelled():
    tool = subprocess.Popen(["sleep", "1000"])
    update("tool_call", toolCallId="t1", title="sleep 1000", status="in_progress")
    while hear()["method"] != "session/cancel":
        pass
    tool.kill()
    tool.wait()
    open("tool-ended", "w").close()
    return {"stopReason": "cancelled"}


def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    update("tool_call", toolCallId="t1", title="sleep 1000", status="in_progress")
    while True:
        hear() or time.sleep(1000)


def crash():
    say("I begin.")
    os._exit(3)


def lingers():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    return {"stopReason": "end_turn"}


def shows():
    tree = {where: os.listdir(os.path.expanduser(where)) for where in (".", "hidden")}
    config = os.path.expanduser("~/.config/agent.json")
    with open("shown.json", "w") as kept:
        json.dump({"env": dict(os.environ), "tree": tree, "config": open(config).read()}, kept)
    return {"stopReason": "end_turn"}


def apologises():
    say("Ran into this error: ")
    say("no credits.")
    return {"stopReason": "end_turn"}


def tires():
    if os.path.exists("made.txt"):
        return {"stopReason": "refusal"}
    return work()


class Refused(Exception):
    pass


def error():
    raise Refused


TURNS = {
    "shows": shows,
    "apologises": apologises,
    "asks": asks,
    "noise": noise,
    "cancelled": cancelled,
    "stubborn": stubborn,
    "crash": crash,
    "lingers": lingers,
    "error": error,
    "tires": tires,
    "refusal": lambda: {"stopReason": "refusal"},
    "limit": lambda: {"stopReason": "max_turn_requests"},
    "odd": lambda: {"stopReason": "no such reason"},
}


def answered(message):
    method = message["method"]
    if method == "initialize":
        can = {} if part == "forgets" else {"loadSession": part != "resumes"}
        if part == "resumes":
            can["sessionCapabilities"] = {"resume": {}}
        return {"protocolVersion": 2 if part == "newer" else 1, "agentCapabilities": can}
    if method == "session/new":
        open(os.path.expanduser("~/session"), "w").close()
        return {"sessionId": SESSION}
    if method in ("session/load", "session/resume"):
        if not os.path.exists(os.path.expanduser("~/session")):
            raise Refused
        say("Long ago I said this.")
        return {}
    if method in ("session/set_mode", "authenticate"):
        if message["params"].get("modeId") == "no such":
            raise Refused
        return {}
    if method == "session/prompt":
        return TURNS.get(part, work)()
    return None


def main():
    if part == "leaves":
        return
    if part == "mute":
        time.sleep(1000)
    while True:
        message = hear()
        if message is None:
            break
        try:
            result = answered(message)
        except Refused:
            wrong = {"code": -32603, "message": "Internal error", "data": {"details": "not today"}}
            send({"id": message["id"], "error": wrong})
            continue
        if result is not None:
            send({"id": message["id"], "result": result})
    if part == "lingers":
        time.sleep(1000)


main()
