// @ts-check
/**
 * The JavaScript client of feed, for browsers and Node: one module, no dependencies.
 *
 *     import { connect } from "http://127.0.0.1:8080/feed.js";
 *     const feed = connect("ws://127.0.0.1:8080", { symbols: ["AAPL"] });
 *     for await (const tick of feed) console.log(tick.symbol, tick.seq, tick);
 *
 * It comes back after a lost connection, asks for what it missed, and accounts for every seq.
 * Its ideas and names are those of the Python client (feed/client); what comes over the wire stays
 * as it is there (docs/PROTOCOL.md): `tick.ts_event` is a number here and exact to 256 ns, so order
 * ticks by `seq`. docs/JAVASCRIPT.md explains it all.
 * @module
 */

/** @typedef {"quotes" | "trades" | "bars" | "status"} Channel */
/** @typedef {"adaptive" | "all" | "latest"} Delivery */
/** @typedef {{ type: "quote", symbol: string, seq: number, ts_event: number, bid: number, bid_size: number | null, ask: number, ask_size: number | null, ts_out: number }} Quote */
/** @typedef {{ type: "trade", symbol: string, seq: number, ts_event: number, price: number, size: number | null, ts_out: number }} Trade */
/** @typedef {{ type: "bar", symbol: string, seq: number, interval: string, ts_event: number, open: number, high: number, low: number, close: number, volume: number | null, vwap: number | null, trades: number | null, ts_out: number, basis?: string }} Bar */
/** @typedef {{ type: "status", symbol: string, seq: number, ts_event: number, status: string, reason: string | null, ts_out: number }} Status */
/** @typedef {Quote | Trade | Bar | Status} Tick */
/** @typedef {{ open: number | null, high: number | null, low: number | null, last: number | null, previous_close: number | null, volume: number, vwap: number | null }} Session */
/** @typedef {{ type: "snapshot", symbol: string, seqs: Record<string, number>, quote?: Quote, trade?: Trade, bar?: Bar, status?: Status, session?: Session }} Snapshot */
/** @typedef {{ type: "skipped", channel: Channel, symbol: string, first_seq: number, last_seq: number, count: number, reason: string }} Skipped */
/** @typedef {{ type: "resumed", channel: Channel, symbol: string, from_seq: number, to_seq: number, complete: boolean }} Resumed */
/** @typedef {{ symbol: string, code: string, message: string }} Rejection */
/** @typedef {{ subscriptions: Record<string, string[]>, rejected: Rejection[] }} Subscribed */
/** @typedef {{ ts_event: number | null, speed: number | null, ticks: number }} SourcePosition */
/** @typedef {{ type: "heartbeat", ts_out: number, queued_bytes: number, lag_ms: number, sources: Record<string, string>, positions?: Record<string, SourcePosition> }} Heartbeat */

/** @typedef {{ channel: Channel, symbol: string, first_seq: number, last_seq: number, count: number, told: boolean }} Gap Ticks lost, neither received nor announced; `told`: by a resume that came too late. */
/** @typedef {{ channel: Channel, symbol: string, seq: number, reason: "duplicate" | "late" }} Disorder A seq that came twice, or after its gap was told. */
/** @typedef {{ session: string, epoch: string, sameEpoch: boolean, attempts: number }} Open A connection stands; with `sameEpoch` false the numbering began anew. */
/** @typedef {{ code: number, reason: string, reconnect: boolean, retryMs: number }} Close One was lost; with `reconnect` another is tried after `retryMs`. */
/** @typedef {{ code: string, message: string, id?: number }} Failure What the server would not take. */
/** @typedef {{ delivery?: Delivery, intervalMs?: number, snapshot?: boolean }} Terms How a stream is delivered; as in `subscribe` on the wire. */
/** @typedef {Terms & { channels?: Channel[], onTick?: (tick: any) => void }} Request */
/** @typedef {string | (() => string | Promise<string>)} Token A function is asked again for every connection. */
/** @typedef {Request & { symbols?: string | string[], token?: Token, reconnect?: boolean, resume?: boolean, WebSocket?: any }} Options */

/** @typedef {{ open: Open, batch: Tick[], tick: Tick, snapshot: Snapshot, skipped: Skipped, resumed: Resumed, gap: Gap, disorder: Disorder, stale: { silentS: number }, epoch: { epoch: string, reason: string }, heartbeat: Heartbeat, notice: { message: string }, closing: { code: number, reason: string }, error: Failure, close: Close }} Events */

/** @typedef {Record<string, any>} Command */
/** @typedef {{ seq: number, tick: Tick | null }} Mark A stream's position, and its newest tick. */

export const PROTOCOL_VERSION = 1;
/** @type {Channel[]} */
export const CHANNELS = ["quotes", "trades", "bars", "status"];
/** @type {Record<string, Channel>} */
const CHANNEL_OF = { quote: "quotes", trade: "trades", bar: "bars", status: "status" };
/** @type {Record<Channel, "quote" | "trade" | "bar" | "status">} */
const KIND_OF = { quotes: "quote", trades: "trade", bars: "bar", status: "status" };

