"""What a program does with the Python SDK; run by the Python that has it, with artac-claude's path.

Prints one JSON object: what it saw.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from claude_agent_sdk import (  # type: ignore[import-not-found]
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    HookMatcher,
    PermissionResultAllow,
    PermissionResultDeny,
    ResultMessage,
    TextBlock,
    create_sdk_mcp_server,
    tool,
)

seen: dict[str, Any] = {"asked": [], "hooked": [], "added": []}


@tool("add", "Adds two numbers", {"a": int, "b": int})
async def add(args: dict[str, Any]) -> dict[str, Any]:
    seen["added"].append([args["a"], args["b"]])
    return {"content": [{"type": "text", "text": f"the sum is {args['a'] + args['b']}"}]}


async def can_use_tool(name: str, wanted: dict[str, Any], context: object) -> object:
    command = wanted.get("command", "")
    seen["asked"].append([name, command])
    if "forbidden" in command:
        return PermissionResultDeny(message="the program says no")
    return PermissionResultAllow(updated_input=wanted)


async def before_tool(data: dict[str, Any], use_id: object, context: object) -> dict[str, Any]:
    seen["hooked"].append(data["tool_name"])
    return {}


async def turn(client: ClaudeSDKClient, prompt: str) -> dict[str, Any]:
    await client.query(prompt)
    text = ""
    async for message in client.receive_response():
        if isinstance(message, AssistantMessage):
            text += "".join(b.text for b in message.content if isinstance(b, TextBlock))
        if isinstance(message, ResultMessage):
            return {"text": text, "subtype": message.subtype, "session": message.session_id}
    return {"text": text, "subtype": "none"}


async def main(claude: str) -> None:
    options = ClaudeAgentOptions(
        cli_path=claude,
        can_use_tool=can_use_tool,
        hooks={"PreToolUse": [HookMatcher(matcher="Bash", hooks=[before_tool])]},
        mcp_servers={"calc": create_sdk_mcp_server("calc", tools=[add])},
        allowed_tools=["mcp__calc__add"],
    )
    async with ClaudeSDKClient(options=options) as client:
        seen["first"] = await turn(client, "one")
        seen["second"] = await turn(client, "recall")
        seen["allowed"] = await turn(client, "tool: touch allowed-by-program && echo done")
        seen["denied"] = await turn(client, "tool: touch forbidden-by-program")
        seen["mcp"] = await turn(client, 'use: mcp__calc__add {"a": 19, "b": 23}')
        await client.query("tool: sh -c 'touch begun; exec sleep 300'")
        while not Path("begun").exists():
            await asyncio.sleep(0.02)
        await client.interrupt()
        async for message in client.receive_response():
            if isinstance(message, ResultMessage):
                seen["interrupted"] = message.subtype
        seen["after"] = await turn(client, "still there")
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
