"""A server over stdio, as a remote party would write it: standard library only, one scripted behaviour per tool name.

Started as `stdio_server.py LOG [BEHAVIOUR]`. It appends to LOG the line `started`, every message that it reads, and
`ended` when its input has. `names VERSION...` refuses to be opened in any other version, `settles VERSION` has
`initialize` agree on it.
"""

import json
import os
import sys
from pathlib import Path
from typing import TypeGuard

Message = dict[str, object]

LOG, BEHAVIOUR = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
held: list[Message] = []


def log(text: str) -> None:
    """Keep a line for the test to read."""
    with LOG.open("a") as file:
        file.write(text + "\n")


def say(message: object) -> None:
    """Write one message."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def answer(asked: Message, result: object) -> None:
    """Answer a request."""
    say({"jsonrpc": "2.0", "id": asked["id"], "result": result})


def progress(token: object, number: object) -> None:
    """Tell progress to whoever has the token."""
    params = {"progressToken": token, "progress": number}
    say({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})


def members(value: object) -> TypeGuard[Message]:
    """Tell whether a JSON value is an object."""
    return isinstance(value, dict)


def call(asked: Message, params: Message) -> None:
    """Do what the tool's name says."""
    meta = params.get("_meta")
    token = meta.get("progressToken") if members(meta) else None
    match params.get("name"):
        case "die":
            os._exit(3)
        case "hold":
            held.append(asked)
        case "release":
            release(asked)
        case "long":
            answer(asked, {"text": "x" * 200_000})
        case "long and odd":
            say({"result": {"text": "x" * 200_000}, "id": asked["id"], "jsonrpc": "2.0"})
        case "progress":
            for number in range(3):
                progress(token, number)
            answer(asked, {"token": token})
        case "noise":
            make_noise(asked)
        case "who" | "log" | "elicit" | "ask" | "change" | "model" | "roots":
            speak(asked, str(params["name"]))
        case _:
            answer(asked, {"params": params})


def speak(asked: Message, name: str) -> None:
    """Say something in the middle of a call."""
    if name == "who":
        answer(asked, {"pid": os.getpid()})
        return
    if name == "log":
        say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}})
        answer(asked, {})
        return
    if name == "change":
        say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        answer(asked, {})
        return
    if name == "ask":
        say({"jsonrpc": "2.0", "id": "ping-1", "method": "ping"})
    method = {"model": "sampling/createMessage", "roots": "roots/list"}.get(name, "elicitation/create")
    say({"jsonrpc": "2.0", "id": 2, "method": method, "params": {"message": "?"}})
    held.append(asked)


def release(asked: Message) -> None:
    """Answer what was held, the last first."""
    for waiting in reversed(held):
        answer(waiting, waiting["params"])
    held.clear()
    answer(asked, {})


def make_noise(asked: Message) -> None:
    """Say everything that is no answer, then answer."""
    stray: list[object] = ["stray", True, 1.0, 10**40, "1", None, {"a": 1}, 999]
    for wrong in stray:
        progress(wrong, 1)
        answer({"id": wrong}, {"wrong": True})
    sys.stdout.write("a stray line\n[]\n{" + "[" * 5000 + "\n")
    answer(asked, {"right": True})


def initialize(asked: Message, params: Message) -> None:
    """Open the conversation, or fail to."""
    if BEHAVIOUR == "refuses":
        say({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32602, "message": "no"}})
    elif BEHAVIOUR == "dies":
        os._exit(3)
    elif not refused(asked, params["protocolVersion"]):
        version = BEHAVIOUR.removeprefix("settles ") if BEHAVIOUR.startswith("settles ") else params["protocolVersion"]
        answer(asked, {"protocolVersion": version, "capabilities": {}})


def discover(asked: Message) -> None:
    """Say what this server is, or that it is older than that."""
    if BEHAVIOUR == "legacy":
        say({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "no"}})
    elif BEHAVIOUR == "dies":
        os._exit(3)
    elif not refused(asked, "2026-07-28"):
        answer(asked, {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {}})


def refused(asked: Message, version: object) -> bool:
    """Refuse a version, if this server names others."""
    named = BEHAVIOUR.split()[1:] if BEHAVIOUR.startswith("names ") else [version]
    if version not in named:
        error = {"code": -32022, "message": "no", "data": {"supported": named, "requested": version}}
        say({"jsonrpc": "2.0", "id": asked["id"], "error": error})
    return version not in named


def main() -> None:
    """Read messages until the input ends."""
    log("started")
    if BEHAVIOUR == "mute":
        os.read(os.pipe()[0], 1)
    if BEHAVIOUR == "deaf":
        discover(json.loads(sys.stdin.readline()))
        os.read(os.pipe()[0], 1)
    for line in sys.stdin:
        message: Message = json.loads(line)
        log(json.dumps(message))
        params = message.get("params")
        if message.get("method") == "initialize" and members(params):
            initialize(message, params)
        elif message.get("method") == "server/discover":
            discover(message)
        elif message.get("method") == "tools/call" and members(params):
            call(message, params)
        elif "method" not in message and len(held) > 0 and message.get("id") == 2:
            answer(held.pop(), {"answered": True, "with": message.get("result")})
    log("ended")


main()
