// @ts-check
// The transport bar of a shared replay: pause, step, speed, seek. Everybody sees what is done here.

import { clock } from "./tape.js";

const SPEEDS = [0.25, 0.5, 1, 2, 5, 10, 60, 600];

export class Playback {
  #bar;
  #history;
  #tell;
  /** @type {import("./history.js").Source | null} */
  #source = null;
  #known = ""; // the sources that tell where they are
  #acts = 0;

  /** @param {HTMLElement} bar @param {import("./history.js").History} history @param {(text: string) => void} tell */
  constructor(bar, history, tell) {
    this.#bar = bar;
    this.#history = history;
    this.#tell = tell;
    this.#find("speed").replaceChildren(...SPEEDS.map((speed) => new Option(`×${speed}`, String(speed))));
    bar.addEventListener("click", ({ target }) => {
      const action = /** @type {Element} */ (target).closest("button")?.dataset.action;
      if (action === "toggle") this.toggle();
      if (action === "step") this.#act({ action: "step", count: 1 });
    });
    this.#find("speed").addEventListener("change", ({ target }) =>
      this.#act({ action: "speed", speed: Number(/** @type {HTMLSelectElement} */ (target).value) }));
    this.#find("seek").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#seek(/** @type {HTMLInputElement} */ (this.#find("time")).value);
    });
  }

  get shown() {
    return !this.#bar.hidden;
  }

  /** Show the bar if there is a source that this person may move. */
  async refresh() {
    const sources = await this.#history.sources().catch(() => null);
    this.#source = sources?.find((own) => own.controllable) ?? null;
    this.#bar.hidden = !this.#source;
    this.#paint();
  }

  /** @param {any} heartbeat */
  hear(heartbeat) {
    const known = Object.keys(heartbeat.positions ?? {}).join();
    if (known !== this.#known) {
      this.#known = known;
      this.refresh();
    }
    if (!this.#source) return;
    this.#source.state = heartbeat.sources[this.#source.name] ?? this.#source.state;
    Object.assign(this.#source, heartbeat.positions?.[this.#source.name]);
    this.#paint();
  }

  toggle() {
    if (this.#source) this.#act({ action: this.#source.state === "paused" ? "resume" : "pause" });
  }

  /** A time of day is one of the day that is played. @param {string} text */
  #seek(text) {
    const [, hours, rest] = /^(\d\d?)(:\d\d.*)$/.exec(text.trim()) ?? [];
    const day = new Date((this.#source?.ts_event ?? 0) / 1e6).toISOString().slice(0, 11);
    if (text.trim()) this.#act({ action: "seek", time: hours ? day + hours.padStart(2, "0") + rest : text.trim() });
  }

  /** @param {Record<string, unknown>} action */
  async #act(action) {
    const own = ++this.#acts;
    let why = "";
    try {
      Object.assign(this.#source ?? {}, await this.#history.control(this.#source?.name ?? "", action));
    } catch (error) {
      why = /** @type {Error} */ (error).message;
    }
    if (why || own === this.#acts) this.#tell(why); // an older answer takes back nothing
    this.#paint();
  }

  #paint() {
    if (!this.#source) return;
    const { name, state, ts_event, speed, ticks, total } = this.#source;
    const paused = state === "paused";
    const toggle = this.#find("toggle");
    toggle.textContent = paused ? "▶ Resume" : "❚❚ Pause";
    toggle.setAttribute("aria-pressed", String(paused));
    this.#find("name").textContent = name;
    this.#find("position").textContent = ts_event ? `${new Date(ts_event / 1e6).toISOString().slice(0, 10)} ${clock(ts_event)}` : "–";
    const progress = /** @type {HTMLProgressElement} */ (this.#find("progress"));
    progress.hidden = !total;
    [progress.max, progress.value] = [total || 1, ticks || 0];
    const select = /** @type {HTMLSelectElement} */ (this.#find("speed"));
    if (document.activeElement !== select && speed != null) {
      if (![...select.options].some((own) => Number(own.value) === speed)) select.add(new Option(`×${speed}`, String(speed)));
      select.value = String(speed);
    }
  }

  /** @param {string} part @returns {HTMLElement} */
  #find(part) {
    return /** @type {HTMLElement} */ (this.#bar.querySelector(`.${part}`));
  }
}
