// @ts-check
// What is known of each symbol, from quotes, trades, status and snapshots. Needs no browser.

const [DAY_NS, REWIND_NS] = [86_400e9, 1e9];
export const SPARK_POINTS = 60;
const HALTED = /halt|suspend|pause|closed/i;

/** @typedef {ReturnType<typeof newRow>} Row */

/** @param {string} symbol */
export const newRow = (symbol) => ({
  symbol,
  bid: NaN, ask: NaN, bidSize: NaN, askSize: NaN, last: NaN,
  open: NaN, high: NaN, low: NaN, reference: NaN, // the previous close, or else the open
  volume: 0, notional: 0,
  decimals: 2, // the most that a price of this symbol has had
  tradeSeq: 0, tradeTs: 0,
  status: "", reason: "", halted: false, stale: false,
  heardMs: 0, // when the last tick came
  spark: /** @type {number[]} */ ([]),
  samples: 0, // how many points it has ever had
});

/** @param {Row} row @param {number} value */
function price(row, value) {
  const places = String(value).split(".")[1]?.length ?? 0;
  if (places > row.decimals) row.decimals = Math.min(8, places);
  return value;
}

/** @param {Row} row @param {any} quote */
export function takeQuote(row, { bid, ask, bid_size, ask_size }) {
  [row.bid, row.ask] = [price(row, bid), price(row, ask)];
  [row.bidSize, row.askSize] = [bid_size ?? NaN, ask_size ?? NaN];
}

/** Count a trade, unless a snapshot has counted it already. @param {Row} row @param {any} trade */
export function takeTrade(row, { seq, ts_event, price: paid, size }) {
  if (seq <= row.tradeSeq) return false;
  if (row.tradeSeq && isNewSession(row.tradeTs, ts_event)) {
    row.reference = row.last;
    row.open = row.high = row.low = NaN;
    row.volume = row.notional = 0;
  }
  row.last = price(row, paid);
  if (Number.isNaN(row.open)) row.open = row.high = row.low = paid;
  if (Number.isNaN(row.reference)) row.reference = paid;
  [row.high, row.low] = [Math.max(row.high, paid), Math.min(row.low, paid)];
  row.volume += size ?? 0;
  row.notional += paid * (size ?? 0);
  [row.tradeSeq, row.tradeTs] = [seq, ts_event];
  return true;
}

/** As on the server: another UTC day, or a tape that started over. @param {number} beforeNs @param {number} nowNs */
const isNewSession = (beforeNs, nowNs) =>
  Math.floor(nowNs / DAY_NS) !== Math.floor(beforeNs / DAY_NS) || nowNs < beforeNs - REWIND_NS;

/** @param {Row} row @param {any} told */
export function takeStatus(row, { status, reason }) {
  [row.status, row.reason, row.halted] = [status, reason ?? "", HALTED.test(status)];
}

/** Begin from the server's account; its trades only where this snapshot opens that stream. @param {Row} row @param {any} snapshot */
export function takeSnapshot(row, { seqs, quote, trade, status, session }) {
  if (quote) takeQuote(row, quote);
  if (status) takeStatus(row, status);
  if (!trade || seqs.trades === undefined) return;
  [row.tradeSeq, row.tradeTs] = [seqs.trades, trade.ts_event];
  row.last = price(row, trade.price);
  row.reference = session.previous_close ?? session.open ?? NaN;
  [row.open, row.high, row.low] = [session.open ?? NaN, session.high ?? NaN, session.low ?? NaN];
  [row.volume, row.notional] = [session.volume, (session.vwap ?? 0) * session.volume];
}

/** Forget positions, as the numbering began anew; prices stay until newer ones come. @param {Row} row */
export function renumber(row) {
  row.tradeSeq = 0;
  row.spark = [];
  row.volume = row.notional = 0;
  row.open = row.high = row.low = row.reference = NaN;
}

/** Keep a point of the sparkline; call it at even intervals. @param {Row} row */
export function sample(row) {
  const value = Number.isNaN(row.last) ? mid(row) : row.last;
  if (Number.isNaN(value)) return;
  row.spark.push(value);
  row.samples++;
  if (row.spark.length > SPARK_POINTS) row.spark.shift();
}

/** Put the log's bars of one second before the points there are; each close stands until the next. @param {Row} row @param {any[]} bars oldest first */
export function prepend(row, bars) {
  const start = bars.findLastIndex((bar, at) => at > 0 && bar.ts_event < bars[at - 1].ts_event); // a tape that started over
  const past = bars.slice(Math.max(0, start));
  const points = past.flatMap(({ ts_event, close }, at) => {
    const seconds = ((past[at + 1]?.ts_event ?? ts_event + 1e9) - ts_event) / 1e9;
    return new Array(Math.min(SPARK_POINTS, Math.round(seconds))).fill(close);
  });
  row.spark = [...points, ...row.spark].slice(-SPARK_POINTS);
  row.samples++;
}

/** @param {Row} row */
export const mid = (row) => (row.bid + row.ask) / 2;

/** @param {Row} row */
export const change = (row) => row.last - row.reference;

/** @param {Row} row */
export const changePercent = (row) => (row.last / row.reference - 1) * 100;

/** @param {Row} row */
export const vwap = (row) => (row.volume ? row.notional / row.volume : NaN);

/** Before the first trade none is known, which is not none. @param {Row} row */
export const volume = (row) => amount(Number.isNaN(row.last) ? NaN : row.volume);

// As text: a dash for what is not known, a sign for what may be below zero.

/** @param {number} value @param {number} decimals */
export const fixed = (value, decimals) => (Number.isFinite(value) ? value.toFixed(decimals) : "–");

/** @param {number} value @param {number} decimals */
export function signed(value, decimals) {
  if (!Number.isFinite(value)) return "–";
  const text = Math.abs(value).toFixed(decimals);
  return Number(text) === 0 ? text : (value < 0 ? "−" : "+") + text;
}

const COUNT = new Intl.NumberFormat("en", { maximumFractionDigits: 4 });
const SHORT = new Intl.NumberFormat("en", { notation: "compact", minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** @param {number} value */
export const count = (value) => (Number.isFinite(value) ? COUNT.format(value) : "–");

/** @param {number} value */
export const amount = (value) => (value >= 1e6 ? SHORT.format(value) : count(value));

/**
 * @typedef {object} Column
 * @property {string} key also the class of its cells
 * @property {string} label
 * @property {string} [title]
 * @property {(row: Row) => string} text
 * @property {(row: Row) => number | string} [value] to sort by
 * @property {boolean} [moves] whether a change of `value` is to be seen
 * @property {(row: Row) => number} [sign] above or below zero
 */

/** @type {Column[]} */
export const COLUMNS = [
  { key: "bid", label: "Bid", text: (row) => fixed(row.bid, row.decimals), value: (row) => row.bid, moves: true },
  { key: "ask", label: "Ask", text: (row) => fixed(row.ask, row.decimals), value: (row) => row.ask, moves: true },
  { key: "spread", label: "Spread", text: (row) => fixed(row.ask - row.bid, row.decimals), value: (row) => row.ask - row.bid },
  { key: "last", label: "Last", text: (row) => fixed(row.last, row.decimals), value: (row) => row.last, moves: true },
  { key: "change", label: "Chg", title: "Change since the previous close, or the open", text: (row) => signed(change(row), row.decimals), value: change, sign: change },
  { key: "percent", label: "Chg %", text: (row) => signed(changePercent(row), 2), value: changePercent, sign: change },
  { key: "volume", label: "Volume", text: volume, value: (row) => row.volume },
];