const HOLES_KEPT = 64; // gaps remembered for each stream, to tell a late tick from a duplicate
const LATENCIES_KEPT = 1024;
const OFFSETS_KEPT = 16;
const TICKS_KEPT = 100_000; // for an iterator that is behind: a browser cannot stop the sender
const STALE_HEARTBEATS = 3;
const WELCOME_TIMEOUT_MS = 10_000;
const STEADY_MS = 30_000; // a connection that stood this long begins the backoff anew
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [250, 30_000];
const SYMBOLS_PER_COMMAND = 1_000;
const COMMAND_BYTES = 60_000; // of symbols and positions; the server takes messages of 64 KiB
const COMMANDS_AT_ONCE = 16; // the server takes 20, pings among them
const PACE_MS = 100; // until it is asked again what was too many
const SUBPROTOCOL_SAFE = /^[\w!#$%&'*+.^`|~-]+$/; // a token of RFC 7230, as a browser demands

/** Milliseconds since 1970, with the fraction that `Date.now` lacks. */
const nowMs = () => performance.timeOrigin + performance.now();

/** @param {string} name */
const isPattern = (name) => name.endsWith("*");

/** @param {number} code @returns {boolean} whether the same client would only fail again. */
export const stayAway = (code) =>
  [1002, 1003, 1007, 1009].includes(code) || (code >= 4500 && code < 4600);

/** Full jitter, as in feed/client/backoff.py. @param {number} attempt from 0 @param {number} draw of 0 to 1 */
export const delayMs = (attempt, draw = Math.random()) =>
  draw * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);

/** What the server refused, or what this connection cannot do any more. */
export class FeedError extends Error {
  /** @param {string} code an error code of docs/PROTOCOL.md, or a close code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = "FeedError";
    this.code = code;
  }
}

/** The seq of every stream received: what proves that nothing was lost in silence. */
export class Ledger {
  epoch = "";
  /** @type {Record<Channel, Map<string, Mark>>} */
  #streams = { quotes: new Map(), trades: new Map(), bars: new Map(), status: new Map() };
  /** @type {Map<string, [number, number][]>} */
  #holes = new Map();
  /** Streams that may have been taken away, each with the seq it had then. @type {Map<string, number>} */
  #doubts = new Map();
  #tell;

  /** @param {(kind: "gap" | "disorder", loss: any) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /** Begin a connection; false when its epoch is another, so that all numbering restarts. @param {string} epoch */
  welcome(epoch) {
    const same = epoch === this.epoch;
    if (!same) this.keep({});
    this.epoch = epoch;
    return same;
  }

  /** Account for ticks in the order they came. @param {Tick[]} ticks */
  take(ticks) {
    for (const tick of ticks) {
      const stream = this.#streams[CHANNEL_OF[tick.type]];
      const mark = stream.get(tick.symbol);
      if (mark === undefined) stream.set(tick.symbol, { seq: tick.seq, tick });
      else if (mark.seq + 1 === tick.seq) [mark.seq, mark.tick] = [tick.seq, tick];
      else this.#irregular(mark, tick);
    }
  }

  /** @param {Mark} mark @param {Tick} tick */
  #irregular(mark, tick) {
    const [channel, symbol, seq] = [CHANNEL_OF[tick.type], tick.symbol, tick.seq];
    if (seq > mark.seq) {
      this.#gap(channel, symbol, mark.seq + 1, seq - 1);
      [mark.seq, mark.tick] = [seq, tick];
    } else {
      const reason = this.#fill(channel, symbol, seq) ? "late" : "duplicate";
      this.#tell("disorder", { channel, symbol, seq, reason });
    }
  }

  /**
   * Account for a snapshot: whatever lies before it and did not come is lost. A stream in doubt was
   * taken away, then, and is given back: what lies between was not ours.
   * @param {Snapshot} snapshot
   */
  snapshot(snapshot) {
    for (const [name, seq] of Object.entries(snapshot.seqs)) {
      const [channel, key] = [/** @type {Channel} */ (name), `${name} ${snapshot.symbol}`];
      const mark = this.#streams[channel]?.get(snapshot.symbol);
      const doubted = mark !== undefined && this.#doubts.get(key) === mark.seq;
      const before = doubted ? Math.min(seq, mark.seq) : seq;
      this.#doubts.delete(key);
      this.#advance(channel, snapshot.symbol, before + 1, seq, snapshot[KIND_OF[channel]] ?? null);
    }
  }

  /** Account for ticks the server says it did not send. @param {Skipped} skipped */
  skipped({ channel, symbol, first_seq, last_seq }) {
    this.#advance(channel, symbol, first_seq, last_seq, null);
  }

  /** Account for the end of a resume: what did not come of it is lost, told or not. @param {Resumed} resumed */
  resumed({ channel, symbol, from_seq, to_seq, complete }) {
    const before = this.#streams[channel]?.get(symbol);
    this.#doubts.delete(`${channel} ${symbol}`);
    if (before === undefined || before.seq >= to_seq) return;
    const first = complete ? to_seq + 1 : Math.max(from_seq, before.seq + 1);
    this.#advance(channel, symbol, first, to_seq, null);
    if (first <= to_seq) this.#tell("gap", lost(channel, symbol, first, to_seq, true));
  }

