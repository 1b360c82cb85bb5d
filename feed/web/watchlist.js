// @ts-check
// What a person watches, in what order: names, and patterns that take what appears. Needs no browser.

const KEY = "feed.watchlist";
const SYMBOL = /^[A-Za-z0-9^][A-Za-z0-9._:/^=+-]{0,39}$/;

/** @param {string} name */
export const isPattern = (name) => name.endsWith("*");

/** Whether a feed could take it. @param {string} name */
export const isName = (name) => name === "*" || SYMBOL.test(isPattern(name) ? name.slice(0, -1) : name);

/** @param {string} text */
export const split = (text) => [...new Set(text.split(/[\s,;]+/).filter(Boolean))];

/** @param {string} pattern @param {string} symbol */
const takes = (pattern, symbol) => symbol.startsWith(pattern.slice(0, -1));

/** The list, kept in a browser's storage and in the page's address. */
export class Watchlist {
  /** Names and patterns, as they were added. @type {string[]} */
  entries = ["*"];
  #storage;
  #changed;

  /** The address wins over the storage. @param {string} query @param {Pick<Storage, "getItem" | "setItem">} storage @param {() => void} changed */
  constructor(query, storage, changed = () => {}) {
    this.#storage = storage;
    this.#changed = changed;
    const shared = new URLSearchParams(query).get("symbols");
    const entries = split(shared ?? storage.getItem(KEY) ?? "").filter(isName);
    if (entries.length) this.entries = entries;
  }

  /** Whether a row for this symbol belongs here. @param {string} symbol */
  has(symbol) {
    return this.entries.some((own) => own === symbol || (isPattern(own) && takes(own, symbol)));
  }

  /** Put the symbols that were seen in order: each name in its place, a pattern's by the alphabet. @param {Iterable<string>} seen */
  order(seen) {
    const names = new Set(this.entries.filter((own) => !isPattern(own)));
    const rest = [...seen].filter((symbol) => !names.has(symbol)).sort();
    /** @type {Set<string>} */
    const ordered = new Set();
    for (const own of this.entries) {
      if (!isPattern(own)) ordered.add(own);
      else for (const symbol of rest) if (takes(own, symbol)) ordered.add(symbol);
    }
    return [...ordered];
  }

  /** @param {string[]} names */
  add(names) {
    this.#set([...names, ...this.entries.filter((own) => !names.includes(own))]);
  }

  /** Take a symbol out of the rows there are: what a pattern took becomes names. @param {string} symbol @param {string[]} rows */
  remove(symbol, rows) {
    const named = this.entries.includes(symbol) && !this.entries.some((own) => isPattern(own) && takes(own, symbol));
    this.#set((named ? this.entries : rows).filter((own) => own !== symbol));
  }

  /** @param {string} symbol @param {number} to @param {string[]} rows */
  move(symbol, to, rows) {
    const others = rows.filter((own) => own !== symbol);
    others.splice(to, 0, symbol);
    const patterns = this.entries.filter(isPattern);
    this.#set([...others, ...patterns]);
  }

  /** @param {string[]} entries */
  replace(entries) {
    this.#set(entries);
  }

  /** The query that gives another person the same page. */
  get query() {
    return `?symbols=${this.entries.map((own) => encodeURIComponent(own).replaceAll("%2F", "/").replaceAll("%3A", ":")).join(",")}`;
  }

  /** @param {string[]} entries */
  #set(entries) {
    this.entries = entries;
    this.#storage.setItem(KEY, entries.join(" "));
    this.#changed();
  }
}
