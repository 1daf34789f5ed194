"""Where each client keeps its servers and how it writes one, as data. A new client is a new row, not new code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tallystick.registry.imports.syntax import Syntax

Kind = Literal["http", "sse", "stdio", "other"]

KINDS: Final[Mapping[str, Kind]] = {
    "http": "http",
    "streamable-http": "http",
    "streamable_http": "http",
    "streamableHttp": "http",
    "remote": "http",
    "sse": "sse",
    "stdio": "stdio",
    "local": "stdio",
    "custom": "stdio",
}
"""How clients name their transports. Every other word is one that Tallystick does not speak."""


@dataclass(frozen=True, slots=True)
class Entry:
    """How a client writes one server. A tuple names keys, the first that is there counts; `headers` is a path.

    `unmarked` is what an entry with a URL and no `kind` means; `millisecond` the keys of a timeout in milliseconds.
    """

    inside: str = ""
    url: tuple[str, ...] = ("url",)
    kind: tuple[str, ...] = ("type",)
    unmarked: Kind = "http"
    command: tuple[str, ...] = ("command",)
    args: str = "args"
    env: tuple[str, ...] = ("env",)
    headers: tuple[tuple[str, ...], ...] = (("headers",),)
    second: tuple[str, ...] = ()
    millisecond: tuple[str, ...] = ("timeout",)
    only: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """A client: its files (user, then project), its language, the paths to its servers, and how it writes one.

    A `*` in a path is every key there. `listed` says that servers are a list of entries with a `name`. `mark` are keys
    of which one in an entry tells that the file is this client's, where the paths alone do not.
    """

    name: str
    title: str
    files: tuple[str, ...]
    at: tuple[tuple[str, ...], ...] = (("mcpServers",),)
    syntax: Syntax = "json"
    listed: bool = False
    mark: tuple[str, ...] = ()
    entry: Entry = field(default_factory=Entry)


_CODEX: Final = Entry(
    headers=(("http_headers",), ("env_http_headers",)),
    second=("tool_timeout_sec",),
    millisecond=(),
    only=("enabled_tools",),
    secrets=("bearer_token_env_var", "http_headers_helper"),
)
_GEMINI: Final = Entry(url=("httpUrl", "url"), only=("includeTools",))
_GOOSE: Final = Entry(url=("uri", "url"), command=("cmd",), env=("envs",), second=("timeout",), millisecond=())
_SERVER_URL: Final = Entry(url=("serverUrl", "url"))
_VS_CODE: Final = (("servers",), ("mcp", "servers"))

CLIENTS: Final[tuple[Client, ...]] = (
    Client("vscode", "VS Code", ("Code/User/mcp.json", ".vscode/mcp.json"), _VS_CODE),
    Client("vscode-insiders", "VS Code Insiders", ("Code - Insiders/User/mcp.json", ".vscode/mcp.json"), _VS_CODE),
    Client(
        "copilot-jetbrains",
        "GitHub Copilot for JetBrains",
        ("github-copilot/intellij/mcp.json",),
        (("servers",),),
        mark=("requestInit",),
        entry=Entry(headers=(("requestInit", "headers"), ("headers",))),
    ),
    Client(
        "claude-code",
        "Claude Code",
        ("~/.claude.json", ".mcp.json"),
        (("mcpServers",), ("projects", "*", "mcpServers")),
        entry=Entry(secrets=("headersHelper",)),
    ),
    Client("claude-desktop", "Claude Desktop", ("Claude/claude_desktop_config.json",)),
    Client(
        "codex",
        "Codex",
        ("~/.codex/config.toml", "/etc/codex/config.toml", ".codex/config.toml"),
        (("mcp_servers",),),
        "toml",
        entry=_CODEX,
    ),
    Client(
        "gemini-cli",
        "Gemini CLI",
        ("~/.gemini/settings.json", ".gemini/settings.json"),
        mark=("httpUrl", "includeTools", "excludeTools", "trust"),
        entry=_GEMINI,
    ),
    Client(
        "copilot-cli",
        "GitHub Copilot CLI",
        ("~/.copilot/mcp-config.json", ".mcp.json", ".github/mcp.json"),
        mark=("tools",),
        entry=Entry(only=("tools",)),
    ),
    Client(
        "opencode",
        "opencode",
        ("~/.config/opencode/opencode.json", "/etc/opencode/opencode.json", "opencode.json"),
        (("mcp",),),
        entry=Entry(env=("environment",)),
    ),
    Client(
        "cursor",
        "Cursor",
        ("~/.cursor/mcp.json", ".cursor/mcp.json"),
        mark=("auth", "enabledTools"),
        entry=Entry(only=("enabledTools",)),
    ),
    Client(
        "windsurf",
        "Windsurf and Devin Desktop",
        ("~/.config/devin/mcp_config.json", "~/.codeium/windsurf/mcp_config.json", ".devin/mcp_config.json"),
        mark=("serverUrl",),
        entry=_SERVER_URL,
    ),
    Client("zed", "Zed", ("zed/settings.json", ".zed/settings.json"), (("context_servers",),)),
    Client("jetbrains-ai", "JetBrains AI Assistant (pasted)", ()),
    Client("junie", "JetBrains Junie", ("~/.junie/mcp/mcp.json", ".junie/mcp/mcp.json")),
    Client(
        "cline",
        "Cline",
        ("saoudrizwan.claude-dev/settings/cline_mcp_settings.json",),
        mark=("alwaysAllow",),
        entry=Entry(unmarked="sse", second=("timeout",), millisecond=()),
    ),
    Client(
        "cline-cli",
        "Cline CLI",
        ("~/.cline/data/settings/cline_mcp_settings.json",),
        mark=("transport",),
        entry=Entry(inside="transport"),
    ),
    Client("roo-code", "Roo Code (discontinued)", ("rooveterinaryinc.roo-cline/settings/mcp_settings.json",)),
    Client(
        "continue",
        "Continue",
        ("~/.continue/config.yaml", ".continue/mcpServers/*.yaml"),
        syntax="yaml",
        listed=True,
        entry=Entry(headers=(("requestOptions", "headers"),)),
    ),
    Client("goose", "Goose", ("goose/config.yaml",), (("extensions",),), "yaml", entry=_GOOSE),
    Client("amp", "Amp", ("~/.config/amp/settings.json",), (("amp.mcpServers",),)),
    Client("kiro", "Kiro", ("~/.kiro/settings/mcp.json",), mark=("autoApprove",)),
    Client("lm-studio", "LM Studio", ("~/.lmstudio/mcp.json",)),
    Client(
        "antigravity",
        "Antigravity",
        ("~/.gemini/config/mcp_config.json", "~/.gemini/antigravity/mcp_config.json"),
        entry=_SERVER_URL,
    ),
    Client("factory", "Factory Droid", ("~/.factory/mcp.json",)),
    Client("warp", "Warp", ("~/.warp/.mcp.json",)),
    Client("trae", "Trae", ("Trae/User/mcp.json",)),
    Client("kimi-cli", "Kimi CLI", ("~/.kimi/mcp.json",)),
    Client("qoder", "Qoder", ("~/.qoder/mcp.json",)),
    Client(
        "mistral-vibe",
        "Mistral Vibe",
        ("~/.vibe/config.toml",),
        (("mcp_servers",),),
        "toml",
        listed=True,
        entry=Entry(kind=("transport",), second=("tool_timeout_sec",), millisecond=(), secrets=("api_key_env",)),
    ),
)
"""Every client that is known. For a file that several write alike, the first one whose `mark` is there counts."""
