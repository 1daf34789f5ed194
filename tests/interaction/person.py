"""Whoever sits at a client: answers what servers ask, and keeps what was asked and told."""

from dataclasses import dataclass, field

from mcp.client.session import ClientRequestContext, IncomingMessage
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    ListRootsResult,
    LoggingLevel,
    LoggingMessageNotificationParams,
    PromptListChangedNotification,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
    Root,
    TextContent,
    ToolListChangedNotification,
)

from tests.interaction.waiting import until


@dataclass(slots=True)
class Person:
    """`name` is in every answer. `does` is what an elicitation is answered with; `error` is answered to everything.

    `answers` tells whether the client declares that anybody can be asked at all; `level` is of 2026-07-28 clients.
    """

    name: str = "Ada"
    does: str = "accept"
    answers: bool = True
    error: bool = False
    level: LoggingLevel | None = None
    asked: list[str] = field(default_factory=list[str])
    logged: list[str] = field(default_factory=list[str])
    news: list[str] = field(default_factory=list[str])

    async def elicit(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """Fill in a form, or say that the page was visited."""
        del context
        self.asked.append(params.message)
        if self.error:
            return ErrorData(code=-32000, message="out to lunch")
        if self.does != "accept":
            return ElicitResult(action="decline" if self.does == "decline" else "cancel")
        is_form = isinstance(params, ElicitRequestFormParams)
        return ElicitResult(action="accept", content={"name": self.name} if is_form else None)

    async def sample(
        self, context: ClientRequestContext, params: CreateMessageRequestParams
    ) -> CreateMessageResult | ErrorData:
        """Say what the model would."""
        del context
        block = params.messages[0].content
        self.asked.append(block.text if isinstance(block, TextContent) else "?")
        if self.error:
            return ErrorData(code=-32000, message="out to lunch")
        return CreateMessageResult(role="assistant", content=TextContent(text=f"model of {self.name}"), model="m")

    async def roots(self, context: ClientRequestContext) -> ListRootsResult | ErrorData:
        """Name a folder."""
        del context
        self.asked.append("roots")
        if self.error:
            return ErrorData(code=-32000, message="out to lunch")
        return ListRootsResult(roots=[Root.model_validate({"uri": f"file:///desk/{self.name}"})])

    async def log(self, params: LoggingMessageNotificationParams) -> None:
        """Keep a log message."""
        self.logged.append(f"{params.level}: {params.data}")

    async def hear(self, message: IncomingMessage) -> None:
        """Keep what is told unasked."""
        if isinstance(message, ResourceUpdatedNotification):
            self.news.append(f"updated {message.params.uri}")
        elif isinstance(message, PromptListChangedNotification):
            self.news.append("prompts")
        elif isinstance(message, ResourceListChangedNotification):
            self.news.append("resources")
        elif isinstance(message, ToolListChangedNotification):
            self.news.append("tools")

    async def hears(self, news: str) -> None:
        """Wait until something was told."""
        await until(lambda: news in self.news)
