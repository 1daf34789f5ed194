"""How a server under test asks its client in the middle of a call, in the way of either era.

2026-07-28 answers `input_required` and is asked again with the answers; 2025-11-25 sends requests to the client.
"""

from collections.abc import Mapping

import anyio
import msgspec
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.shared.message import ServerMessageMetadata
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from tests.interaction.journal import Journal

Question = ElicitRequest | CreateMessageRequest | ListRootsRequest
Answer = ElicitResult | CreateMessageResult | CreateMessageResultWithTools | ListRootsResult

KINDS = ("form", "url", "sample", "roots")
_NAMED: dict[str, object] = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def is_modern(ctx: ServerRequestContext) -> bool:
    """Whether the request has no session around it."""
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


def form(mark: str) -> ElicitRequest:
    """Ask the person at the client."""
    return ElicitRequest(params=ElicitRequestFormParams(message=f"form {mark}", requested_schema=_NAMED))


def question(kind: str, mark: str, *, modern: bool) -> Question:
    """Return a question of a kind; its text tells `mark` where a question has a text."""
    if kind == "form":
        return form(mark)
    if kind == "url":
        named = None if modern else f"id of {mark}"
        url = f"https://bank.example/{mark.replace(' ', '-')}"
        return ElicitRequest(params=ElicitRequestURLParams(message=f"url {mark}", url=url, elicitation_id=named))
    if kind == "roots":
        return ListRootsRequest(params=None)
    said = SamplingMessage(role="user", content=TextContent(text=f"sample {mark}"))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[said], max_tokens=10))


async def ask(
    ctx: ServerRequestContext, params: CallToolRequestParams, journal: Journal
) -> CallToolResult | InputRequiredResult:
    """Ask what the arguments say, as often as they say, whether or not the client can answer; return what was heard."""
    given: dict[str, object] = dict(params.arguments or {})
    mark, rounds = str(given.get("mark", "")), int(str(given.get("rounds", 1)))
    kinds = msgspec.convert(given.get("kinds", ["form"]), list[str])
    asked = {kind: question(kind, mark, modern=is_modern(ctx)) for kind in kinds}
    if is_modern(ctx):
        return _next(params, asked, (mark, rounds), journal)
    heard = ""
    try:
        for _ in range(rounds):
            journal.write("asked", mark=mark)
            heard = told({kind: await _request(ctx, one) for kind, one in asked.items()})
            journal.write("heard", mark=mark, answers=heard)
    except MCPError as failure:
        journal.write("unheard", mark=mark, code=failure.error.code)
        heard = f"unheard {failure.error.code}"
    except anyio.get_cancelled_exc_class():
        journal.write("cancelled", key=mark)
        raise
    return CallToolResult(content=[TextContent(text=heard)])


def _next(
    params: CallToolRequestParams, asked: Mapping[str, Question], about: tuple[str, int], journal: Journal
) -> CallToolResult | InputRequiredResult:
    """Go on from the state that the request brought; the state is the number of the turn, for everybody to read."""
    mark, rounds = about
    turn = int(params.request_state.removeprefix("turn ")) if params.request_state else 0
    answers = params.input_responses
    if turn and answers is not None and set(answers) >= set(asked):
        heard = told({kind: answers[kind] for kind in asked})
        journal.write("heard", mark=mark, answers=heard, state=params.request_state)
        if turn >= rounds:
            return CallToolResult(content=[TextContent(text=heard)])
        turn += 1
    journal.write("asked", mark=mark)
    return InputRequiredResult(input_requests=dict(asked), request_state=f"turn {max(1, turn)}")


async def _request(ctx: ServerRequestContext, asked: Question) -> Answer:
    way = ServerMessageMetadata(related_request_id=ctx.request_id)
    if isinstance(asked, ElicitRequest):
        return await ctx.session.send_request(asked, ElicitResult, metadata=way)
    if isinstance(asked, ListRootsRequest):
        return await ctx.session.send_request(asked, ListRootsResult, metadata=way)
    return await ctx.session.send_request(asked, CreateMessageResult, metadata=way)


def told(answers: Mapping[str, Answer]) -> str:
    """Return what was answered, as one line."""
    return "; ".join(_one(answer) for answer in answers.values())


def _one(answer: Answer) -> str:
    if isinstance(answer, ElicitResult):
        return f"{answer.action} {answer.content}"
    if isinstance(answer, ListRootsResult):
        return " ".join(str(root.uri) for root in answer.roots)
    blocks = answer.content if isinstance(answer.content, list) else [answer.content]
    return " ".join(block.text for block in blocks if isinstance(block, TextContent))
