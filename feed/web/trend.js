// @ts-check
// A line of recent prices. It knows nothing of feeds and imports nothing, so that others may use it.

const SIZE = { width: 600, height: 160, margin: 4 };

/** @param {number} seconds */
const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

/** @param {HTMLElement} element @param {string} tag @param {string} name */
const part = (element, tag, name) => element.appendChild(Object.assign(document.createElement(tag), { className: name }));

/** @param {string} tag @param {Record<string, string>} attributes */
function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export class Trend {
  #line = svg("polyline", {});
  #title;
  #labels;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#title = part(element, "h4", "");
    const picture = svg("svg", { viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, preserveAspectRatio: "none", role: "img" });
    picture.append(this.#line);
    element.append(picture);
    this.#labels = ["high", "low", "from", "to"].map((name) => part(element, "span", name));
  }

  /**
   * Show the prices of a symbol, oldest first.
   * @param {string} symbol @param {ArrayLike<number>} times in seconds @param {ArrayLike<number>} prices @param {number} decimals
   */
  show(symbol, times, prices, decimals) {
    const number = prices.length;
    const [low, high] = [Math.min(...Array.from(prices)), Math.max(...Array.from(prices))];
    this.#title.textContent = number ? `${symbol} ${prices[number - 1].toFixed(decimals)}` : symbol;
    this.#line.setAttribute("points", points(times, prices, low, high));
    const texts = number ? [high.toFixed(decimals), low.toFixed(decimals), clock(times[0]), clock(times[number - 1])] : [];
    this.#labels.forEach((label, at) => (label.textContent = texts[at] ?? ""));
  }
}

/** @param {ArrayLike<number>} times @param {ArrayLike<number>} prices @param {number} low @param {number} high */
function points(times, prices, low, high) {
  const { width, height, margin } = SIZE;
  const span = times[times.length - 1] - times[0] || 1;
  const up = (height - 2 * margin) / (high - low || 1);
  return Array.from(prices, (price, at) => {
    const [x, y] = [((times[at] - times[0]) / span) * width, height - margin - (price - low) * up];
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  }).join(" ");
}
