// @ts-check
// The page at `/`: puts the parts together. Messages only mark what has changed; one paint per
// animation frame writes it, and only where it is in view.

import { Board } from "./board.js";
import { INTERVALS } from "./candles.js";
import { Chart } from "./chart.js";
import { connect } from "./feed.js";
import { History } from "./history.js";
import { Panel, sourcesText } from "./panel.js";
import { Playback } from "./playback.js";
import { change, changePercent, COLUMNS, count, fixed, signed, vwap } from "./rows.js";
import { Search } from "./search.js";
import { nextTheme, still, storage, theme, wear } from "./settings.js";
import { Table } from "./table.js";
import { clock, LINES, Tape } from "./tape.js";
import { isName, isPattern, split, Watchlist } from "./watchlist.js";

const INTERVAL_MS = 200; // how often `latest` brings a quote
const SETTLE_MS = 2000; // while the first rows come, the first one is selected
const NOTICE_MS = 15_000;
const SORT_MS = 1000; // rows that are sorted by a price do not jump about

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/** Say something above everything else, for some time or until it is taken back with "". @param {string} text @param {number} forMs */
function tell(text, forMs = 0) {
  byId("news").textContent = text;
  byId("news").hidden = !text;
  clearTimeout(told);
  if (forMs) told = setTimeout(tell, forMs, "");
}

/** @type {any} */
let told;

const history = new History(sessionStorage.getItem("feed.token") ?? "");
const board = new Board();
const watchlist = new Watchlist(location.search, storage, listed);
const feed = connect(new URL("v1/stream", location.href.replace(/^http/, "ws")).href, {
  token: () => history.token,
});
const table = new Table(byId("watch"), {
  columns: COLUMNS,
  onSelect: (symbol) => {
    chosen = true;
    select(symbol);
  },
  onRemove: remove,
  onMove: move,
  onSort: sortBy,
  onScroll: wake,
});
const chart = new Chart(byId("chart"), byId("chart-note"), history);
const tape = new Tape(byId("trades"), byId("tape-note"));
const panel = new Panel(byId("figures"), byId("state"), feed);
const playback = new Playback(byId("playback"), history, tell);
const search = new Search(byId("search"), { suggest, add });

/** @type {Set<string>} what the server has been asked for */
const asked = new Set();
/** @type {import("./rows.js").Row[]} */
let shown = [];
let selected = "";
let interval = storage.getItem("feed.interval") ?? "1s";
let [scheduled, sortedMs] = [false, 0];
let chosen = false; // by a person
let lostAt = ""; // when the connection was
let typed = ""; // to be selected once the server has taken it

// The watchlist

function listed() {
  window.history.replaceState(null, "", watchlist.query);
  board.keep((symbol) => watchlist.has(symbol));
  ask();
  wake();
}

/** Have the server send what is listed, and no more. */
function ask() {
  const wanted = new Set(watchlist.entries);
  const [fresh, gone] = [[...wanted].filter((own) => !asked.has(own)), [...asked].filter((own) => !wanted.has(own))];
  fresh.forEach((own) => asked.add(own));
  gone.forEach((own) => asked.delete(own));
  if (fresh.length) {
    // the newest quote is enough; of trades each one counts, as volume is their sum
    feed.subscribe(fresh, { channels: ["quotes"], delivery: "latest", intervalMs: INTERVAL_MS }).then((ack) => answered(fresh, ack), failed);
    feed.subscribe(fresh, { channels: ["trades", "status"] }).catch(failed);
  }
  if (gone.length) feed.unsubscribe(gone).catch(failed);
}

/** @param {string[]} fresh @param {import("./feed.js").Subscribed} ack */
function answered(fresh, { rejected }) {
  const names = new Set(rejected.map((own) => own.symbol));
  if (fresh.includes(typed)) {
    if (!names.has(typed)) select(typed);
    typed = "";
  }
  if (!names.size) return;
  tell([...new Set(rejected.map((own) => own.message))].join("; "));
  names.forEach((own) => asked.delete(own));
  watchlist.replace(watchlist.entries.filter((own) => !names.has(own)));
}

/** @param {any} error */
const failed = (error) => error.code !== "closed" && tell(error.message);

