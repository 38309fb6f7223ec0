"use strict";
// Shows what `cj timeline --json` prints: a table per event, with the time between one moment and the next.
function waterfall(story) {
  return story.events.map((event) => {
    const table = document.createElement("table");
    table.className = "waterfall";
    table.createCaption().textContent = `${event.type} from ${event.source}`;
    const whole = Math.max(1, ...event.moments.map(({ ms }) => ms));
    const latest = new Map();  // by turn: the previous moment
    for (const { ms, turn, kind, text } of event.moments) {
      const row = table.insertRow();
      row.insertCell().textContent = `${Math.round(ms).toLocaleString("en")} ms`;
      row.insertCell().textContent = turn ? `turn ${turn}` : "";
      row.insertCell().textContent = kind;
      const told = row.insertCell(), bar = document.createElement("span");
      const began = Math.min(ms, latest.get(turn) ?? latest.get(null) ?? 0);
      told.textContent = text;
      bar.className = "bar";
      bar.style.marginLeft = `${100 * began / whole}%`;
      bar.style.width = `${100 * (ms - began) / whole}%`;
      told.append(bar);
      latest.set(turn, ms);
    }
    return table;
  });
}
