// @ts-check
// Candles of one symbol and interval, from the server's bars and from live ticks. Needs no browser.

const REWIND_S = 60; // a step back by more than this is a tape that started over
const KEPT = 390; // a session of one minute each; the library takes more than a kilobyte for one
const SPARE = 60; // so that the chart is not drawn anew for each

/** @typedef {{ time: number, open: number, high: number, low: number, close: number, volume: number }} Candle */

export const INTERVALS = [
  { label: "1s", seconds: 1, source: "1s" },
  { label: "10s", seconds: 10, source: "1s" },
  { label: "1m", seconds: 60, source: "1m" },
  { label: "5m", seconds: 300, source: "1m" },
  { label: "1h", seconds: 3600, source: "1m" },
];

/** @param {number} ns */
const secondsOf = (ns) => Math.floor(ns / 1e9);

export class Candles {
  /** In order of time. @type {Candle[]} */
  all = [];
  /** Set when more than the newest one has changed. */
  changed = true;
  #seconds;

  /** @param {number} seconds of one candle */
  constructor(seconds) {
    this.#seconds = seconds;
  }

  /** Take a price; gives whether it counted. @param {number} tsEventNs @param {number} price @param {number} size */
  take(tsEventNs, price, size) {
    const time = this.#slot(secondsOf(tsEventNs));
    const last = this.all[this.all.length - 1];
    if (last && time < last.time - REWIND_S) this.clear();
    const candle = this.#at(time);
    if (!candle) return false;
    candle.high = Math.max(candle.high || price, price);
    candle.low = Math.min(candle.low || price, price);
    if (!candle.open) candle.open = price;
    candle.close = price;
    candle.volume += size;
    return true;
  }

  /**
   * Take the server's closed bar of the same interval: it knows also what came before we did.
   * @param {any} bar
   */
  close(bar) {
    const time = this.#slot(secondsOf(bar.ts_event));
    const found = this.all.findLast((own) => own.time <= time);
    if (found?.time !== time) return;
    if (spanOf(bar.interval) !== this.#seconds) return;
    Object.assign(found, whole(time, bar));
    this.changed = true;
  }

  /** Put the log's bars before what has come live since. @param {any[]} bars in order */
  prepend(bars) {
    /** @type {Candle[]} */
    const older = [];
    const first = this.all[0]?.time ?? Infinity;
    for (const bar of bars) {
      const time = this.#slot(secondsOf(bar.ts_event));
      const last = older[older.length - 1];
      if (last && time < last.time) older.length = 0; // the tape started over
      if (last?.time === time) merge(last, bar);
      else older.push(whole(time, bar));
    }
    const newest = older[older.length - 1]?.time ?? 0;
    if (first < newest - REWIND_S) return; // bars of before a rewind
    const shared = this.all.length && newest === first ? older.pop() : undefined;
    if (shared) precede(this.all[0], shared);
    this.all = [...older.filter((own) => own.time < first), ...this.all].slice(-KEPT);
    this.changed = true;
  }

  clear() {
    this.all = [];
    this.changed = true;
  }

  /** @param {number} second */
  #slot(second) {
    return second - (second % this.#seconds);
  }

  /** @param {number} time @returns {Candle | null} the newest one, or null for one of the past */
  #at(time) {
    const last = this.all[this.all.length - 1];
    if (last && time < last.time) return null;
    if (last?.time === time) return last;
    const candle = { time, open: 0, high: 0, low: 0, close: 0, volume: 0 };
    this.all.push(candle);
    if (this.all.length > KEPT + SPARE) {
      this.all.splice(0, SPARE);
      this.changed = true;
    }
    return candle;
  }
}

/** @param {string} interval such as 1s, 1m or 1d */
function spanOf(interval) {
  /** @type {Record<string, number>} */
  const units = { s: 1, m: 60, h: 3600, d: 86400 };
  return parseInt(interval, 10) * (units[interval.slice(-1)] ?? 1);
}

/** @param {number} time @param {any} bar @returns {Candle} */
const whole = (time, { open, high, low, close, volume }) =>
  ({ time, open, high, low, close, volume: volume ?? 0 });

/** @param {Candle} candle @param {any} bar a later one of the same candle */
function merge(candle, { high, low, close, volume }) {
  candle.high = Math.max(candle.high, high);
  candle.low = Math.min(candle.low, low);
  candle.close = close;
  candle.volume += volume ?? 0;
}

/** @param {Candle} candle @param {Candle} older what came before its live ticks */
function precede(candle, older) {
  candle.open = older.open;
  candle.high = Math.max(candle.high, older.high);
  candle.low = Math.min(candle.low, older.low);
  candle.volume += older.volume;
}
