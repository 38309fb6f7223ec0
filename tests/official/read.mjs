// Reads AG-UI events as a frontend does. Standard input: a list of streams, each a list of events. Standard output: for
// each what the official client makes of it.
import { defaultApplyEvents, verifyEvents } from "@ag-ui/client";
import { EventSchemas } from "@ag-ui/core/schemas";
import { readFileSync } from "node:fs";
import { from, lastValueFrom, toArray } from "rxjs";

const warnings = [];
console.warn = (...words) => warnings.push(words.join(" "));

async function read(events) {
  warnings.length = 0;
  const unknown = [];
  for (const event of events) {
    const parsed = EventSchemas.safeParse(event);
    if (!parsed.success) unknown.push(`${event.type}: ${parsed.error.message}`);
    else for (const key of Object.keys(event)) if (!(key in parsed.data)) unknown.push(`${event.type}.${key}`);
  }
  const agent = { messages: [], state: {}, pendingInterrupts: [] };
  const ends = [];
  const subscriber = {
    onRunFinishedEvent: ({ outcome, pendingToolCallIds }) => { ends.push([outcome, pendingToolCallIds ?? []]); },
    onRunErrorEvent: ({ event }) => { ends.push([event.code, []]); },
  };
  const input = { threadId: "t", runId: "r", messages: [], state: {}, tools: [], context: [] };
  let problem = null;
  let messages = [];
  try {
    const verified = verifyEvents(false)(from(events));
    const applied = await lastValueFrom(defaultApplyEvents(input, verified, agent, [subscriber]).pipe(toArray()));
    for (const mutation of applied) if (mutation.messages) messages = mutation.messages;
  } catch (error) {
    problem = String(error.message ?? error);
  }
  return { unknown, problem, warnings: [...warnings], ends, messages };
}

const streams = JSON.parse(readFileSync(0, "utf8"));
const found = [];
for (const stream of streams) found.push(await read(stream));
process.stdout.write(JSON.stringify(found));