/** @param {string} text */
function add(text) {
  const names = split(text);
  const bad = names.find((own) => !isName(own));
  if (bad !== undefined) return tell(`'${bad.slice(0, 64)}' is neither a symbol nor a pattern such as BTC*`);
  tell("");
  const first = names.find((own) => !isPattern(own)) ?? "";
  if (first) chosen = true;
  if (board.rows.has(first)) select(first);
  else typed = first;
  const fresh = names.filter((own) => !board.rows.has(own));
  if (fresh.length) watchlist.add(fresh);
}

/** @param {string} text */
async function suggest(text) {
  const start = text.toUpperCase();
  const seen = [...board.rows.keys()].filter((symbol) => symbol.toUpperCase().startsWith(start)).sort();
  const served = (await history.symbols(text).catch(() => null)) ?? (text === start ? [] : await history.symbols(start).catch(() => null)) ?? [];
  return [...new Set([...served, ...seen])];
}

/** @param {string} symbol */
function remove(symbol) {
  const at = shown.findIndex((row) => row.symbol === symbol);
  if (at < 0) return;
  const next = shown[at + 1] ?? shown[at - 1];
  watchlist.remove(symbol, shown.map((row) => row.symbol));
  if (symbol === selected) select(next?.symbol ?? "");
}

/** @param {string} symbol @param {number} to */
function move(symbol, to) {
  const rows = board.sort ? watchlist.order(board.rows.keys()) : shown.map((row) => row.symbol);
  if (!board.sort) watchlist.move(symbol, to, rows);
}

/** @param {string} key */
function sortBy(key) {
  board.sortBy(key);
  table.sorted(board.sort?.key ?? "", board.sort ? (board.sort.down ? "descending" : "ascending") : "none");
  board.grown = true;
  wake();
}

// The selected symbol

/** @param {string} symbol */
function select(symbol) {
  if (symbol === selected) return;
  if (selected) feed.unsubscribe(selected, { channels: ["bars"] }).catch(failed);
  selected = symbol;
  tape.clear();
  table.select(symbol);
  byId("detail").classList.toggle("empty", !symbol);
  if (symbol) {
    chart.show(board.row(symbol), interval);
    recall(symbol);
    feed.subscribe(symbol, { channels: ["bars"], snapshot: false }).catch(failed);
  }
  wake();
}

/** Fill the tape from the log, if there is one. @param {string} symbol */
async function recall(symbol) {
  const trades = await history.trades(symbol, LINES).catch(() => null);
  if (trades && symbol === selected) tape.prepend(trades);
  wake();
}

/** @param {string} label */
function choose(label) {
  interval = label;
  storage.setItem("feed.interval", label);
  for (const button of byId("intervals").children) button.setAttribute("aria-pressed", String(button.value === label));
  if (selected) chart.show(board.row(selected), label);
}

function describe() {
  const row = board.rows.get(selected);
  byId("name").textContent = selected || "No symbol";
  byId("price").textContent = row ? fixed(row.last, row.decimals) : "";
  byId("moved").textContent = row && !Number.isNaN(change(row)) ? `${signed(change(row), row.decimals)}  ${signed(changePercent(row), 2)} %` : "";
  byId("moved").className = row && change(row) ? (change(row) > 0 ? "up" : "down") : "";
  byId("status").textContent = row?.halted ? `${row.status}${row.reason && `: ${row.reason}`}` : row?.stale ? "stale" : "";
  if (!row) return;
  const { open, high, low, reference, volume, decimals, bidSize, askSize } = row;
  const values = [fixed(open, decimals), fixed(high, decimals), fixed(low, decimals), fixed(reference, decimals), fixed(vwap(row), decimals), count(volume), `${count(bidSize)} × ${count(askSize)}`];
  byId("session").querySelectorAll("dd").forEach((/** @type {Element} */ cell, /** @type {number} */ at) => {
    if (cell.textContent !== values[at]) cell.textContent = values[at];
  });
}

// Messages

feed.on("batch", (ticks) => {
  const nowMs = performance.now();
  for (const tick of ticks) {
    if (tick.type === "bar") {
      if (tick.symbol === selected) chart.bar(tick);
    } else if (watchlist.has(tick.symbol) && board.take(tick, nowMs) && tick.symbol === selected) follow(tick);
  }
  wake();
});

/** @param {any} tick */
function follow(tick) {
  if (tick.type === "quote") chart.quote(tick);
  if (tick.type !== "trade") return;
  chart.trade(tick);
  tape.take(tick);
}

