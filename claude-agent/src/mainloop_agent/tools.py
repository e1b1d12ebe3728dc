"""Our own tools, served to an agent by the runner itself over MCP, in its own process.

The agent never talks to the server, and holds no token. A call is known by the id of the model's own tool call, so
that a call which is made again gives the first answer.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams, TextContent
from mcp.types import Tool as McpTool

from mainloop_models.runner import Tool, ToolAnswer

SERVER = "mainloop"
PREFIX = f"mcp__{SERVER}__"
# Where the agent's program tells the id of the model's call.
CALL_ID = "claudecode/toolUseId"

# Carries a call out, by its id, its name and its arguments.
Request = Callable[[str, str, dict[str, object]], Awaitable[ToolAnswer]]


def tool_server(tools: list[Tool], request: Request) -> Server[Any]:
    """The MCP server behind the agent's `mcp__mainloop__…` tools."""

    async def list_tools(context: ServerRequestContext[Any], params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[described(tool) for tool in tools])

    async def call_tool(context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        meta = params.meta or {}
        call_id = meta.get(CALL_ID)
        if not isinstance(call_id, str):
            return said("The call came without its id, so it was not carried out.", is_error=True)
        answer = await request(call_id, params.name, dict(params.arguments or {}))
        return said(answer.text, answer.is_error)

    return Server(SERVER, on_list_tools=list_tools, on_call_tool=call_tool)


def described(tool: Tool) -> McpTool:
    """As the model is shown it: at once, not behind a search."""
    return McpTool.model_validate(
        {
            "name": tool.name,
            "description": tool.description,
            "inputSchema": {"type": "object", **tool.input_schema},
            "_meta": {"anthropic/alwaysLoad": True},
        }
    )


def said(text: str, is_error: bool = False) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=is_error)
