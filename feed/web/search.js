// @ts-check
// The field in which a symbol is typed, with completion: an ARIA combobox.

const SHOWN = 10;

export class Search {
  #input;
  #list;
  #on;
  /** @type {string[]} */
  #found = [];
  #chosen = -1;
  #asked = 0;

  /**
   * @param {HTMLFormElement} form with an input and a list
   * @param {{ suggest: (text: string) => Promise<string[]>, add: (text: string) => void }} on
   */
  constructor(form, on) {
    this.#input = /** @type {HTMLInputElement} */ (form.querySelector("input"));
    this.#list = /** @type {HTMLElement} */ (form.querySelector("[role=listbox]"));
    this.#on = on;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#take(this.#found[this.#chosen] ?? this.#input.value);
    });
    this.#input.addEventListener("input", () => this.#suggest());
    this.#input.addEventListener("focus", () => this.#suggest());
    this.#input.addEventListener("blur", () => this.#show([]));
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus
      const option = /** @type {Element} */ (event.target).closest("[role=option]");
      if (option) this.#take(option.textContent ?? "");
    });
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  async #suggest() {
    const [text, asked] = [this.#input.value.trim(), ++this.#asked];
    const found = text ? await this.#on.suggest(text) : [];
    if (asked === this.#asked && document.activeElement === this.#input) this.#show(found.slice(0, SHOWN));
  }

  /** @param {string[]} found */
  #show(found) {
    [this.#found, this.#chosen] = [found, -1];
    this.#list.replaceChildren(...found.map((symbol, at) => {
      const option = Object.assign(document.createElement("li"), { id: `match-${at}`, textContent: symbol });
      option.setAttribute("role", "option");
      return option;
    }));
    this.#list.hidden = !found.length;
    this.#input.setAttribute("aria-expanded", String(found.length > 0));
    this.#choose(-1);
  }

  /** @param {number} at */
  #choose(at) {
    this.#chosen = at;
    [...this.#list.children].forEach((option, own) => option.setAttribute("aria-selected", String(own === at)));
    if (at < 0) this.#input.removeAttribute("aria-activedescendant");
    else this.#input.setAttribute("aria-activedescendant", `match-${at}`);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const number = this.#found.length;
    if (event.key === "Escape") {
      if (number) this.#show([]);
      else this.#input.blur();
    } else if (event.key === "ArrowDown" && number) this.#choose((this.#chosen + 1) % number);
    else if (event.key === "ArrowUp" && number) this.#choose(this.#chosen > 0 ? this.#chosen - 1 : number - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {string} text */
  #take(text) {
    if (!text.trim()) return;
    this.#input.value = "";
    this.#asked++;
    this.#show([]);
    this.#on.add(text);
  }
}
