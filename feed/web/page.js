// @ts-check
// The page at `/`: puts the parts together. Messages only mark what has changed; one paint per
// animation frame writes it, and only where it is in view.

import { Backfill } from "./backfill.js";
import { Board } from "./board.js";
import { INTERVALS } from "./candles.js";
import { Chart } from "./chart.js";
import { Detail } from "./detail.js";
import { connect, PROTOCOL_VERSION } from "./feed.js";
import { History } from "./history.js";
import { Panel, sourcesText } from "./panel.js";
import { Playback } from "./playback.js";
import { COLUMNS, fixed } from "./rows.js";
import { Search } from "./search.js";
import { nextTheme, still, storage, theme, wear } from "./settings.js";
import { Subscriptions } from "./subscriptions.js";
import { Table } from "./table.js";
import { clock, LINES, Tape } from "./tape.js";
import { isName, isPattern, split, Watchlist } from "./watchlist.js";

const SLOW = 4001; // the close code of a session that does not read what it is sent
const SPARING = "This browser was too slow for every trade and now gets the newest one, once a second; volume, high, low and VWAP follow every 5 s. R asks for every trade again.";
const CATCH_UP_MS = 5000;
const SETTLE_MS = 2000; // after the first row has come: meanwhile the first in the list is selected
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
const detail = new Detail(byId("detail"));
const tape = new Tape(byId("trades"), byId("tape-note"));
const panel = new Panel(byId("figures"), byId("state"), feed);
const playback = new Playback(byId("playback"), history, tell);
const search = new Search(byId("search"), { suggest, add });
const subscriptions = new Subscriptions(feed, { answered, failed });
const backfill = new Backfill(history);

/** @type {import("./rows.js").Row[]} */
let shown = [];
let selected = "";
let interval = storage.getItem("feed.interval") ?? "1s";
let [scheduled, sortedMs, caughtUpMs] = [false, 0, 0];
let settledMs = Infinity; // when the first rows have come
let chosen = false; // by a person
let lostAt = ""; // when the connection was
let typed = ""; // to be selected once the server has taken it

// The watchlist

function listed() {
  window.history.replaceState(null, "", watchlist.query);
  board.keep((symbol) => watchlist.has(symbol));
  subscriptions.keep(watchlist.entries);
  wake();
}

/** @param {string[]} fresh @param {import("./feed.js").Rejection[]} rejected */
function answered(fresh, rejected) {
  const names = new Set(rejected.map((own) => own.symbol));
  if (fresh.includes(typed)) {
    if (!names.has(typed)) select(typed);
    typed = "";
  }
  if (!names.size) return;
  tell([...new Set(rejected.map((own) => own.message))].join("; "));
  watchlist.replace(watchlist.entries.filter((own) => !names.has(own)));
}

/** @param {any} error */
function failed(error) {
  if (error.code !== "closed") tell(error.message);
}

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
  chart.show(symbol ? board.row(symbol) : null, interval);
  detail.paint(symbol, board.rows.get(symbol));
  if (symbol) {
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
  wake();
});
feed.on("open", ({ sameEpoch }) => {
  if (!sameEpoch) renumber();
  tell(subscriptions.sparing ? SPARING : "");
  document.body.classList.remove("cut");
  panel.paint(subscriptions.sparing);
});
feed.on("epoch", renumber);
feed.on("close", ({ code, reason, reconnect, retryMs }) => {
  panel.retryMs = performance.now() + retryMs;
  if (code === SLOW) subscriptions.spare(true);
  const why = reason || (code === 1006 ? "the connection was lost" : `closed with ${code}`);
  if (!document.body.classList.contains("cut")) lostAt = clock(Date.now() * 1e6).slice(0, 8);
  document.body.classList.add("cut");
  const prices = lostAt && ` Prices are as they were at ${lostAt} UTC.`;
  tell(reconnect ? `Reconnecting: ${why}.${prices}` : `Closed: ${why} (${code}).${prices} Reload the page to try again.`);
  panel.paint(subscriptions.sparing);
  if (code === 4501) admit(why);
  else if (code === 1006 && history.token) history.refused().then((told) => told && admit(told));
});
feed.on("error", ({ code }) => {
  if (code === "unauthenticated") admit("This feed has to know first who is asking.");
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
  backfill.forget();
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
  if (own && board.dirty.has(own)) detail.paint(selected, own);
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
  if (first) settledMs = Math.min(settledMs, nowMs + SETTLE_MS);
  if (first && (!selected || (!chosen && nowMs < settledMs))) select(first.symbol);
  detail.paint(selected, board.rows.get(selected));
}

setInterval(() => {
  const nowMs = performance.now();
  board.tick(nowMs, feed.connected);
  panel.paint(subscriptions.sparing);
  wake();
  entitle();
  if (!feed.connected || document.hidden) return;
  backfill.fill(table.visible.map((symbol) => board.row(symbol)).filter((row) => row.heardMs), (row) => board.dirty.add(row));
  if (subscriptions.sparing && nowMs - caughtUpMs > CATCH_UP_MS) catchUp(nowMs);
}, 1000);

/** Say the price where a page in the background shows: in its tab. */
function entitle() {
  const row = board.rows.get(selected);
  const price = row && !Number.isNaN(row.last) ? `${fixed(row.last, row.decimals)} ${selected}` : selected;
  const text = [feed.connected ? "" : "⚠", price, price && "·", "feed"].filter(Boolean).join(" ");
  if (document.title !== text) document.title = text;
}

/** Where not every trade comes, have the server's sums of them. @param {number} nowMs */
async function catchUp(nowMs) {
  caughtUpMs = nowMs;
  const snapshots = await history.snapshots([...board.rows.keys()]).catch(() => []);
  for (const own of snapshots) if (watchlist.has(own.symbol)) board.catchUp(own);
}

/** A person has no patience, or has found a quicker machine. */
function retry() {
  if (subscriptions.sparing) tell("");
  subscriptions.spare(false);
  feed.retry();
}

// The person

/** @type {Record<string, () => void>} */
const KEYS = {
  "/": () => search.focus(),
  "?": explain,
  t: () => dress(nextTheme()),
  w: () => table.focus(),
  r: retry,
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

function explain() {
  byId("versions").textContent = `Protocol ${PROTOCOL_VERSION}, ${chart.version ? `chart library ${chart.version}` : "no chart library"}`;
  byId("about").showModal();
}

/** @param {string} name */
function dress(name) {
  byId("theme").textContent = { auto: "◐ Auto", dark: "● Dark", light: "○ Light" }[name] ?? "";
  chart.restyle();
}

byId("theme").addEventListener("click", () => dress(nextTheme()));
byId("help").addEventListener("click", explain);
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
document.addEventListener("visibilitychange", () => document.hidden || feed.retry()); // timers are slow in the background

dress(wear(theme()));
choose(interval);
listed();
chart.load();
