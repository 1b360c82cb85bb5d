// @ts-check
// The rows of every symbol, which of them have changed, and in what order they are shown. Needs no browser.

import { COLUMNS, newRow, renumber, sample, takeQuote, takeSnapshot, takeStatus, takeTrade } from "./rows.js";

const STALE_MS = 30_000;

/** @typedef {import("./rows.js").Row} Row */

export class Board {
  /** @type {Map<string, Row>} */
  rows = new Map();
  /** Changed since they were painted. @type {Set<Row>} */
  dirty = new Set();
  /** Set when a row has come or gone, or was heard of for the first time. */
  grown = false;
  /** @type {{ key: string, down: boolean } | null} null: the order of the watchlist */
  sort = null;

  /** @param {string} symbol */
  row(symbol) {
    let row = this.rows.get(symbol);
    if (!row) {
      this.rows.set(symbol, (row = newRow(symbol)));
      this.grown = true;
    }
    return row;
  }

  /** Take a tick; gives whether it was news. @param {any} tick @param {number} nowMs */
  take(tick, nowMs) {
    const row = this.row(tick.symbol);
    this.#hear(row, nowMs);
    row.stale = false;
    this.dirty.add(row);
    if (tick.type === "quote") takeQuote(row, tick);
    else if (tick.type === "trade") return takeTrade(row, tick);
    else if (tick.type === "status") takeStatus(row, tick);
    return true;
  }

  /** @param {any} snapshot @param {number} nowMs */
  snapshot(snapshot, nowMs) {
    const row = this.row(snapshot.symbol);
    if (snapshot.quote || snapshot.trade) this.#hear(row, nowMs);
    takeSnapshot(row, snapshot);
    this.dirty.add(row);
  }

  /** @param {Row} row @param {number} nowMs */
  #hear(row, nowMs) {
    this.grown ||= !row.heardMs;
    row.heardMs = nowMs;
  }

  /** Take the sums of trades that were left out, if they are newer than ours. @param {any} snapshot */
  catchUp(snapshot) {
    const row = this.rows.get(snapshot.symbol);
    if (!row || !(snapshot.seqs.trades >= row.tradeSeq)) return;
    takeSnapshot(row, snapshot);
    this.dirty.add(row);
  }

  /** @param {(symbol: string) => boolean} wanted */
  keep(wanted) {
    for (const symbol of this.rows.keys()) if (!wanted(symbol)) this.rows.delete(symbol);
    this.grown = true;
  }

  renumber() {
    for (const row of this.rows.values()) renumber(row);
  }

  /** Once a second: keep a point of each sparkline while prices come, and mark what has fallen silent. @param {number} nowMs @param {boolean} live */
  tick(nowMs, live = true) {
    for (const row of this.rows.values()) {
      if (live) sample(row);
      row.stale = row.heardMs > 0 && nowMs - row.heardMs > STALE_MS;
      this.dirty.add(row);
    }
  }

  /** The next order of a column: down, up, and back to the watchlist's. @param {string} key */
  sortBy(key) {
    if (this.sort?.key !== key) this.sort = { key, down: key !== "symbol" };
    else if (this.sort.down === (key !== "symbol")) this.sort = { key, down: !this.sort.down };
    else this.sort = null;
  }

  /** The rows to show. @param {string[]} symbols in the watchlist's order */
  ordered(symbols) {
    const rows = symbols.map((symbol) => this.row(symbol));
    const { sort } = this;
    if (!sort) return rows;
    const value = COLUMNS.find((own) => own.key === sort.key)?.value ?? ((/** @type {Row} */ row) => row.symbol);
    const sign = sort.down ? -1 : 1;
    return rows.sort((one, other) => sign * compare(value(one), value(other), sign) || compare(one.symbol, other.symbol, 1));
  }
}

/** What is not known comes last either way. @param {number | string} one @param {number | string} other @param {number} sign */
function compare(one, other, sign) {
  const [lacks, otherLacks] = [Number.isNaN(one), Number.isNaN(other)];
  if (lacks || otherLacks) return sign * (Number(lacks) - Number(otherLacks));
  return one < other ? -1 : Number(one > other);
}