feed.on("snapshot", (snapshot) => {
  if (!watchlist.has(snapshot.symbol)) return;
  board.snapshot(snapshot, performance.now());
  if (!selected) board.grown = true;
  wake();
});
feed.on("open", ({ sameEpoch }) => {
  if (!sameEpoch) renumber();
  tell("");
  document.body.classList.remove("cut");
  panel.paint();
});
feed.on("epoch", renumber);
feed.on("close", ({ code, reason, reconnect, retryMs }) => {
  panel.retryMs = performance.now() + retryMs;
  const why = reason || (code === 1006 ? "the connection was lost" : `closed with ${code}`);
  if (!document.body.classList.contains("cut")) lostAt = clock(Date.now() * 1e6).slice(0, 8);
  document.body.classList.add("cut");
  const prices = lostAt && ` Prices are as they were at ${lostAt} UTC.`;
  tell(reconnect ? `Reconnecting: ${why}.${prices}` : `Closed: ${why} (${code}).${prices} Reload the page to try again.`);
  panel.paint();
  if (code === 4501) admit(why);
  else if (code === 1006 && history.token) history.refused().then((told) => told && admit(told));
});
feed.on("error", ({ code, message }) => {
  if (code === "unauthenticated") admit(message);
});

/** Ask for a token; the page is loaded anew with it. @param {string} why */
function admit(why) {
  feed.close();
  tell(why);
  byId("token").open || byId("token").showModal();
}

feed.on("heartbeat", (heartbeat) => {
  byId("sources").textContent = sourcesText(heartbeat);
  playback.hear(heartbeat);
});
feed.on("notice", ({ message }) => tell(message, NOTICE_MS));

function renumber() {
  board.renumber();
  chart.clear();
  tape.clear();
}

// Painting

function wake() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(paint);
}

function paint() {
  scheduled = false;
  const nowMs = performance.now();
  if (board.grown || (board.sort && nowMs - sortedMs > SORT_MS)) arrange(nowMs);
  const flashing = table.paint(board.dirty, !still());
  const own = board.rows.get(selected);
  if (own && board.dirty.has(own)) describe();
  board.dirty.clear();
  chart.paint();
  tape.paint(own?.decimals ?? 2);
  if (flashing) setTimeout(wake, 50);
}

/** @param {number} nowMs */
function arrange(nowMs) {
  [board.grown, sortedMs] = [false, nowMs];
  shown = board.ordered(watchlist.order(board.rows.keys()));
  board.grown = false; // names that have not ticked got their rows just now
  table.show(shown);
  byId("watch-note").hidden = shown.length > 0;
  const first = shown.find((row) => row.heardMs > 0);
  if (first && (!selected || (!chosen && nowMs < SETTLE_MS))) select(first.symbol);
  describe();
}

setInterval(() => {
  board.tick(performance.now());
  panel.paint();
  wake();
}, 1000);

// The person

/** @type {Record<string, () => void>} */
const KEYS = {
  "/": () => search.focus(),
  "?": () => byId("about").showModal(),
  t: () => dress(nextTheme()),
  w: () => table.focus(),
  r: () => feed.retry(),
  " ": () => playback.toggle(),
};

addEventListener("keydown", (event) => {
  const target = /** @type {Element} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, dialog")) return;
  if (event.key === " " && (target.closest("button") || !playback.shown)) return;
  const digit = INTERVALS[Number(event.key) - 1];
  const act = digit ? () => choose(digit.label) : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

/** @param {string} name */
function dress(name) {
  byId("theme").textContent = { auto: "◐ Auto", dark: "● Dark", light: "○ Light" }[name] ?? "";
  chart.restyle();
}

byId("theme").addEventListener("click", () => dress(nextTheme()));
byId("help").addEventListener("click", () => byId("about").showModal());
byId("share").addEventListener("click", () =>
  navigator.clipboard?.writeText(location.href).then(() => tell("The address of this page, with its symbols, is in the clipboard."), failed));
byId("token").addEventListener("close", () => {
  if (!byId("secret").value) return;
  sessionStorage.setItem("feed.token", byId("secret").value);
  location.reload();
});
byId("intervals").append(...INTERVALS.map(({ label }, at) => {
  const button = Object.assign(document.createElement("button"), { type: "button", value: label, textContent: label, title: `Key ${at + 1}` });
  button.addEventListener("click", () => choose(label));
  return button;
}));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.restyle());
addEventListener("online", () => feed.retry());

dress(wear(theme()));
choose(interval);
listed();
chart.load();