  /**
   * Move a stream on to `last`, where `first` should be the seq that is expected.
   * @param {Channel} channel @param {string} symbol @param {number} first @param {number} last
   * @param {Tick | null} tick
   */
  #advance(channel, symbol, first, last, tick) {
    const stream = this.#streams[channel];
    if (stream === undefined) return; // a channel of a newer server
    const before = stream.get(symbol);
    if (before && first > before.seq + 1) this.#gap(channel, symbol, before.seq + 1, first - 1);
    else if (before && first <= before.seq)
      this.#tell("disorder", { channel, symbol, seq: first, reason: "duplicate" });
    if (!before || last >= before.seq)
      stream.set(symbol, { seq: last, tick: tick ?? before?.tick ?? null });
  }

  /** @param {Channel} channel @param {string} symbol @param {number} first @param {number} last */
  #gap(channel, symbol, first, last) {
    const key = `${channel} ${symbol}`;
    const holes = [...(this.#holes.get(key) ?? []), /** @type {[number, number]} */ ([first, last])];
    this.#holes.set(key, holes.slice(-HOLES_KEPT));
    this.#tell("gap", lost(channel, symbol, first, last, false));
  }

  /** Take a seq out of the hole it belongs to; false when there is none. @param {Channel} channel @param {string} symbol @param {number} seq */
  #fill(channel, symbol, seq) {
    const holes = this.#holes.get(`${channel} ${symbol}`) ?? [];
    const place = holes.findIndex(([first, last]) => first <= seq && seq <= last);
    if (place < 0) return false;
    const [first, last] = holes[place];
    /** @type {[number, number][]} */
    const around = [[first, seq - 1], [seq + 1, last]];
    holes.splice(place, 1, ...around.filter(([low, high]) => low <= high));
    return true;
  }

  /** The newest tick of a stream, a snapshot's included. @param {Channel} channel @param {string} symbol */
  last(channel, symbol) {
    return this.#streams[channel].get(symbol)?.tick ?? null;
  }

  /** The last seq of every stream, as `resume` wants it: channel, symbol, seq. */
  positions() {
    /** @type {Record<string, Record<string, number>>} */
    const found = {};
    for (const channel of CHANNELS) {
      const stream = this.#streams[channel];
      if (stream.size) found[channel] = mapped(stream, (mark) => mark.seq);
    }
    return found;
  }

  /** Drop the streams that are not subscribed any more. @param {Record<string, string[]>} subscriptions */
  keep(subscriptions) {
    for (const channel of CHANNELS) {
      const names = new Set(subscriptions[channel]);
      const prefixes = [...names].filter(isPattern).map((name) => name.slice(0, -1));
      for (const symbol of this.#streams[channel].keys()) {
        if (names.has(symbol) || prefixes.some((prefix) => symbol.startsWith(prefix))) continue;
        this.#streams[channel].delete(symbol);
        this.#holes.delete(`${channel} ${symbol}`);
        this.#doubts.delete(`${channel} ${symbol}`);
      }
    }
  }

  /**
   * Take note that rights have changed, and that these symbols were lost on some channel: where one
   * is subscribed by name it goes on; elsewhere it is in doubt until more is heard of it.
   * @param {Record<string, string[]>} subscriptions what is left
   * @param {string[] | null} symbols null where not all are told
   */
  doubt(subscriptions, symbols) {
    for (const channel of CHANNELS) {
      const [stream, named] = [this.#streams[channel], new Set(subscriptions[channel])];
      for (const symbol of symbols ?? stream.keys()) {
        const mark = stream.get(symbol);
        if (mark && !named.has(symbol)) this.#doubts.set(`${channel} ${symbol}`, mark.seq);
      }
    }
  }
}

/**
 * @param {Channel} channel @param {string} symbol @param {number} first_seq @param {number} last_seq
 * @param {boolean} told @returns {Gap}
 */
const lost = (channel, symbol, first_seq, last_seq, told) => ({
  channel, symbol, first_seq, last_seq, count: last_seq - first_seq + 1, told,
});

/** @template T, U @param {Map<string, T>} map @param {(value: T) => U} change @returns {Record<string, U>} */
const mapped = (map, change) =>
  Object.fromEntries([...map].map(([key, value]) => [key, change(value)]));

/** The subscriptions a client holds on to, so that they outlive a connection. */
export class Wants {
  /** @type {Map<string, { channel: string, symbol: string, terms: Command }>} */
  #wanted = new Map();

  /** Want what was taken of these from now on; a symbol may be taken on one channel and not on another. @param {Command} command a subscribe @param {Record<string, string[]>} held what the server says it sends */
  add({ symbols, channels, delivery, interval_ms, snapshot }, held) {
    const terms = { delivery, interval_ms, snapshot };
    for (const channel of channels) {
      const names = new Set(held[channel]);
      for (const symbol of symbols)
        if (names.has(symbol)) this.#wanted.set(`${channel} ${symbol}`, { channel, symbol, terms });
    }
  }

  /** Want these no longer. @param {Command} command an unsubscribe */
  drop({ symbols, channels = CHANNELS }) {
    for (const channel of channels)
      for (const symbol of symbols) this.#wanted.delete(`${channel} ${symbol}`);
  }

  /** Have those of its streams that are wanted already come on its terms. @param {Command} command a subscribe */
  alter({ symbols, channels, delivery, interval_ms, snapshot }) {
    for (const channel of channels)
      for (const symbol of symbols) {
        const wanted = this.#wanted.get(`${channel} ${symbol}`);
        if (wanted) wanted.terms = { delivery, interval_ms, snapshot };
      }
  }

