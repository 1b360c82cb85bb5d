// @ts-check
// Fills from the log what a page that was just opened cannot know: the sparklines of the rows in view. Needs no browser.

import { prepend, SPARK_POINTS } from "./rows.js";

/** @typedef {import("./rows.js").Row} Row */

export class Backfill {
  #history;
  /** @type {WeakSet<Row>} */
  #asked = new WeakSet();
  #busy = false;

  /** @param {Pick<import("./history.js").History, "bars">} history */
  constructor(history) {
    this.#history = history;
  }

  /** Fill those that were not yet, one after the other. @param {Row[]} rows @param {(row: Row) => void} filled */
  async fill(rows, filled) {
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (const row of rows) {
        if (this.#asked.has(row)) continue;
        this.#asked.add(row);
        const bars = await this.#history.bars(row.symbol, "1s", SPARK_POINTS);
        if (bars?.length) prepend(row, bars);
        filled(row);
      }
    } catch { // the feed has other things to do; the rows in view come again
    } finally {
      this.#busy = false;
    }
  }

  /** Ask anew: another numbering has another past. */
  forget() {
    this.#asked = new WeakSet();
  }
}
