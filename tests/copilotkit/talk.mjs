// One conversation through CopilotKit: its client, its runtime, and the door as the runtime's agent. Argument: {door,
// token, threadId, says}. Standard output: what the client has then, and what a second client has that connects anew to
// another runtime, which has kept nothing.
import { HttpAgent } from "@ag-ui/client";
import { ProxiedCopilotRuntimeAgent } from "@copilotkit/core";
import { CopilotRuntime, InMemoryAgentRunner } from "@copilotkit/runtime/v2";
import { createCopilotNodeListener } from "@copilotkit/runtime/v2/node";
import { createServer } from "node:http";

const { door, token, threadId, says } = JSON.parse(process.argv[2]);
const headers = { Authorization: `Bearer ${token}` };
const warnings = [];
console.warn = (...words) => warnings.push(words.join(" "));
console.log = () => {};

class DoorRunner extends InMemoryAgentRunner {
  connect({ threadId, headers }) {
    const agent = new HttpAgent({ url: `${door}/agent?snapshot=1`, headers });
    return agent.run({ threadId, runId: "history", messages: [], state: {}, tools: [], context: [], forwardedProps: {} });
  }
}

async function client() {
  const runtime = new CopilotRuntime({
    agents: { cj: new HttpAgent({ url: `${door}/agent` }) },
    runner: new DoorRunner(),
  });
  const server = createServer(createCopilotNodeListener({ runtime, basePath: "/copilotkit" }));
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const runtimeUrl = `http://127.0.0.1:${server.address().port}/copilotkit`;
  const agent = new ProxiedCopilotRuntimeAgent({ runtimeUrl, agentId: "cj", threadId, headers });
  return { agent, close: () => server.close() };
}

const said = (agent) => agent.messages.map(({ role, content }) => [role, content ?? null]);
const first = await client();
await first.agent.connectAgent();
for (const [number, content] of says.entries()) {
  first.agent.addMessage({ id: `${threadId}-${number}`, role: "user", content });
  await first.agent.runAgent();
}
const second = await client();
await second.agent.connectAgent();
process.stdout.write(JSON.stringify({ first: said(first.agent), second: said(second.agent), warnings }) + "\n");
process.exit(0);
