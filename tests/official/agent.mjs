// A frontend built on the official AG-UI client. Argument: {urls, token, threadId, says, connects}. It connects, if it
// is to, which brings the history; then it says each of `says` and runs the agent; where a connection breaks it goes on at the next URL with what it has. Each line of standard output is what
// it heard; the last one holds its history.
import { HttpAgent } from "@ag-ui/client";

const { urls, token, threadId, says, connects } = JSON.parse(process.argv[2]);
const tell = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const warnings = [];
console.warn = (...words) => warnings.push(words.join(" "));
console.error = () => {};
process.on("unhandledRejection", () => {});  // of the client's own reader, when its connection breaks

class Door extends HttpAgent {
  connect(input) {
    return new HttpAgent({ url: `${this.url}?snapshot=1`, headers: this.headers }).run(input);
  }
}

const agent = new Door({ url: "", threadId, headers: { Authorization: `Bearer ${token}` } });
let ends = 0;
const subscriber = {
  onTextMessageContentEvent: ({ event }) => tell({ said: event.delta }),
  onRunFinishedEvent: ({ outcome, pendingToolCallIds }) => { ends++; tell({ ended: outcome, pending: pendingToolCallIds ?? [] }); },
  onRunErrorEvent: ({ event }) => { ends++; tell({ ended: event.code, pending: [] }); },
};
if (connects) {
  agent.url = `${urls[0]}/agent`;
  await agent.connectAgent({}, subscriber);
}
for (const [number, content] of says.entries()) {
  if (content) agent.addMessage({ id: `${threadId}-${number}`, role: "user", content });
  for (let attempt = 0; attempt < 5; attempt++) {
    agent.url = `${urls[attempt % urls.length]}/agent`;
    ends = 0;
    let problem = "it ended without an end";
    try {
      await agent.runAgent({}, subscriber);
    } catch (error) {
      problem = String(error.message ?? error);
    }
    if (ends) break;
    tell({ broke: problem });
  }
}
tell({ messages: agent.messages, warnings });
