// What the JavaScript peers publish: quotes in turn, at a mean rate, in bursts as they are due.
"use strict";

const BURST = 4000; // the most ticks of one turn

function ticker(count, rate, publish) {
  const width = Math.max(3, String(count - 1).length);
  const names = Array.from({ length: count }, (_, i) => "S" + String(i).padStart(width, "0"));
  const seqs = new Array(count).fill(0);
  const started = performance.now();
  let made = 0;
  function turn() {
    const now = performance.now();
    const due = Math.min(Math.floor(((now - started) / 1000) * rate) - made, BURST);
    const ts = Math.floor((performance.timeOrigin + now) * 1000) + "000";
    for (let i = 0; i < due; i++) {
      const at = (made + i) % count;
      const seq = ++seqs[at];
      const bid = 100 + at + (seq % 50) / 100;
      publish(names[at], `{"type":"quote","symbol":"${names[at]}","seq":${seq},"ts_event":${ts},"bid":${bid.toFixed(2)},"bid_size":300,"ask":${(bid + 0.02).toFixed(2)},"ask_size":500,"ts_out":${ts}}`);
    }
    made += Math.max(due, 0);
    if (due === BURST) setImmediate(turn);
    else setTimeout(turn, 1);
  }
  return { names, start: turn };
}

// The symbols of a subscribe command, or an empty list.
function wanted(text, names) {
  const command = JSON.parse(text);
  if (command.type !== "subscribe") return [];
  return command.symbols.includes("*") ? names : command.symbols;
}

const ACK = '{"type":"subscribed","subscriptions":{}}';

module.exports = { ticker, wanted, ACK };
