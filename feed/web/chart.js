// @ts-check
// The chart of the selected symbol, by TradingView Lightweight Charts where that is installed.

import { Candles, INTERVALS } from "./candles.js";
import { mid } from "./rows.js";

const MISSING = "No chart: its library is not installed. Install the extra charts (pip install 'feed[charts]') "
  + "and reload. Everything else works without it.";

const LAST = 2; // of the lines: bid, ask, and the newest price

/** Load the library, which is served only where it is installed. @returns {Promise<any>} */
const library = async () => {
  await import(/** @type {any} */ ("./lightweight-charts.js"));
  return /** @type {any} */ (globalThis).LightweightCharts;
};

/** The value of a custom property as the page computes it now. @param {string} name */
function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

export class Chart {
  /** @type {any} */
  #chart = null;
  /** @type {any} */
  #prices;
  /** @type {any} */
  #volumes;
  /** @type {any[]} */
  #lines = [];
  /** As the page has them now. @type {Record<string, string>} */
  #colours = {};
  /** @type {import("./rows.js").Row | null} */
  #row = null;
  #interval = INTERVALS[0];
  #candles = new Candles(1);
  #painted = 0;
  #asked = 0;
  #element;
  #note;
  #history;

  /** @param {HTMLElement} element @param {HTMLElement} note @param {import("./history.js").History} history */
  constructor(element, note, history) {
    this.#element = element;
    this.#note = note;
    this.#history = history;
  }

  async load() {
    try {
      this.#build(await library());
    } catch {
      this.#say(MISSING);
    }
  }

  /** Show a symbol at an interval: first what the log has, then what comes. @param {import("./rows.js").Row | null} row @param {string} label */
  async show(row, label) {
    [this.#row, this.#interval] = [row, INTERVALS.find((own) => own.label === label) ?? INTERVALS[0]];
    this.#candles = new Candles(this.#interval.seconds);
    this.#chart?.applyOptions({ timeScale: { secondsVisible: this.#interval.seconds < 60 } });
    this.#chart?.timeScale().resetTimeScale();
    const asked = ++this.#asked;
    if (!row) return;
    const bars = await this.#history.bars(row.symbol, this.#interval.source).catch(() => null);
    if (asked === this.#asked && bars) this.#candles.prepend(bars);
  }

  /** @param {any} trade of the symbol shown */
  trade({ ts_event, price, size }) {
    this.#candles.take(ts_event, price, size ?? 0);
  }

  /** A symbol that never trades has candles of its mid-quotes. @param {any} quote */
  quote({ ts_event }) {
    if (this.#row && Number.isNaN(this.#row.last)) this.#candles.take(ts_event, mid(this.#row), 0);
  }

  /** @param {any} bar */
  bar(bar) {
    this.#candles.close(bar);
  }

  /** Begin anew: the source was moved. */
  clear() {
    this.#candles.clear();
  }

  /** Bring the picture up to date; once per animation frame. */
  paint() {
    if (!this.#chart) return;
    const all = this.#candles.all;
    if (this.#candles.changed) this.#set(all);
    else for (const candle of all.slice(Math.max(0, this.#painted - 1))) this.#update(candle);
    this.#painted = all.length; // a page in the background is not painted for a while
    this.#candles.changed = false;
    this.#mark(all[all.length - 1]);
  }

  /** Draw bid and ask, and the newest price on the axis. @param {import("./candles.js").Candle | undefined} newest */
  #mark(newest) {
    const { bid = 0, ask = 0 } = this.#row ?? {};
    [bid, ask].forEach((price, at) =>
      this.#lines[at].applyOptions({ price: price || 0, lineVisible: price > 0, axisLabelVisible: price > 0 }));
    const { close = 0, open = 0 } = newest ?? {};
    this.#lines[LAST].applyOptions({ price: close, axisLabelVisible: close > 0, axisLabelColor: this.#colours[close < open ? "down" : "up"] });
  }

  /** The library's version, "" without it. */
  get version() {
    return this.#chart ? /** @type {any} */ (globalThis).LightweightCharts.version() : "";
  }

  /** Take the colours of the page. */
  restyle() {
    if (!this.#chart) return;
    const names = ["up", "down", "line", "panel", "raised", "ink", "faint"];
    this.#colours = Object.fromEntries(names.map((name) => [name, colour(name)]));
    const { up, down, line, panel: ground, raised, ink, faint } = this.#colours;
    this.#chart.applyOptions({
      layout: { background: { color: ground }, textColor: faint, panes: { separatorColor: line, separatorHoverColor: line } },
      grid: { vertLines: { color: colour("grid") }, horzLines: { color: colour("grid") } },
      timeScale: { borderColor: line },
      rightPriceScale: { borderColor: line },
    });
    // rising candles are hollow: told by shape too
    this.#prices.applyOptions({ upColor: ground, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down });
    this.#volumes.applyOptions({ color: colour("volume") });
    for (const own of this.#lines) own.applyOptions({ color: faint, axisLabelColor: raised, axisLabelTextColor: ink });
    this.#lines[LAST].applyOptions({ axisLabelTextColor: ground });
  }

  /** @param {any} charts */
  #build(charts) {
    this.#chart = charts.createChart(this.#element, {
      autoSize: true,
      layout: { attributionLogo: true, fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 11 },
      timeScale: { timeVisible: true, secondsVisible: true, rightOffset: 4, barSpacing: 7 },
      rightPriceScale: { minimumWidth: 72 },
      localization: { locale: "en" },
    });
    this.#prices = this.#chart.addSeries(charts.CandlestickSeries, { priceLineVisible: false, lastValueVisible: false });
    this.#volumes = this.#chart.addSeries(charts.HistogramSeries, { priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false }, 1);
    const [prices, volumes] = this.#chart.panes();
    prices.setStretchFactor(4);
    volumes.setStretchFactor(1);
    this.#lines = ["bid", "ask", ""].map((title) =>
      this.#prices.createPriceLine({ price: 0, title, lineWidth: 1, lineStyle: charts.LineStyle.Dotted, lineVisible: false, axisLabelVisible: false }));
    this.restyle();
  }

  /** @param {import("./candles.js").Candle[]} all */
  #set(all) {
    const decimals = this.#row?.decimals ?? 2;
    this.#prices.applyOptions({ priceFormat: { type: "price", precision: decimals, minMove: 10 ** -decimals } });
    this.#prices.setData(all);
    this.#volumes.setData(all.map(({ time, volume }) => ({ time, value: volume })));
    this.#say(all.length ? "" : this.#row ? "No trades yet" : "Select a symbol");
  }

  /** @param {import("./candles.js").Candle} candle */
  #update(candle) {
    this.#prices.update(candle);
    this.#volumes.update({ time: candle.time, value: candle.volume });
    this.#say("");
  }

  /** @param {string} text */
  #say(text) {
    if (this.#note.textContent !== text) this.#note.textContent = text;
    this.#note.hidden = !text;
  }
}
