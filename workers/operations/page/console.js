"use strict";
// Polls the console's server while the page is visible. Everything is inserted as text, never as HTML.
const $ = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const shown = new Map();  // by element: what it shows, so that nothing unchanged is rebuilt while somebody uses it
let may_retry = false, chosen = "";

async function ask(path, body) {
  const post = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, post);
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.message);
  return value;
}
const say = (text) => { if ($("said").textContent !== text) $("said").textContent = text; };
const moment = (text) => text.slice(0, 19).replace("T", " ");

// Fills `id` with a table of texts and buttons, or with a sentence if there are no rows.
function table(id, heads, rows, empty) {
  if (shown.get(id) === JSON.stringify([rows, may_retry])) return;
  shown.set(id, JSON.stringify([rows, may_retry]));
  if (rows.length === 0) return $(id).replaceChildren(Object.assign(document.createElement("p"), { textContent: empty }));
  const made = document.createElement("table"), head = made.createTHead().insertRow(), body = made.createTBody();
  for (const text of heads) head.append(Object.assign(document.createElement("th"), { textContent: text, scope: "col" }));
  for (const row of rows) {
    const line = body.insertRow();
    for (const cell of row) line.insertCell().append(typeof cell === "object" ? button(cell) : cell);
  }
  $(id).replaceChildren(made);
}

// {label, name}: a button that shows this name; {label, retry, body}: one that retries.
function button({ label, name, retry, body }) {
  const made = Object.assign(document.createElement("button"), { textContent: label, type: "button" });
  made.addEventListener("click", async () => {
    if (name) return choose(name);
    made.disabled = true;
    try { say((await ask(retry, body)).message); } catch (error) { say(error.message); made.disabled = false; }
    await lists().catch(() => {});
  });
  return made;
}

function list(id, rows) {
  if (shown.get(id) === JSON.stringify(rows)) return;
  shown.set(id, JSON.stringify(rows));
  $(id).replaceChildren(...rows.map(({ sentence, command, alarming }) => {
    const item = Object.assign(document.createElement("li"), { textContent: sentence, className: alarming ? "alarming" : "" });
    if (command) item.append(Object.assign(document.createElement("code"), { textContent: command }));
    return item;
  }));
}

async function now() {
  const status = await ask("status");
  may_retry = status.may_retry;
  list("problems", status.problems.length ? status.problems : [{ sentence: "Nothing waits for long, and nothing failed in the last hour." }]);
  table("waiting", ["waiting", "rows", "oldest"], status.waiting, "It could not be read; the problem above says why.");
  table("speeds", ["last 15 min", "cases", "p50", "p95", "target"], status.speeds, "Nothing happened in the last 15 minutes.");
  const queues = Object.entries(status.queues ?? {}).map(([name, count]) => [name, count.toLocaleString("en")]);
  table("queues", ["queue", "messages"], queues, "The broker does not answer.");
  const workers = status.workers === null ? "The broker does not answer." : `Workers: ${status.workers.toSorted().join(", ") || "none answers"}.`;
  const shops = Object.entries(status.shops ?? {}).map(([name, count]) => `${count} ${name}`).join(", ");
  $("workers").textContent = shops ? `${workers} Shops: ${shops}.` : workers;
}

async function lists() {
  const [refused, failed, privacy] = await Promise.all(["refused", "failed", "privacy"].map((path) => ask(path)));
  const retry = (path, what, body) => may_retry ? [{ label: `Retry ${what}`, retry: path, body }] : [];
  table("refused", ["received", "event", "why", ...(may_retry ? ["retry"] : [])], refused.map((row) => [moment(row.received_at),
    `${row.type} ${row.id} from ${row.source}`, `${row.error_code}: ${row.error}`, ...retry("refused", row.id, { source: row.source, id: row.id })]),
    "No event was refused.");
  table("failed", ["ended", "turn", "why", ...(may_retry ? ["retry"] : [])], failed.map((row) => [moment(row.finished_at),
    { label: `turn ${row.seq} of ${row.conversation_id}`, name: row.conversation_id }, row.status === "dead" ? `${row.error}, dead` : row.error,
    ...retry("failed", `turn ${row.id}`, { id: row.id })]), "No turn failed.");
  table("privacy", ["made", "request", "merchant", "state"], privacy.map((row) => [moment(row.made_at), `${row.type} ${row.id}`,
    { label: row.merchant_id, name: row.merchant_id }, row.state]), "No requests.");
}

async function whose() {
  if (!chosen) return;
  const found = await ask(`case?name=${encodeURIComponent(chosen)}`);
  $("found").hidden = false;
  const title = found.shop?.shop_domain ? `Merchant ${found.merchant_id}, ${found.shop.shop_domain}, ${found.shop.status}` : `Merchant ${found.merchant_id}`;
  if ($("whose").textContent !== title) $("whose").textContent = title;
  list("reasons", found.reasons);
  table("conversations", ["conversation", "workflow", "last change", "last turn"], found.conversations.map((row) => [
    { label: row.id, name: row.id }, row.workflow, moment(row.updated_at), row.seq === null ? "-" : `${row.seq} ${row.status} ${row.error ?? ""}`]),
    "No conversations.");
  const story = found.conversations.length ? await ask(`timeline?name=${encodeURIComponent(chosen)}`) : { events: [] };
  if (shown.get("timeline") === JSON.stringify(story)) return;
  shown.set("timeline", JSON.stringify(story));
  $("timeline").replaceChildren(...waterfall(story));
}

async function choose(name) {
  chosen = $("name").value = name;
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  try {
    await whose();
    say("");
    $("whose").focus();
  } catch (error) {
    chosen = "";
    $("found").hidden = true;
    say(error.message);
  }
}

$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  choose($("name").value.trim());
});
(async () => {
  if (location.hash) await choose(decodeURIComponent(location.hash.slice(1)));
  for (let lost = false; ; await pause(2000)) {
    if (document.hidden) continue;
    try {
      await now();
      await Promise.all([lists(), whose()]);
      document.body.dataset.ready = "true";
      if (lost) say("");
      lost = false;
    } catch (error) {
      lost = true;
      say(`Not up to date: ${error.message}`);
    }
  }
})();
