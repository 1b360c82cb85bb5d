// The page at `/`: one plain WebSocket, one row per symbol. What is above `start` needs no browser.

const ROWS_SHOWN = 300;
const SILENT_INTERVALS = 3;
const [DAY_NS, REWIND_NS] = [86_400e9, 1e9];

/** Tell whether the same client would only fail again (feed/codes.py). */
export const stayAway = (code) =>
  [1002, 1003, 1007, 1009].includes(code) || (code >= 4500 && code < 4600);

/** Give the wait before an attempt: full jitter, as in feed/client/backoff.py. */
export const delayMs = (attempt, draw = Math.random()) =>
  draw * Math.min(30_000, 250 * 2 ** attempt);

/** Read what the form put into the address; every symbol where it put nothing. */
export function readSymbols(query) {
  const text = new URLSearchParams(query).get("symbols")?.trim() || "*";
  return [...new Set(text.split(/[\s,]+/).filter(Boolean))];
}

/** Quotes at an interval, as only the newest counts; every trade, as volume is their sum. */
export const subscriptions = (symbols) => [
  { type: "subscribe", symbols, channels: ["quotes"], delivery: "latest", interval_ms: 200 },
  { type: "subscribe", symbols, channels: ["trades"] },
];

export const newRow = (symbol) => ({ symbol, volume: 0, decimals: 2, tradeSeq: 0, tradeTs: 0 });

function setPrice(row, name, value) {
  const places = String(value).split(".")[1]?.length ?? 0;
  row.decimals = Math.min(8, Math.max(row.decimals, places));
  row[name] = value;
}

export function takeQuote(row, { bid, ask }) {
  setPrice(row, "bid", bid);
  setPrice(row, "ask", ask);
}

/** Count a trade, unless a snapshot has counted it already. */
export function takeTrade(row, { seq, ts_event, price, size }) {
  if (seq <= row.tradeSeq) return;
  if (isNewSession(row.tradeTs, ts_event)) [row.reference, row.volume] = [row.last, 0];
  row.reference ??= price;
  row.volume += size ?? 0;
  [row.tradeSeq, row.tradeTs] = [seq, ts_event];
  setPrice(row, "last", price);
}

/** As on the server: another UTC day, or a tape that started over. */
const isNewSession = (beforeNs, nowNs) =>
  Math.floor(nowNs / DAY_NS) !== Math.floor(beforeNs / DAY_NS) || nowNs < beforeNs - REWIND_NS;

/** Begin from the server's account; its trades only where this snapshot opens that stream. */
export function takeSnapshot(row, { seqs, quote, trade, session }) {
  if (quote) takeQuote(row, quote);
  if (!trade || seqs.trades === undefined) return;
  [row.tradeSeq, row.tradeTs, row.volume] = [seqs.trades, trade.ts_event, session.volume];
  row.reference = session.previous_close ?? session.open;
  setPrice(row, "last", trade.price);
}

/** Give a row's cells as text, and its change in percent. */
export function cells(row) {
  const price = (value) => value?.toFixed(row.decimals) ?? "–";
  const change = row.reference ? (row.last / row.reference - 1) * 100 : 0;
  const shown = row.reference ? `${change < 0 ? "" : "+"}${change.toFixed(2)} %` : "–";
  const volume = row.volume.toLocaleString("en", { maximumFractionDigits: 4 });
  return [[row.symbol, price(row.bid), price(row.ask), price(row.last), shown, volume], change];
}

function start() {
  const byId = (id) => document.getElementById(id);
  const symbols = readSymbols(location.search);
  const [rows, dirty] = [new Map(), new Set()];
  let socket, attempt = 0, arranged = 0, heardMs = 0, silentMs = Infinity;

  const said = ({ message }) => message;
  const tell = (told) => { byId("news").textContent = said(told); };
  const show = (kind, text) => Object.assign(byId("state"), { className: kind, textContent: text });

  const update = (take) => (told) => {
    if (!rows.has(told.symbol)) rows.set(told.symbol, newRow(told.symbol));
    if (!dirty.size) requestAnimationFrame(paint);
    dirty.add(rows.get(told.symbol));
    take(rows.get(told.symbol), told);
  };

  function paint() {
    if (arranged !== rows.size) arrange();
    for (const row of dirty) if (row.line) fill(row.line, ...cells(row));
    dirty.clear();
  }

  function arrange() {
    const shown = [...rows.keys()].sort().slice(0, ROWS_SHOWN).map((symbol) => rows.get(symbol));
    for (const row of shown) row.line ??= byId("line").content.firstElementChild.cloneNode(true);
    byId("rows").replaceChildren(...shown.map((row) => row.line));
    byId("more").textContent = rows.size > ROWS_SHOWN ? `${ROWS_SHOWN} of ${rows.size} shown` : "";
    arranged = rows.size;
  }

  function fill({ cells: all }, texts, change) {
    texts.forEach((text, at) => { if (all[at].textContent !== text) all[at].textContent = text; });
    all[4].className = ["down", "", "up"][Math.sign(change) + 1];
  }

  const takers = {
    quote: update(takeQuote),
    trade: update(takeTrade),
    snapshot: update(takeSnapshot),
    subscribed: ({ rejected = [] }) => tell({ message: rejected.map(said).join("; ") }),
    notice: tell,
    error: tell,
    heartbeat: ({ sources }) => show("live", Object.entries(sources).flat().join(" ") || "live"),
    welcome({ heartbeat_interval_s }) {
      [attempt, arranged, silentMs] = [0, 0, heartbeat_interval_s * 1000 * SILENT_INTERVALS];
      rows.clear(); // the numbering may be another; snapshots follow
      show("live", "live");
      for (const command of subscriptions(symbols)) socket.send(JSON.stringify(command));
    },
  };

  function connect() {
    socket = new WebSocket(new URL("v1/stream?batch=1", location.href.replace(/^http/, "ws")));
    socket.onclose = lost;
    socket.onmessage = ({ data }) => {
      heardMs = performance.now();
      for (const told of [JSON.parse(data)].flat()) takers[told.type]?.(told);
    };
  }

  function lost({ code, reason = "" }) {
    silentMs = Infinity;
    if (stayAway(code)) return show("closed", `closed, reload to try again: ${reason} (${code})`);
    show("waiting", `reconnecting: ${reason || "connection lost"} (${code})`);
    setTimeout(connect, delayMs(attempt++));
  }

  setInterval(() => {
    if (performance.now() - heardMs < silentMs) return;
    socket.onclose = null; // on a dead network it would wait for the answer to its close
    socket.close();
    lost({ code: 4002, reason: "no heartbeat" });
  }, 1000);
  byId("symbols").value = symbols.join(" ");
  connect();
}

if (globalThis.document) start();
