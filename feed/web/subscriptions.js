// @ts-check
// What the server is asked for: what is listed and no more, on terms that this browser keeps up with. Needs no browser.

const QUOTES_MS = 200; // the newest quote is enough, so often
const TRADES_MS = 1000; // and the newest trade, where each one was too many

export class Subscriptions {
  /** Whether only the newest trades are asked for, not each one. */
  sparing = false;
  #feed;
  #on;
  /** @type {Set<string>} */
  #asked = new Set();

  /**
   * @param {Pick<import("./feed.js").Connection, "subscribe" | "unsubscribe">} feed
   * @param {{ answered: (names: string[], rejected: import("./feed.js").Rejection[]) => void, failed: (error: any) => void }} on
   */
  constructor(feed, on) {
    this.#feed = feed;
    this.#on = on;
  }

  /** Have the server send these, and no more. @param {string[]} entries names and patterns */
  keep(entries) {
    const wanted = new Set(entries);
    const [fresh, gone] = [[...wanted].filter((own) => !this.#asked.has(own)), [...this.#asked].filter((own) => !wanted.has(own))];
    this.#asked = wanted;
    if (fresh.length) this.#ask(fresh);
    if (gone.length) this.#feed.unsubscribe(gone).catch(this.#on.failed);
  }

  /** Ask for the newest trades only, or for each one again; the snapshot that comes first has the sums of those left out. @param {boolean} sparing */
  spare(sparing) {
    if (sparing === this.sparing) return;
    this.sparing = sparing;
    const names = [...this.#asked];
    if (!names.length) return;
    if (!sparing) this.#feed.unsubscribe(names, { channels: ["trades"] }).catch(this.#on.failed);
    this.#trades(names).catch(this.#on.failed);
  }

  /** Who may have quotes or trades only is shown those. @param {string[]} names */
  #ask(names) {
    const quotes = this.#feed.subscribe(names, { channels: ["quotes"], delivery: "latest", intervalMs: QUOTES_MS });
    this.#feed.subscribe(names, { channels: ["status"] }).catch(this.#on.failed);
    Promise.all([quotes, this.#trades(names)]).then(([{ rejected }, trades]) => {
      const others = new Set(trades.rejected.map(({ symbol }) => symbol));
      const gone = rejected.filter(({ symbol }) => others.has(symbol));
      for (const { symbol } of gone) this.#asked.delete(symbol);
      this.#on.answered(names, gone);
    }, this.#on.failed);
  }

  /** Volume is the sum of trades, so each one counts. @param {string[]} names */
  #trades(names) {
    return this.#feed.subscribe(names, { channels: ["trades"], ...(this.sparing && { delivery: "latest", intervalMs: TRADES_MS }) });
  }
}
