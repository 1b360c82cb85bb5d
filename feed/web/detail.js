// @ts-check
// The selected symbol in figures: its price and change, whether it trades, and its session's statistics.

import { change, changePercent, count, fixed, signed, volume, vwap } from "./rows.js";

/** @typedef {import("./rows.js").Row} Row */

/** @type {[string, string, (row: Row) => string][]} */
const FIGURES = [
  ["Open", "", (row) => fixed(row.open, row.decimals)],
  ["High", "", (row) => fixed(row.high, row.decimals)],
  ["Low", "", (row) => fixed(row.low, row.decimals)],
  ["Prev", "The previous close, or the open where none is known", (row) => fixed(row.reference, row.decimals)],
  ["VWAP", "Average price by volume", (row) => fixed(vwap(row), row.decimals)],
  ["Volume", "", volume],
  ["Bid × ask", "Sizes of the best bid and ask", (row) => (Number.isNaN(row.bid) ? "–" : `${count(row.bidSize)} × ${count(row.askSize)}`)],
];

export class Detail {
  #element;
  #values;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
    this.#values = FIGURES.map(([label, title]) => {
      const line = document.createElement("div");
      const value = document.createElement("dd");
      line.append(Object.assign(document.createElement("dt"), { textContent: label }), value);
      line.title = title;
      this.#find("session").append(line);
      return value;
    });
  }

  /** @param {string} symbol "" for none @param {Row | undefined} row */
  paint(symbol, row) {
    this.#say("name", symbol || "No symbol selected");
    this.#say("price", row ? fixed(row.last, row.decimals) : "");
    const moved = row ? change(row) : NaN;
    this.#say("moved", row && !Number.isNaN(moved) ? `${signed(moved, row.decimals)}  ${signed(changePercent(row), 2)} %` : "");
    this.#find("moved").className = moved > 0 ? "up" : moved < 0 ? "down" : "";
    this.#say("status", row?.halted ? `${row.status}${row.reason && `: ${row.reason}`}` : row?.stale ? "stale" : "");
    this.#find("status").title = this.#find("status").textContent ?? "";
    this.#values.forEach((value, at) => write(value, row ? FIGURES[at][2](row) : "–"));
  }

  /** @param {string} id @returns {HTMLElement} */
  #find(id) {
    return /** @type {HTMLElement} */ (this.#element.querySelector(`#${id}`));
  }

  /** @param {string} id @param {string} text */
  #say(id, text) {
    write(this.#find(id), text);
  }
}

/** Write only what differs. @param {HTMLElement} element @param {string} text */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