  /** Whether a stream comes at an interval, so that its age is no latency. @param {Tick} tick */
  isLatest({ type, symbol }) {
    const named = this.#wanted.get(`${CHANNEL_OF[type]} ${symbol}`);
    if (named) return named.terms.delivery === "latest";
    for (const { channel, symbol: pattern, terms } of this.#wanted.values())
      if (terms.delivery === "latest" && channel === CHANNEL_OF[type] && isPattern(pattern)
        && symbol.startsWith(pattern.slice(0, -1))) return true;
    return false;
  }

  /**
   * The commands that ask for everything anew, going on from these positions. Names come before
   * patterns, and each stream's position is in the first command that takes the stream.
   * @param {string} epoch @param {Record<string, Record<string, number>>} positions
   */
  commands(epoch, positions) {
    const left = Object.fromEntries(
      Object.entries(positions).map(([channel, seqs]) => [channel, { ...seqs }]));
    for (const { channel, symbol } of this.#wanted.values()) delete left[channel]?.[symbol];
    /** @type {Command[]} */
    const commands = [];
    for (const { symbols, ...rest } of this.#groups(false))
      commands.push(...subscribes(symbols, rest, epoch, positions));
    for (const { symbols, ...rest } of this.#groups(true)) {
      /** @type {Record<string, Record<string, number>>} */
      const taken = {};
      for (const channel of rest.channels) taken[channel] = takeMatching(left[channel], symbols);
      commands.push(...subscribePatterns(symbols, rest, epoch, taken));
    }
    return commands;
  }

  /** All the symbols that share terms and channels. @param {boolean} patterns */
  #groups(patterns) {
    /** @type {Map<string, { channels: string[], symbols: string[] } & Command>} */
    const bySymbol = new Map();
    /** @type {typeof bySymbol} */
    const groups = new Map();
    for (const { channel, symbol, terms } of this.#wanted.values()) {
      if (isPattern(symbol) !== patterns) continue;
      const key = symbol + JSON.stringify(terms);
      const found = bySymbol.get(key) ?? { ...terms, channels: [], symbols: [symbol] };
      found.channels.push(channel);
      bySymbol.set(key, found);
    }
    for (const { symbols, ...rest } of bySymbol.values()) {
      const key = JSON.stringify(rest);
      const group = groups.get(key) ?? { ...rest, channels: rest.channels, symbols: [] };
      group.symbols.push(...symbols);
      groups.set(key, group);
    }
    return groups.values();
  }
}

/** Take the symbols that patterns match out of `seqs`. @param {Record<string, number>} seqs @param {string[]} patterns */
function takeMatching(seqs = {}, patterns) {
  /** @type {Record<string, number>} */
  const taken = {};
  for (const [symbol, seq] of Object.entries(seqs)) {
    if (!patterns.some((pattern) => symbol.startsWith(pattern.slice(0, -1)))) continue;
    taken[symbol] = seq;
    delete seqs[symbol];
  }
  return taken;
}

/**
 * The commands that ask for these symbols, each from its last position on, within the server's limits.
 * @param {string[]} symbols @param {Command} rest channels and terms @param {string} [epoch]
 * @param {Record<string, Record<string, number>>} [positions] @returns {Command[]}
 */
function subscribes(symbols, rest, epoch = "", positions = {}) {
  const own = (/** @type {string} */ symbol) => positionBytes(symbol, rest.channels, positions);
  return parts(symbols, own).map((part) => {
    const resume = among(part, rest.channels, positions);
    return { type: "subscribe", symbols: part, ...rest, ...(resume && { resume: { epoch, ...resume } }) };
  });
}

/**
 * The commands that ask for patterns, and for the symbols seen from their positions on. A pattern
 * takes all its streams at once, so their positions have to be in the same command; where they do
 * not fit, each symbol is subscribed by name before and let go by name afterwards.
 * @param {string[]} patterns @param {Command} rest @param {string} epoch
 * @param {Record<string, Record<string, number>>} positions @returns {Command[]}
 */
function subscribePatterns(patterns, rest, epoch, positions) {
  const seen = [...new Set(Object.values(positions).flatMap((seqs) => Object.keys(seqs)))];
  const commands = subscribes(patterns, rest);
  const sizes = seen.map((symbol) => positionBytes(symbol, rest.channels, positions));
  if (sizes.reduce((sum, size) => sum + size, 0) <= COMMAND_BYTES / 2) {
    if (seen.length) commands[0].resume = { epoch, ...among(seen, rest.channels, positions) };
    return commands;
  }
  const named = Object.entries(positions).map(([channel, seqs]) =>
    /** @type {[string, string[]]} */ ([channel, Object.keys(seqs)]));
  return [
    ...named.flatMap(([channel, names]) =>
      subscribes(names, { ...rest, channels: [channel] }, epoch, positions)),
    ...commands,
    ...named.flatMap(([channel, names]) => unsubscribes(names, [channel])),
  ];
}

/** @param {string[]} symbols @param {string[]} [channels] @returns {Command[]} */
const unsubscribes = (symbols, channels) =>
  parts(symbols).map((part) => ({ type: "unsubscribe", symbols: part, ...(channels && { channels }) }));

/** @param {string[]} symbols @param {(symbol: string) => number} extraBytes @returns {string[][]} */
function parts(symbols, extraBytes = () => 0) {
  /** @type {string[][]} */
  const found = [];
  let size = Infinity;
  for (const symbol of symbols) {
    const own = symbol.length * 3 + 3 + extraBytes(symbol); // a character is at most three bytes
    if (size + own > COMMAND_BYTES || found[found.length - 1].length === SYMBOLS_PER_COMMAND)
      [size] = [0, found.push([])];
    found[found.length - 1].push(symbol);
    size += own;
  }
  return found;
}

/** @param {string} symbol @param {string[]} channels @param {Record<string, Record<string, number>>} positions */
const positionBytes = (symbol, channels, positions) =>
  channels.reduce((sum, channel) =>
    sum + (positions[channel]?.[symbol] === undefined ? 0 : symbol.length + 22), 0);

/** The positions of some streams, or null where none has one. @param {string[]} symbols @param {string[]} channels @param {Record<string, Record<string, number>>} positions */
function among(symbols, channels, positions) {
  /** @type {Record<string, Record<string, number>>} */
  const found = {};
  for (const channel of channels)
    for (const symbol of symbols) {
      const seq = positions[channel]?.[symbol];
      if (seq !== undefined) (found[channel] ??= {})[symbol] = seq;
    }
  return Object.keys(found).length ? found : null;
}

/** Counts since the first connection, and two bounded samples: of latencies and of the clock. */
export class Stats {
  ticks = 0; // received
  gaps = 0; // how often ticks were lost
  lost = 0; // how many were
  skipped = 0; // deliberately not sent, as the server told
  resumed = 0; // brought back by a resume
  disorders = 0; // came twice or late
  reconnects = 0; // connections after the first
  stale = 0; // connections given up because nothing came over them
  /** What the server's clock is ahead of ours; null before the first pong. @type {number | null} */
  clockOffsetMs = null;
  /** The shortest way there and back of late; null before the first pong. @type {number | null} */
  roundTripMs = null;
  /** @type {number[]} */
  #latencies = [];
  /** @type {{ roundTripMs: number, offsetMs: number }[]} */
  #pongs = [];
  #next = 0;

  /** `ts_out` to arrival, the two clocks reconciled; null before the first. */
  get latency() {
    const offsetMs = this.clockOffsetMs;
    if (offsetMs === null || !this.#latencies.length) return null;
    const ordered = [...this.#latencies].sort((one, other) => one - other);
    const rank = (/** @type {number} */ share) =>
      offsetMs + ordered[Math.min(ordered.length - 1, Math.floor(share * ordered.length))];
    return { p50Ms: rank(0.5), p90Ms: rank(0.9), p99Ms: rank(0.99) };
  }

  /** Whether so few pongs have come that the quickest may have been slow. */
  get unsure() {
    return this.#pongs.length < OFFSETS_KEPT / 2;
  }

  /** @param {number} tsOutNs of something that was sent at once */
  arrived(tsOutNs) {
    this.#latencies[this.#next++ % LATENCIES_KEPT] = nowMs() - tsOutNs / 1e6;
  }

  /** The offset is that of the quickest pong, whose two ways differ least. @param {number} sentMs @param {number} tsOutNs */
  pong(sentMs, tsOutNs) {
    const roundTripMs = nowMs() - sentMs;
    this.#pongs = [
      ...this.#pongs.slice(1 - OFFSETS_KEPT),
      { roundTripMs, offsetMs: tsOutNs / 1e6 - sentMs - roundTripMs / 2 },
    ];
    const best = this.#pongs.reduce((one, other) => other.roundTripMs < one.roundTripMs ? other : one);
    [this.clockOffsetMs, this.roundTripMs] = [best.offsetMs, best.roundTripMs];
  }
}

/** Batches of ticks for one `for await`; it throws, rather than lose some, when its reader is far behind. */
class Reader {
  /** @type {Tick[][]} */
  #waiting = [];
  #count = 0;
  #ended = false;
  /** @type {Error | null} */
  #failure = null;
  #leave;
  #wake = () => {};

  /** @param {(own: Reader) => void} leave */
  constructor(leave) {
    this.#leave = leave;
  }

  /** @param {Tick[]} ticks */
  put(ticks) {
    this.#count += ticks.length;
    this.#waiting.push(ticks);
    if (this.#count > TICKS_KEPT)
      this.end(new FeedError("slow_reader", `this reader is ${TICKS_KEPT} ticks behind`));
    this.#wake();
  }

  /** @param {Error | null} failure */
  end(failure) {
    [this.#ended, this.#failure] = [true, failure];
    this.#leave(this);
    this.#wake();
  }

  /** @returns {AsyncGenerator<Tick[], void, void>} */
  async *batches() {
    try {
      for (;;) {
        for (const ticks of this.#waiting.splice(0)) {
          this.#count -= ticks.length;
          yield ticks;
        }
        if (this.#waiting.length) continue;
        if (this.#failure) throw this.#failure;
        if (this.#ended) return;
        await new Promise((resolve) => { this.#wake = () => resolve(undefined); });
      }
    } finally {
      this.#leave(this);
    }
  }
}

/** A stream of ticks that outlives its connections; `connect` makes one. */
export class Connection {
  /** `connecting`, `open`, `waiting` to try again, or `closed` for good. @type {"connecting" | "open" | "waiting" | "closed"} */
  state = "connecting";
  /** The session's name in the server's log; of the present connection. */
  session = "";
  /** What the server last said it sends: by channel, names and patterns. @type {Record<string, string[]>} */
  subscriptions = {};
  /** Why the server does not send a symbol, or not on every channel. @type {Map<string, Rejection>} */
  rejections = new Map();
  /** The latest snapshot of each symbol. @type {Map<string, Snapshot>} */
  snapshots = new Map();
  /** The newest one: sources, queued bytes, lag. @type {Heartbeat | null} */
  heartbeat = null;
  stats = new Stats();

  #url;
  /** @type {Options} */
  #options;
  /** @type {any} */
  #socket = null;
  #wants = new Wants();
  #ledger = new Ledger((kind, loss) => this.#lose(kind, loss));
  /** @type {Map<string, Set<(detail: any) => void>>} */
  #listeners = new Map();
  /** By channel and name or pattern. @type {Map<string, Set<(tick: any) => void>>} */
  #callbacks = new Map();
  #patterns = 0; // how many of these are patterns
  /** @type {Set<Reader>} */
  #readers = new Set();
  /** Commands not answered yet. @type {Map<number, { command: Command, resolve: (answer: any) => void, reject: (error: Error) => void }>} */
  #pending = new Map();
  /** Commands to send, in order. @type {Command[]} */
  #queue = [];
  /** Sent over this connection and not answered. @type {Map<number, Command>} */
  #flight = new Map();
  #sent = 0; // over this connection
  #refused = 0; // how many at the head of the queue were sent already, and were too many
  /** When each ping was sent. @type {Map<number, number>} */
  #pings = new Map();
  #nextId = 1;
  #attempt = 0;
  #opened = false;
  #openedMs = 0;
  #heardMs = 0;
  #silenceMs = Infinity;
  /** @type {any} */
  #watch;
  /** @type {any} */
  #retry;
  /** Set while the server has been asked too much. @type {any} */
  #pause = null;

  /** @param {string} url @param {Options} options */
  constructor(url, options) {
    this.#url = new URL(url);
    if (!/^wss?:$/.test(this.#url.protocol))
      throw new FeedError("bad_url", `url must begin with ws:// or wss://, was '${url}'`);
    this.#url.searchParams.set("batch", "1");
    this.#options = { WebSocket: globalThis.WebSocket, reconnect: true, resume: true, ...options };
    if (!this.#options.WebSocket)
      throw new FeedError("no_websocket", "this JavaScript has no WebSocket: give one, such as "
        + "connect(url, { WebSocket: ws }) with the npm package ws");
    if (options.symbols?.length) this.subscribe(options.symbols);
    this.#connect();
  }

  /** Whether there is a connection now. */
  get connected() {
    return this.state === "open";
  }

  /** The numbering that seqs belong to. */
  get epoch() {
    return this.#ledger.epoch;
  }

  /** Each source's state: live, paused, ended or stalled. @returns {Record<string, string>} */
  get sources() {
    return this.heartbeat?.sources ?? {};
  }

  /** The last seq of every stream: channel, symbol, seq. */
  get positions() {
    return this.#ledger.positions();
  }

  /** The newest tick of a stream. @param {string} symbol @param {Channel} channel */
  last(symbol, channel = "quotes") {
    return this.#ledger.last(channel, symbol);
  }

  /**
   * Call a listener with each event of a kind; gives the function that ends it.
   * @template {keyof Events} K @param {K} kind @param {(detail: Events[K]) => void} listener
   */
  on(kind, listener) {
    const own = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, own.add(listener));
    return () => this.off(kind, listener);
  }

  /** @template {keyof Events} K @param {K} kind @param {(detail: Events[K]) => void} listener */
  off(kind, listener) {
    this.#listeners.get(kind)?.delete(listener);
  }

  /**
   * Ask for more, or for other terms; what is not given is as in `connect`. Resolves with the
   * server's answer, after a reconnect if it must be; rejects with a FeedError if it is refused.
   * @param {string | string[]} symbols names, prefixes such as "BTC*", or "*"
   * @param {Request | ((tick: any) => void)} [request] or only a callback for their ticks
   * @returns {Promise<Subscribed>}
   */
  subscribe(symbols, request = {}) {
    const own = typeof request === "function" ? { onTick: request } : request;
    const { channels = ["quotes", "trades"], delivery = "adaptive", intervalMs = 250, snapshot = true, onTick }
      = { ...this.#options, ...own };
    const names = [symbols].flat();
    for (const name of names) this.rejections.delete(name);
    if (onTick) this.#each(names, channels, (key) =>
      this.#callbacks.set(key, (this.#callbacks.get(key) ?? new Set()).add(onTick)));
    return this.#change(subscribes(names, { channels, delivery, interval_ms: intervalMs, snapshot }));
  }

  /** Ask for less, on all channels unless some are named. @param {string | string[]} symbols @param {{ channels?: Channel[] }} [request] @returns {Promise<Subscribed>} */
  unsubscribe(symbols, { channels } = {}) {
    const names = [symbols].flat();
    this.#each(names, channels ?? CHANNELS, (key) => this.#callbacks.delete(key));
    return this.#change(unsubscribes(names, channels));
  }

  /** Publish ticks, where the server lets us. @param {Command[]} ticks @param {{ echo?: boolean }} [request] @returns {Promise<{ accepted: number, seqs: (number | null)[], rejected: any[] }>} */
  publish(ticks, request = {}) {
    return this.#ask({ type: "publish", ticks, ...request });
  }

  /** Show a new token, before the old one expires. @param {string} token @returns {Promise<any>} */
  authenticate(token) {
    return this.#ask({ type: "authenticate", token });
  }

  /** Iterate over ticks: `for await (const tick of feed)`; it throws when the server says stay away. */
  async *[Symbol.asyncIterator]() {
    for await (const ticks of this.batches()) yield* ticks;
  }

  /** Iterate over lists of ticks as they came: the fastest way. From this call on, nothing is missed. */
  batches() {
    const reader = new Reader((own) => this.#readers.delete(own));
    if (this.state === "closed") reader.end(null);
    else this.#readers.add(reader);
    return reader.batches();
  }

  /** Drop the connection as a broken network would; it comes back, as after any loss. */
  drop() {
    if (this.#socket) this.#abandon(1006, "dropped");
  }

  /** Try again at once, when a wait is on: the network is back, or a person is impatient. */
  retry() {
    if (this.state !== "waiting") return;
    clearTimeout(this.#retry);
    this.#attempt = 0;
    this.#connect();
  }

  /** Close for good; iterations end. */
  close() {
    const socket = this.#leave();
    socket?.close(1000);
    this.#end(1000, "", null);
  }

  // The connection

  async #connect() {
    this.state = "connecting";
    const { WebSocket, token } = this.#options;
    try {
      const secret = typeof token === "function" ? await token() : token;
      if (this.state !== "connecting") return; // closed meanwhile
      const offered = secret && SUBPROTOCOL_SAFE.test(secret) ? ["feed.v1", `bearer.${secret}`] : [];
      const socket = (this.#socket = new WebSocket(this.#url.href, offered));
      socket.onmessage = (/** @type {{ data: any }} */ { data }) => this.#hear(data);
      socket.onclose = (/** @type {{ code: number, reason: string }} */ { code, reason }) =>
        this.#lost(code, reason);
      socket.onerror = () => { // its close follows and says as much, but not in node 20
        if (socket === this.#socket && socket.readyState === 0) this.#lost(1006, "cannot connect");
      };
      if (secret && !offered.length)
        socket.onopen = () => this.#send({ type: "authenticate", token: secret });
    } catch (error) {
      return this.#lost(1006, String(error));
    }
    [this.#heardMs, this.#silenceMs] = [performance.now(), WELCOME_TIMEOUT_MS];
    this.#watch = setInterval(() => this.#listen(), 1000);
  }

  /** Give up a connection over which nothing comes. */
  #listen() {
    const silentMs = performance.now() - this.#heardMs;
    if (silentMs < this.#silenceMs) {
      if (this.connected && this.stats.unsure) this.#ping();
      return;
    }
    this.stats.stale++;
    this.#emit("stale", { silentS: silentMs / 1000 });
    this.#abandon(4002, "no heartbeat");
  }

  /** Leave a socket without waiting for its close: on a dead network none would come. @param {number} code @param {string} reason */
  #abandon(code, reason) {
    const socket = this.#leave();
    try {
      socket?.close(code === 1006 ? 1000 : code, reason);
    } catch { /* it was not open yet */ }
    this.#lost(code, reason);
  }

  #leave() {
    const socket = this.#socket;
    this.#socket = null;
    clearInterval(this.#watch);
    clearTimeout(this.#retry);
    clearTimeout(this.#pause);
    this.#pause = null;
    if (socket) socket.onmessage = socket.onclose = socket.onopen = null; // `ws` wants its onerror
    return socket;
  }

  /** @param {number} code @param {string} reason */
  #lost(code, reason) {
    this.#leave();
    this.#pings.clear();
    this.#doubt();
    if (this.state === "open" && performance.now() - this.#openedMs > STEADY_MS) this.#attempt = 0;
    if (!this.#options.reconnect || stayAway(code)) {
      const text = `closed with ${code}${reason && `: ${reason}`}`;
      return this.#end(code, reason, code === 1000 ? null : new FeedError(String(code), text));
    }
    this.state = "waiting";
    const retryMs = delayMs(this.#attempt++);
    this.#retry = setTimeout(() => this.#connect(), retryMs);
    this.#emit("close", { code, reason, reconnect: true, retryMs });
  }

  /** Publishing twice is worse than not knowing whether it happened. */
  #doubt() {
    for (const [id, { command, reject }] of this.#pending) {
      if (command.type !== "publish") continue;
      this.#pending.delete(id);
      reject(new FeedError("connection_lost", "the connection was lost before the answer came"));
    }
  }

  /** @param {number} code @param {string} reason @param {Error | null} failure */
  #end(code, reason, failure) {
    if (this.state === "closed") return;
    this.state = "closed";
    for (const { reject } of this.#pending.values())
      reject(failure ?? new FeedError("closed", "the connection was closed"));
    this.#pending.clear();
    for (const reader of this.#readers) reader.end(failure);
    this.#emit("close", { code, reason, reconnect: false, retryMs: 0 });
  }

  // Commands

  /** @param {Command} command */
  #send(command) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(command));
  }

  /** Send a command, and again after a reconnect, until it is answered. @param {Command} command @returns {Promise<any>} */
  #ask(command) {
    const id = this.#nextId++;
    const answer = new Promise((resolve, reject) => {
      if (this.state === "closed") return reject(new FeedError("closed", "the connection was closed"));
      this.#pending.set(id, { command: { ...command, id }, resolve, reject });
      if (this.connected) this.#queueUp({ ...command, id });
    });
    answer.catch(() => {}); // who does not wait for the answer is told by the event `error`
    return answer;
  }

  /** @param {Command} command */
  #queueUp(command) {
    if (command.type === "publish") return this.#send(command); // those are not counted
    this.#queue.push(command);
    this.#flow();
  }

  /** Send what waits: some at once, then each after the other's answer, as none may overtake one that is refused. */
  #flow() {
    while (this.connected && !this.#pause && (this.#sent < COMMANDS_AT_ONCE || !this.#flight.size)) {
      const command = this.#queue.shift();
      if (!command) return;
      this.#refused = 0;
      this.#sent++;
      this.#flight.set(command.id, command);
      this.#send(command);
    }
  }

  /** Take note of an answer; gives its command, if this connection was sent it. @param {number} [id] */
  #landed(id = -1) {
    const command = this.#flight.get(id);
    this.#flight.delete(id);
    return command;
  }

  /** Send a command again a little later, before all that came after it. @param {Command} command */
  #postpone(command) {
    this.#queue.splice(this.#refused++, 0, command); // refusals come in the order of the commands
    this.#sent = COMMANDS_AT_ONCE;
    this.#pause ??= setTimeout(() => {
      this.#pause = null;
      this.#flow();
    }, PACE_MS);
  }

  /** @param {Command[]} commands @returns {Promise<Subscribed>} */
  async #change(commands) {
    const answers = await Promise.all(commands.map((command) => this.#ask(command)));
    const rejected = answers.flatMap((answer) => answer.rejected ?? []);
    return { subscriptions: this.subscriptions, rejected };
  }

  #ping() {
    this.#pings.set(this.#nextId, nowMs());
    this.#send({ type: "ping", id: this.#nextId++ });
  }

  // Messages

  /** @param {string} data */
  #hear(data) {
    this.#heardMs = performance.now();
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return this.#emit("error", { code: "bad_json", message: "the server sent what is no JSON" });
    }
    if (Array.isArray(message)) this.#take(message);
    else if (message.type in CHANNEL_OF) this.#take([message]);
    else this.#told(message);
  }

  /** @param {Tick[]} ticks */
  #take(ticks) {
    if (!ticks.length) return;
    this.#ledger.take(ticks);
    this.stats.ticks += ticks.length;
    const last = ticks[ticks.length - 1];
    if (!this.#wants.isLatest(last)) this.stats.arrived(last.ts_out);
    for (const reader of this.#readers) reader.put(ticks);
    this.#emit("batch", ticks);
    if (this.#listeners.get("tick")?.size) for (const tick of ticks) this.#emit("tick", tick);
    if (this.#callbacks.size) for (const tick of ticks) this.#call(tick);
  }

  /** @param {Tick} tick */
  #call(tick) {
    const start = `${CHANNEL_OF[tick.type]} `;
    for (const own of this.#callbacks.get(start + tick.symbol) ?? []) guarded(own, tick);
    if (!this.#patterns) return;
    for (const [key, owns] of this.#callbacks)
      if (isPattern(key) && (start + tick.symbol).startsWith(key.slice(0, -1)))
        for (const own of owns) guarded(own, tick);
  }

  /** @param {any} message */
  #told(message) {
    const kind = message.type;
    switch (kind) {
      case "welcome": return this.#greet(message);
      case "subscribed": return this.#settle(message);
      case "error": return this.#refuse(message);
      case "published":
      case "authenticated": return this.#answer(message);
      case "pong": return this.#reckon(message);
      case "snapshot":
        this.snapshots.set(message.symbol, message);
        this.#ledger.snapshot(message);
        break;
      case "skipped":
        this.stats.skipped += message.count;
        this.#ledger.skipped(message);
        break;
      case "resumed":
        if (message.complete) this.stats.resumed += message.to_seq - message.from_seq + 1;
        this.#ledger.resumed(message);
        break;
      case "epoch": // the source was moved: another numbering on the same connection
        this.#renumber(message.epoch);
        break;
      case "heartbeat":
        this.heartbeat = message;
        this.stats.arrived(message.ts_out);
        this.#ping();
        break;
      case "notice":
      case "closing": break;
      default: return; // of a newer server
    }
    this.#emit(kind, message);
  }

  /** @param {any} welcome */
  #greet({ protocol, session, epoch, heartbeat_interval_s }) {
    if (protocol !== PROTOCOL_VERSION) {
      const text = `the server speaks protocol ${protocol}, this client ${PROTOCOL_VERSION}`;
      this.#leave()?.close(1000);
      return this.#end(1002, text, new FeedError("bad_message", text));
    }
    [this.state, this.session, this.#openedMs] = ["open", session, performance.now()];
    this.#silenceMs = STALE_HEARTBEATS * heartbeat_interval_s * 1000;
    const sameEpoch = this.#renumber(epoch) || !this.#opened;
    if (this.#opened) this.stats.reconnects++;
    this.#opened = true;
    this.#ping();
    this.#askAnew(epoch);
    this.#emit("open", { session, epoch, sameEpoch, attempts: this.#attempt });
  }

  /** Ask for all that is wanted, and then for what was not answered. @param {string} epoch */
  #askAnew(epoch) {
    const positions = this.#options.resume ? this.#ledger.positions() : {};
    const pending = [...this.#pending.values()].map(({ command }) => command);
    for (const command of pending) if (command.type === "subscribe") this.#wants.alter(command);
    [this.#queue, this.#sent] = [[], 0];
    this.#flight.clear();
    for (const command of this.#wants.commands(epoch, positions))
      this.#queueUp({ ...command, id: this.#nextId++ });
    for (const command of pending) this.#queueUp(command);
  }

  /** @param {string} epoch */
  #renumber(epoch) {
    const same = this.#ledger.welcome(epoch);
    if (!same) this.snapshots.clear();
    return same;
  }

  /** @param {any} message */
  #answer(message) {
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    pending?.resolve(message);
    this.#landed(message.id);
    this.#flow();
    return pending?.command;
  }

  /** @param {any} ack */
  #settle(ack) {
    this.subscriptions = ack.subscriptions;
    const rejected = /** @type {Rejection[]} */ (ack.rejected ?? []);
    for (const own of rejected)
      if (own.code !== "not_subscribed") this.rejections.set(own.symbol, own);
    if (ack.id === undefined) // the rights have changed
      this.#ledger.doubt(ack.subscriptions, ack.rejected_total ? null : rejected.map((own) => own.symbol));
    const command = this.#answer(ack);
    if (command?.type === "subscribe") this.#wants.add(command, ack.subscriptions);
    if (command?.type !== "unsubscribe") return;
    this.#wants.drop(command);
    this.#ledger.keep(ack.subscriptions);
  }

  /** @param {Failure} error */
  #refuse(error) {
    if (this.#pings.delete(error.id ?? -1)) return;
    const sent = this.#landed(error.id);
    if (sent && error.code === "too_many_commands") return this.#postpone(sent);
    const pending = this.#pending.get(error.id ?? -1);
    this.#pending.delete(error.id ?? -1);
    pending?.reject(new FeedError(error.code, error.message));
    this.#flow();
    this.#emit("error", error);
  }

  /** @param {{ id: number, ts_out: number }} pong */
  #reckon({ id, ts_out }) {
    const sentMs = this.#pings.get(id);
    this.#pings.delete(id);
    if (sentMs !== undefined) this.stats.pong(sentMs, ts_out);
  }

  /** @param {"gap" | "disorder"} kind @param {any} loss */
  #lose(kind, loss) {
    if (kind === "disorder") this.stats.disorders++;
    else {
      this.stats.gaps++;
      this.stats.lost += loss.count;
    }
    this.#emit(kind, loss);
  }

  // Listeners

  /** @param {string} kind @param {any} detail */
  #emit(kind, detail) {
    for (const listener of this.#listeners.get(kind) ?? []) guarded(listener, detail);
  }

  /** @param {string[]} names @param {string[]} channels @param {(key: string) => void} change */
  #each(names, channels, change) {
    for (const channel of channels) for (const name of names) change(`${channel} ${name}`);
    this.#patterns = [...this.#callbacks.keys()].filter(isPattern).length;
  }
}

/** Let a listener's error be reported, and no tick be lost by it. @param {(detail: any) => void} listener @param {any} detail */
function guarded(listener, detail) {
  try {
    listener(detail);
  } catch (error) {
    queueMicrotask(() => { throw error; });
  }
}

/**
 * Stream ticks: `const feed = connect("ws://127.0.0.1:8080", { symbols: ["AAPL"] })`.
 *
 * It begins to connect at once and keeps trying, with full jitter from 0.25 s to 30 s, until
 * `close`, or until the server says with its close code to stay away.
 * @param {string} url such as ws://127.0.0.1:8080 or wss://host/v1/stream
 * @param {Options} [options]
 */
export function connect(url, options = {}) {
  return new Connection(url, options);
}
