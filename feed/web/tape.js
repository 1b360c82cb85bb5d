// @ts-check
// The tape: the newest trades of the selected symbol, one line each.

import { count, fixed } from "./rows.js";

export const LINES = 40;

/** The time of day, UTC, to the millisecond. @param {number} ns */
export const clock = (ns) => new Date(ns / 1e6).toISOString().slice(11, 23);

export class Tape {
  /** Newest first. @type {any[]} */
  #trades = [];
  #changed = true;
  #lines;
  #body;
  #note;

  /** @param {HTMLTableSectionElement} body @param {HTMLElement} note for when there is nothing */
  constructor(body, note) {
    this.#body = body;
    this.#note = note;
    this.#lines = Array.from({ length: LINES }, () => {
      const line = document.createElement("tr");
      for (const key of ["time", "price", "size"]) line.insertCell().className = key;
      return line;
    });
  }

  clear() {
    [this.#trades, this.#changed] = [[], true];
  }

  /** @param {any} trade */
  take(trade) {
    this.#trades.unshift(trade);
    if (this.#trades.length > LINES + 1) this.#trades.length = LINES + 1; // the last tells a direction
    this.#changed = true;
  }

  /** Put the log's trades below what has come live since. @param {any[]} trades oldest first */
  prepend(trades) {
    const first = this.#trades[this.#trades.length - 1]?.seq ?? Infinity;
    this.#trades.push(...trades.filter(({ seq }) => seq < first).reverse());
    this.#changed = true;
  }

  /** @param {number} decimals */
  paint(decimals) {
    if (!this.#changed) return;
    this.#changed = false;
    this.#note.hidden = this.#trades.length > 0;
    const shown = this.#trades.slice(0, LINES);
    shown.forEach(({ ts_event, price, size }, at) => {
      const [time, paid, amount] = this.#lines[at].cells;
      const direction = Math.sign(price - this.#trades[at + 1]?.price) || 0;
      time.textContent = clock(ts_event);
      paid.textContent = fixed(price, decimals);
      paid.className = `price ${["down", "", "up"][direction + 1]}`;
      amount.textContent = count(size ?? NaN);
    });
    if (this.#body.rows.length !== shown.length)
      this.#body.replaceChildren(...this.#lines.slice(0, shown.length));
  }
}
