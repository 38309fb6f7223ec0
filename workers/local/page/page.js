"use strict";
// A client of the door: it shows each reply once, in the order of arrival, and resumes after the last place.
const $ = (id) => document.getElementById(id);
const kept = JSON.parse(sessionStorage.getItem("cj") ?? '{"said": []}');
const keep = () => sessionStorage.setItem("cj", JSON.stringify(kept));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const messages = new Map();  // CJ's, by id
const running = new Set();
let session, place = "0:0", waiting = new Set(kept.said.map(({ id }) => id)), is_stale = true;

async function ask(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}
const begin = async () => { session = await ask("session", { merchant: kept.merchant }); kept.merchant = session.merchant; keep(); };

function line(text, kind, before) {
  const item = document.createElement("p");
  item.className = kind;
  item.textContent = text;
  const is_at_end = $("log").scrollHeight - $("log").scrollTop - $("log").clientHeight < 80;
  $("log").insertBefore(item, before ?? null);
  if (is_at_end) $("log").scrollTop = $("log").scrollHeight;
  return item;
}
const own = new Map();  // what the merchant said, by event id
const say_status = (text) => { if ($("status").textContent !== text) $("status").textContent = text; };

// Shows the merchant's message before the run that answers it, also after a reload.
function heard(reply) {
  for (const event of reply.data) {
    if (event.type === "RUN_STARTED") {
      running.add(event.runId);
      const said = kept.said.find(({ id }) => id === reply.causationid);
      if (said && !own.has(said.id)) own.set(said.id, line(said.text, "own"));
      waiting.delete(reply.causationid);
    } else if (event.type === "TEXT_MESSAGE_START" && !messages.has(event.messageId)) {
      messages.set(event.messageId, line("", "cj"));
    } else if (event.type === "TEXT_MESSAGE_CONTENT") {
      messages.get(event.messageId).textContent += event.delta;
      $("log").scrollTop = $("log").scrollHeight;
    } else if (event.type === "TOOL_CALL_START") {
      line(`${event.toolCallName} …`, "note");
    } else if (event.type === "RUN_FINISHED" || event.type === "RUN_ERROR") {
      if (event.runId) running.delete(event.runId); else running.clear();  // one run at a time
      if (event.outcome?.type === "cancelled") line("stopped", "note");
    } else if (event.type === "CUSTOM" && event.name === "workflow_transition") {
      line(`moves on to ${event.value.to}`, "note");
    }
  }
  is_stale = true;
  $("stop").disabled = running.size === 0 && waiting.size === 0;
}

async function read_stream() {
  const headers = { Authorization: `Bearer ${session.token}`, "Last-Event-ID": place };
  const answer = await fetch(`${session.door}/conversations/${encodeURIComponent(session.conversation)}/replies`, { headers });
  if (!answer.ok) throw new Error(String(answer.status));
  say_status("");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const fields = Object.fromEntries(part.split("\n").map((text) => [text.slice(0, text.indexOf(": ")), text.slice(text.indexOf(": ") + 2)]));
      if (!fields.data) continue;
      heard(JSON.parse(fields.data));
      place = fields.id;
      if (running.size === 0) acknowledge();
    }
  }
}

async function acknowledge() {
  const headers = { Authorization: `Bearer ${session.token}`, "Content-Type": "application/json" };
  const path = `${session.door}/conversations/${encodeURIComponent(session.conversation)}/acks`;
  await fetch(path, { method: "POST", headers, body: JSON.stringify({ place }) }).catch(() => {});
  is_stale = true;
}

let sending = Promise.resolve();
// One after the other: requests that are under way at once may arrive in any order.
const send = (...event) => (sending = sending.then(() => post(...event)));

async function post(type, data, id = crypto.randomUUID()) {
  const event = { specversion: "1.0", id, source: "/page", type, data: { conversation_id: session.conversation, ...data } };
  for (;;) {
    try {
      const headers = { Authorization: `Bearer ${session.token}`, "Content-Type": "application/cloudevents+json" };
      const answer = await fetch(`${session.door}/events`, { method: "POST", headers, body: JSON.stringify(event) });
      if (answer.status === 202) return;
      if (answer.status === 401) await begin();
      else if (answer.status !== 503 && answer.status !== 429) return say_status(`Not sent: ${(await answer.json()).message}`);
    } catch { say_status("The door does not answer; trying again."); }
    await pause(1000);  // sending the same event again is harmless
  }
}

function show_timeline(story) {
  $("timeline").replaceChildren(...waterfall(story));
  $("timeline").scrollTop = $("timeline").scrollHeight;
}

async function watch_timeline() {
  for (; ; await pause(500)) {
    if (!is_stale && running.size === 0 && waiting.size === 0) continue;
    is_stale = false;
    try { show_timeline(await ask("timeline", { merchant: session.merchant })); } catch { is_stale = true; }
  }
}

$("connect").addEventListener("submit", async (event) => {
  event.preventDefault();
  say_status("Connecting …");
  try {
    const { shop } = await ask("connect", { merchant: session.merchant, size: $("size").value, fault: $("fault").value });
    say_status(`${shop} is connected.`);
  } catch (error) { say_status(`Not connected: ${error.message}`); }
  is_stale = true;
});
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const said = { id: crypto.randomUUID(), text: $("text").value.trim() };
  if (!said.text) return;
  $("text").value = "";
  kept.said.push(said);
  keep();
  own.set(said.id, line(said.text, "own"));
  waiting.add(said.id);
  $("stop").disabled = false;
  send("message_received", { text: said.text }, said.id);
});
$("stop").addEventListener("click", () => send("stop_requested", { all: true }));

(async () => {
  await begin();
  for (const size of session.sizes) $("size").add(new Option(size, size, size === "medium", size === "medium"));
  for (const fault of session.faults) $("fault").add(new Option(fault, fault));
  document.body.dataset.ready = "true";
  watch_timeline();
  // What was not answered, and perhaps not even sent, before a reload goes before what is said now.
  const earlier = [...kept.said];
  if (earlier.length > 0) sending = pause(1500).then(async () => {
    for (const { id, text } of earlier) {
      if (!waiting.has(id)) continue;
      if (!own.has(id)) own.set(id, line(text, "own"));
      await post("message_received", { text }, id);
    }
  });
  for (; ; await pause(500)) {
    try { await read_stream(); } catch (error) { if (error.message === "401") await begin(); else say_status("The door does not answer; trying again."); }
  }
})();
