// @ts-check
// A feed.Live in a notebook (anywidget): rows and table are the dashboard's, the figures the kernel's.

import { Board } from "./board.js";
import { COLUMNS, takeQuote, takeTrade } from "./rows.js";
import { Table } from "./table.js";
import { Trend } from "./trend.js";

/** @typedef {{ bid: number, ask: number, last: number, reference: number, volume: number }} Figures */
/** @typedef {{ symbols: string[], values: DataView, trail: DataView, state: string }} Sheet */

const SAMPLE_MS = 1_000;

/** Floats as the kernel packed them. @param {DataView} view */
const floats = (view) => new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

/** Tell whether a row has changed, and take it over if so. @param {import("./rows.js").Row} row @param {Figures} now */
function takeFigures(row, now) {
  const same = /** @type {(keyof Figures)[]} */ (Object.keys(now)).every((name) => Object.is(row[name], now[name]));
  if (same) return false;
  takeQuote(row, { bid: now.bid, ask: now.ask });
  if (!Number.isNaN(now.last)) takeTrade(row, { seq: row.tradeSeq + 1, ts_event: 0, price: now.last, size: 0 });
  [row.reference, row.volume] = [now.reference, now.volume];
  return true;
}

/** @param {HTMLElement} element whose look follows that of the notebook */
function dress(element) {
  const light = document.body.dataset.jpThemeLight ?? String(!document.body.classList.contains("vscode-dark"));
  element.dataset.theme = light === "false" ? "dark" : "light";
}

/** @param {HTMLElement} element @param {string} name */
const part = (element, name) => element.appendChild(Object.assign(document.createElement("div"), { className: name }));

/** @param {{ model: any, el: HTMLElement }} context */
function render({ model, el }) {
  const view = Math.random().toString(36).slice(2); // crypto.randomUUID is for https pages only
  const board = new Board();
  const root = part(el, "feed-live");
  const [state, scroller, trendElement] = ["state", "scroller", "trend"].map((name) => part(root, name));
  dress(root);
  const trend = new Trend(trendElement);
  let asked = 0;

  const paint = () => {
    asked = 0;
    if (table.paint(board.dirty)) later();
    board.dirty.clear();
  };
  const later = () => (asked ||= requestAnimationFrame(paint));
  const arrange = () => {
    board.grown = false;
    table.show(board.ordered([...board.rows.keys()].sort()));
  };
  /** @param {string} symbol */
  const select = (symbol) => {
    table.select(symbol);
    model.set("selected", symbol);
    model.save_changes();
  };
  /** @param {string} key */
  const sort = (key) => {
    board.sortBy(key);
    table.sorted(board.sort?.key ?? "", board.sort?.down ? "descending" : "ascending");
    arrange();
    later();
  };
  const table = new Table(scroller, { columns: COLUMNS, label: "Live", onSelect: select, onSort: sort, onScroll: later });

  const take = () => {
    /** @type {Partial<Sheet>} */
    const { symbols = [], values, trail, state: told = "" } = model.get("sheet");
    const all = values ? floats(values) : new Float64Array();
    symbols.forEach((symbol, at) => {
      const [bid, ask, last, reference, volume] = all.subarray(5 * at);
      const row = board.row(symbol);
      if (takeFigures(row, { bid, ask, last, reference, volume })) board.dirty.add(row);
    });
    if (board.grown) arrange();
    state.textContent = told;
    if (trail) follow(floats(trail));
    later();
  };
  /** @param {Float64Array} points times, then prices */
  const follow = (points) => {
    const [symbol, number] = [model.get("selected"), points.length / 2];
    if (table.selected !== symbol) table.select(symbol);
    trend.show(symbol, points.subarray(0, number), points.subarray(number), board.rows.get(symbol)?.decimals ?? 2);
  };

  /** @param {boolean} open @param {boolean} [leaving] whether the page goes, and the view with it */
  const tell = (open, leaving = false) => model.send({ view, open, leaving });
  const leave = () => tell(false, true);
  /** @param {PageTransitionEvent} event of a page that was kept and is shown again */
  const comeBack = (event) => event.persisted && tell(true);
  const sampling = setInterval(() => (board.tick(0), later()), SAMPLE_MS);
  model.on("change:sheet", take);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", comeBack);
  tell(true);
  take();
  return () => {
    clearInterval(sampling);
    cancelAnimationFrame(asked);
    model.off("change:sheet", take);
    removeEventListener("pagehide", leave);
    removeEventListener("pageshow", comeBack);
    tell(false);
  };
}

export default { render };
