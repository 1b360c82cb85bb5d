// @ts-check
// The feed's HTTP side: symbols, bars, sources. What a server does not offer is null, not an error.

/** @typedef {{ name: string, state: string, kind: string, speed: number | null, ts_event: number | null, ticks: number, total: number | null, controllable: boolean }} Source */

const SYMBOLS_PER_REQUEST = 100; // so that an address stays short

export class History {
  /** @param {string} token where the feed asks for one */
  constructor(token) {
    this.token = token;
  }

  /** @param {string} path @param {RequestInit} [request] */
  async #ask(path, request = {}) {
    const headers = { ...request.headers, ...(this.token && { Authorization: `Bearer ${this.token}` }) };
    const response = await fetch(path, { ...request, headers });
    if (response.status === 404 || response.status === 405) return null;
    const told = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(told.message ?? `HTTP ${response.status}`);
    return told;
  }

  /** Why the feed would not let us in, if so: a browser does not tell of a handshake refused with 401. */
  async refused() {
    try {
      await this.#ask("v1/symbols?limit=1");
      return "";
    } catch (error) {
      return error instanceof TypeError ? "" : /** @type {Error} */ (error).message; // TypeError: no answer
    }
  }

  /** @param {string} text @returns {Promise<string[] | null>} */
  async symbols(text) {
    const told = await this.#ask(`v1/symbols?filter=${encodeURIComponent(`${text}*`)}&limit=12`);
    return told && told.symbols;
  }

  /** The newest bars of a symbol, oldest first. @param {string} symbol @param {string} interval @param {number} limit @returns {Promise<any[] | null>} */
  async bars(symbol, interval, limit = 2000) {
    const told = await this.#ask(`v1/bars/${encodeURIComponent(symbol)}?interval=${interval}&limit=${limit}`);
    return told && told.ticks;
  }

  /** What is newest of these symbols, and the sums of their trades. @param {string[]} symbols @returns {Promise<any[]>} */
  async snapshots(symbols) {
    const found = [];
    for (let at = 0; at < symbols.length; at += SYMBOLS_PER_REQUEST) {
      const names = symbols.slice(at, at + SYMBOLS_PER_REQUEST).map(encodeURIComponent);
      found.push(...(await this.#ask(`v1/snapshot?symbols=${names.join()}`))?.snapshots ?? []);
    }
    return found;
  }

  /** The newest trades of a symbol, oldest first. @param {string} symbol @param {number} limit @returns {Promise<any[] | null>} */
  async trades(symbol, limit) {
    const told = await this.#ask(`v1/ticks/${encodeURIComponent(symbol)}?channel=trades&limit=${limit}`);
    return told && told.ticks;
  }

  /** @returns {Promise<Source[] | null>} */
  async sources() {
    const told = await this.#ask("v1/sources");
    return told && told.sources;
  }

  /** @param {string} name @param {Record<string, unknown>} action such as `{ action: "speed", speed: 2 }` */
  control(name, action) {
    const headers = { "Content-Type": "application/json" };
    return this.#ask(`v1/sources/${encodeURIComponent(name)}`, { method: "POST", headers, body: JSON.stringify(action) });
  }
}
