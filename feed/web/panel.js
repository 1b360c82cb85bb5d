// @ts-check
// The connection, in words and figures: what a person asks when prices look odd.

import { count, fixed } from "./rows.js";
import { clock } from "./tape.js";

const WORDS = { connecting: "connecting", open: "live", waiting: "reconnecting", closed: "closed" };

/** As text, without a unit. @param {number} value */
const short = (value) => fixed(value, Math.abs(value) < 10 ? 2 : 0);

/** @param {number | null | undefined} value */
const ms = (value) => (value == null ? "–" : `${short(value).replace("-", "−")} ms`);

/** What the clocks are unsure of must not show as a time below zero. @param {{ p50Ms: number, p99Ms: number } | null} latency */
const latencyText = (latency) => (latency ? `${short(Math.max(0, latency.p50Ms))} / ${ms(Math.max(0, latency.p99Ms))}` : "–");

/** @param {number} value */
const bytes = (value) => (value < 1024 ? `${value} B` : `${(value / 1024).toFixed(1)} KiB`);

/** What a source is doing, such as `replay live 14:31:05 ×2`. @param {any} heartbeat */
export function sourcesText(heartbeat) {
  return Object.entries(heartbeat?.sources ?? {}).map(([name, state]) => {
    const { ts_event, speed } = heartbeat.positions?.[name] ?? {};
    const at = ts_event ? ` ${clock(ts_event).slice(0, 8)}` : "";
    return `${name} ${state}${at}${at && speed ? ` ×${speed}` : ""}`;
  }).join(" · ");
}

export class Panel {
  #element;
  #state;
  #feed;
  #ticks = 0;
  #atMs = performance.now();
  #rate = 0;
  /** When the next attempt is made. */
  retryMs = 0;

  /** @param {HTMLElement} element a list of terms and values @param {HTMLElement} state @param {import("./feed.js").Connection} feed */
  constructor(element, state, feed) {
    this.#element = element;
    this.#state = state;
    this.#feed = feed;
  }

  /** Ticks per second since the last call, which comes about once a second. */
  #measure() {
    const [now, { ticks }] = [performance.now(), this.#feed.stats];
    this.#rate = ((ticks - this.#ticks) / (now - this.#atMs)) * 1000;
    [this.#ticks, this.#atMs] = [ticks, now];
  }

  /** @param {boolean} sparing whether only the newest trades are asked for */
  paint(sparing) {
    this.#measure();
    const { stats, heartbeat, state, session } = this.#feed;
    this.#say({
      "ticks/s": count(Math.round(this.#rate)),
      "latency p50 / p99": latencyText(stats.latency),
      "round trip": ms(stats.roundTripMs),
      "clock offset": ms(stats.clockOffsetMs),
      queued: bytes(heartbeat?.queued_bytes ?? 0),
      "server lag": ms(heartbeat?.lag_ms),
      trades: sparing ? "the newest, each second" : "each one",
      skipped: count(stats.skipped),
      resumed: count(stats.resumed),
      gaps: stats.gaps ? `${count(stats.gaps)} (${count(stats.lost)} ticks)` : "0",
      reconnects: count(stats.reconnects),
      session: session || "–",
      sources: sourcesText(heartbeat) || "–",
    });
    this.#element.classList.toggle("lossy", stats.gaps > 0);
    const wait = Math.max(0, Math.ceil((this.retryMs - performance.now()) / 1000));
    const more = state === "waiting" ? ` in ${wait} s` : state === "open" ? ` · ${count(Math.round(this.#rate))} ticks/s` : "";
    const text = WORDS[state] + more;
    if (this.#state.textContent !== text) this.#state.textContent = text;
    this.#state.className = `state ${state}`;
  }

  /** @param {Record<string, string>} values */
  #say(values) {
    for (const [term, value] of Object.entries(values)) {
      const key = term.replace(/\W+/g, "-");
      const cell = this.#element.querySelector(`[data-key=${key}]`) ?? this.#add(term, key);
      if (cell.textContent !== value) cell.textContent = value;
    }
  }

  /** @param {string} term @param {string} key */
  #add(term, key) {
    const line = document.createElement("div");
    const cell = document.createElement("dd");
    cell.dataset.key = key;
    line.append(Object.assign(document.createElement("dt"), { textContent: term }), cell);
    this.#element.append(line);
    return cell;
  }
}
