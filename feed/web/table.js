// @ts-check
// A table of rows that change all the time: only what is in view is in the page, and only what has
// changed is written. It knows nothing of feeds and imports nothing, so that others may use it.

const OVERSCAN = 4;
const FLASH_MS = 250;
const SPARK = { width: 60, height: 16 };

/** @typedef {{ symbol: string, halted: boolean, stale: boolean, reason: string, spark: number[], samples: number } & Record<string, any>} Row */
/** @typedef {{ key: string, label: string, title?: string, text: (row: any) => string, value?: (row: any) => number | string, moves?: boolean, sign?: (row: any) => number }} Column */
/** @typedef {{ line: HTMLTableRowElement, row: Row | null, cells: Text[], tds: HTMLTableCellElement[], name: Text, mark: HTMLElement, spark: SVGPolylineElement, values: any[], samples: number }} Line */

/**
 * A table in an element that scrolls.
 *
 *     const table = new Table(element, { columns, onSelect, onRemove, onMove, onSort });
 *     table.show(rows);          // which, and in what order
 *     table.paint(dirty);        // once per animation frame: the rows that have changed
 */
export class Table {
  /** @type {string} */
  selected = "";
  /** @type {Row[]} */
  #rows = [];
  /** @type {Line[]} */
  #lines = [];
  /** @type {Map<Row, Line>} */
  #shown = new Map();
  /** @type {Map<HTMLElement, number>} */
  #flashing = new Map();
  #view = { top: 0, height: 0 }; // kept, as to read it would lay the page out in each frame
  #first = 0;
  #rowHeight = 0;
  #columns;
  #scroller;
  #on;
  #table = document.createElement("table");
  #body = document.createElement("tbody");
  #above = spacer();
  #below = spacer();

