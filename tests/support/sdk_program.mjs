// What a program does with the TypeScript SDK; prints one JSON object: what it saw.

import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createSdkMcpServer, query, tool } from "@anthropic-ai/claude-agent-sdk";
import { z } from "zod";

const seen = { asked: [], hooked: [], added: [] };
let next = null;
const waiting = [];

async function* prompts() {
  while (true) {
    const prompt = waiting.shift() ?? (await new Promise((resolve) => (next = resolve)));
    if (prompt === null) return;
    yield {
      type: "user",
      message: { role: "user", content: prompt },
      parent_tool_use_id: null,
      session_id: "",
    };
  }
}

function send(prompt) {
  if (next) {
    const resolve = next;
    next = null;
    resolve(prompt);
  } else waiting.push(prompt);
}

const add = tool("add", "Adds two numbers", { a: z.number(), b: z.number() }, async (args) => {
  seen.added.push([args.a, args.b]);
  return { content: [{ type: "text", text: `the sum is ${args.a + args.b}` }] };
});

const session = query({
  prompt: prompts(),
  options: {
    pathToClaudeCodeExecutable: process.argv[2],
    canUseTool: async (name, input) => {
      const command = input.command ?? "";
      seen.asked.push([name, command]);
      if (command.includes("forbidden"))
        return { behavior: "deny", message: "the program says no" };
      return { behavior: "allow", updatedInput: input };
    },
    hooks: {
      PreToolUse: [
        {
          matcher: "Bash",
          hooks: [
            async (data) => {
              seen.hooked.push(data.tool_name);
              return {};
            },
          ],
        },
      ],
    },
    mcpServers: { calc: createSdkMcpServer({ name: "calc", tools: [add] }) },
    allowedTools: ["mcp__calc__add"],
  },
});
const messages = session[Symbol.asyncIterator]();

async function turn(prompt) {
  if (prompt !== null) send(prompt);
  let text = "";
  while (true) {
    const { value: message, done } = await messages.next();
    if (done) return { text, subtype: "none" };
    if (message.type === "assistant")
      for (const block of message.message.content) if (block.type === "text") text += block.text;
    if (message.type === "result")
      return { text, subtype: message.subtype, session: message.session_id };
  }
}

seen.first = await turn("one");
seen.second = await turn("recall");
seen.allowed = await turn("tool: touch allowed-by-program && echo done");
seen.denied = await turn("tool: touch forbidden-by-program");
seen.mcp = await turn('use: mcp__calc__add {"a": 19, "b": 23}');
const long = turn("tool: sh -c 'touch begun; exec sleep 300'");
while (!existsSync("begun")) await sleep(20);
await session.interrupt();
seen.interrupted = (await long).subtype;
seen.after = await turn("still there");
send(null);
while (!(await messages.next()).done);
console.log(JSON.stringify(seen));