  /**
   * @param {HTMLElement} scroller
   * @param {{ columns: Column[], label?: string, onSelect?: (symbol: string) => void, onRemove?: (symbol: string) => void, onMove?: (symbol: string, to: number) => void, onSort?: (key: string) => void, onScroll?: () => void }} options
   */
  constructor(scroller, { columns, label = "Watchlist", ...on }) {
    this.#scroller = scroller;
    this.#columns = columns;
    this.#on = on;
    const table = this.#table;
    table.className = "board";
    table.setAttribute("role", "grid");
    table.setAttribute("aria-label", label);
    table.append(this.#head(), this.#body);
    table.tabIndex = 0;
    table.addEventListener("keydown", (event) => this.#key(event));
    scroller.replaceChildren(table);
    const look = () => {
      this.#view = { top: scroller.scrollTop, height: scroller.clientHeight };
      on.onScroll?.();
    };
    scroller.addEventListener("scroll", look, { passive: true });
    this.#body.addEventListener("click", (event) => this.#click(event));
    this.#body.addEventListener("pointerdown", (event) => this.#grab(event));
    new ResizeObserver(look).observe(scroller);
  }

  /** The symbols of the rows in view, or nearly. */
  get visible() {
    return [...this.#shown.keys()].map(({ symbol }) => symbol);
  }

  focus() {
    this.#table.focus({ preventScroll: true });
  }

  /** Say which rows there are, in order. @param {Row[]} rows */
  show(rows) {
    this.#rows = rows;
    this.#table.setAttribute("aria-rowcount", String(rows.length + 1));
    this.#arrange(true);
  }

  /** @param {string} symbol */
  select(symbol) {
    this.selected = symbol;
    for (const line of this.#lines) this.#mark(line);
    const at = this.#rows.findIndex((row) => row.symbol === symbol);
    if (at >= 0) this.#reveal(at);
  }

  /** Mark the column that the rows are sorted by. @param {string} key @param {"ascending" | "descending" | "none"} order */
  sorted(key, order) {
    for (const head of this.#scroller.querySelectorAll("th[data-key]"))
      head.setAttribute("aria-sort", head.getAttribute("data-key") === key ? order : "none");
  }

  /**
   * Write what has changed; true while something still flashes, and wants another paint.
   * @param {Set<Row>} dirty @param {boolean} flash
   */
  paint(dirty, flash = true) {
    this.#arrange(false);
    const now = performance.now();
    for (const [row, line] of this.#shown) if (dirty.has(row)) this.#fill(line, row, flash ? now : 0);
    for (const [cell, until] of this.#flashing) {
      if (until > now) continue;
      this.#flashing.delete(cell);
      cell.classList.remove("flash");
    }
    return this.#flashing.size > 0;
  }

  #head() {
    const head = document.createElement("thead");
    const line = head.insertRow();
    for (const { key, label, title } of [{ key: "symbol", label: "Symbol", title: "" }, ...this.#columns]) {
      const cell = document.createElement("th");
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: label, title: title ?? "" });
      button.addEventListener("click", () => this.#on.onSort?.(key));
      Object.assign(cell, { scope: "col", className: key });
      cell.dataset.key = key;
      cell.append(button);
      line.append(cell);
    }
    for (const [key, label] of [["spark", "Trend"], ["tools", ""]]) {
      const cell = document.createElement("th");
      Object.assign(cell, { scope: "col", className: key, textContent: label });
      line.append(cell);
    }
    return head;
  }

  /** Bind the lines in the page to the rows in view. @param {boolean} anew */
  #arrange(anew) {
    this.#rowHeight ||= this.#measure();
    const { top, height } = this.#view;
    const wanted = Math.ceil(height / this.#rowHeight) + 2 * OVERSCAN;
    const last = Math.max(0, this.#rows.length - wanted);
    const first = Math.min(last, Math.max(0, Math.floor(top / this.#rowHeight) - OVERSCAN));
    const number = Math.min(wanted, this.#rows.length);
    if (!anew && first === this.#first && number === this.#lines.length) return;
    this.#first = first;
    while (this.#lines.length < number) this.#lines.push(this.#newLine());
    this.#lines.length = number;
    this.#above.height(first * this.#rowHeight);
    this.#below.height((this.#rows.length - first - number) * this.#rowHeight);
    this.#body.replaceChildren(this.#above.line, ...this.#lines.map(({ line }) => line), this.#below.line);
    this.#shown.clear();
    this.#lines.forEach((line, at) => this.#bind(line, this.#rows[first + at], first + at));
  }

  /** @param {Line} line @param {Row} row @param {number} at */
  #bind(line, row, at) {
    this.#shown.set(row, line);
    if (line.row !== row) {
      line.row = row;
      line.values.fill(NaN);
      line.samples = -1;
      line.name.data = line.line.title = row.symbol;
      line.line.dataset.symbol = row.symbol;
      for (const cell of line.tds) cell.classList.remove("flash", "up", "down");
    }
    line.line.setAttribute("aria-rowindex", String(at + 2));
    this.#mark(line);
    this.#fill(line, row, 0);
  }

  /** @param {Line} line @param {Row} row @param {number} now 0 for no flash */
  #fill(line, row, now) {
    this.#columns.forEach(({ text, value, moves, sign }, at) => {
      const [shown, cell] = [text(row), line.tds[at]];
      if (line.cells[at].data !== shown) line.cells[at].data = shown;
      if (sign) direct(cell, /[1-9]/.test(shown) ? sign(row) : 0);
      if (!moves || !value) return;
      const [before, after] = [line.values[at], value(row)];
      line.values[at] = after;
      if (before === after || Number.isNaN(before)) return;
      direct(cell, Number(after) - before);
      if (!now) return;
      cell.classList.add("flash");
      this.#flashing.set(cell, now + FLASH_MS);
    });
    const { line: element, mark } = line;
    element.classList.toggle("halted", row.halted);
    element.classList.toggle("stale", row.stale);
    const word = row.halted ? "halt" : row.stale ? "stale" : "";
    if (mark.textContent !== word) [mark.textContent, mark.title] = [word, row.reason];
    if (row.samples !== line.samples) line.spark.setAttribute("points", sparkline(row.spark));
    line.samples = row.samples;
  }

  /** @param {Line} line */
  #mark({ line, row }) {
    const own = row?.symbol === this.selected;
    line.setAttribute("aria-selected", String(own));
    if (own) this.#table.setAttribute("aria-activedescendant", line.id);
  }

  /** @returns {Line} */
  #newLine() {
    const line = document.createElement("tr");
    line.id = `line-${this.#lines.length}`;
    const head = Object.assign(document.createElement("th"), { scope: "row", className: "symbol" });
    const grip = Object.assign(document.createElement("span"), { className: "grip", title: "Drag to order" });
    const name = document.createTextNode("");
    const mark = Object.assign(document.createElement("em"), { className: "mark" });
    head.append(grip, name, mark);
    const tds = this.#columns.map(({ key }) => Object.assign(document.createElement("td"), { className: key }));
    const cells = tds.map((cell) => cell.appendChild(document.createTextNode("")));
    const trend = Object.assign(document.createElement("td"), { className: "spark" });
    const tools = Object.assign(document.createElement("td"), { className: "tools" });
    const remove = Object.assign(document.createElement("button"), { type: "button", className: "remove", textContent: "×", tabIndex: -1, title: "Remove (Delete)" });
    remove.setAttribute("aria-label", "Remove");
    const [svg, spark] = [svgElement("svg"), svgElement("polyline")];
    svg.setAttribute("viewBox", `0 0 ${SPARK.width} ${SPARK.height}`);
    svg.setAttribute("aria-hidden", "true");
    svg.append(spark);
    trend.append(svg);
    tools.append(remove);
    line.append(head, ...tds, trend, tools);
    return { line, row: null, cells, tds, name, mark, spark: /** @type {any} */ (spark), values: tds.map(() => NaN), samples: -1 };
  }

  #measure() {
    const probe = this.#newLine();
    probe.name.data = "M";
    this.#body.replaceChildren(probe.line);
    return probe.line.getBoundingClientRect().height || 24;
  }

  /** @param {number} at */
  #reveal(at) {
    const head = this.#scroller.querySelector("thead")?.getBoundingClientRect().height ?? 0;
    const [top, room] = [at * this.#rowHeight, this.#scroller.clientHeight - head - this.#rowHeight];
    if (top < this.#scroller.scrollTop) this.#scroller.scrollTop = top;
    else if (top > this.#scroller.scrollTop + room) this.#scroller.scrollTop = top - room;
  }

  // What a person does

  /** @param {Event} event @returns {string | undefined} */
  #symbolOf(event) {
    const line = /** @type {Element} */ (event.target).closest("tr");
    return line?.dataset.symbol;
  }

  /** @param {Event} event */
  #click(event) {
    const symbol = this.#symbolOf(event);
    if (symbol === undefined) return;
    const remove = /** @type {Element} */ (event.target).closest(".remove");
    if (remove) this.#on.onRemove?.(symbol);
    else this.#on.onSelect?.(symbol);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const at = this.#rows.findIndex((row) => row.symbol === this.selected);
    const page = Math.max(1, Math.floor(this.#scroller.clientHeight / this.#rowHeight) - 2);
    /** @type {Record<string, number>} */
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step !== undefined && this.#rows.length) {
      const to = Math.min(this.#rows.length - 1, Math.max(0, at + step));
      if (event.altKey) this.#on.onMove?.(this.selected, to);
      else this.#on.onSelect?.(this.#rows[to].symbol);
    } else if (event.key === "Delete" || event.key === "Backspace") this.#on.onRemove?.(this.selected);
    else return;
    event.preventDefault();
  }

  /** Drag a row by its grip, with a mouse or a finger. @param {PointerEvent} event */
  #grab(event) {
    const symbol = this.#symbolOf(event);
    const grip = /** @type {HTMLElement} */ (event.target);
    if (symbol === undefined || !grip.classList.contains("grip")) return;
    event.preventDefault();
    grip.setPointerCapture(event.pointerId);
    grip.closest("tr")?.classList.add("dragged");
    const drop = (/** @type {PointerEvent} */ { clientY }) => {
      grip.removeEventListener("pointerup", drop);
      grip.closest("tr")?.classList.remove("dragged");
      const top = this.#body.getBoundingClientRect().top;
      const at = Math.floor((clientY - top) / this.#rowHeight);
      this.#on.onMove?.(symbol, Math.min(this.#rows.length - 1, Math.max(0, at)));
    };
    grip.addEventListener("pointerup", drop);
  }
}

/** Show a direction by shape and colour. @param {HTMLElement} cell @param {number} sign */
function direct(cell, sign) {
  const [up, down] = [sign > 0, sign < 0];
  if (cell.classList.contains("up") !== up) cell.classList.toggle("up", up);
  if (cell.classList.contains("down") !== down) cell.classList.toggle("down", down);
}

function spacer() {
  const line = document.createElement("tr");
  const cell = line.appendChild(document.createElement("td"));
  line.className = "spacer";
  cell.colSpan = 99;
  return {
    line,
    height(/** @type {number} */ pixels) {
      cell.style.height = `${Math.max(0, pixels)}px`;
      line.hidden = pixels <= 0;
    },
  };
}

/** @param {string} name */
const svgElement = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);

/** @param {number[]} values */
export function sparkline(values) {
  if (values.length < 2) return "";
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const across = SPARK.width / (values.length - 1);
  const up = (SPARK.height - 2) / (high - low || 1);
  return values
    .map((value, at) => `${(at * across).toFixed(1)},${(SPARK.height - 1 - (high > low ? (value - low) * up : SPARK.height / 2 - 1)).toFixed(1)}`)
    .join(" ");
}
