// @ts-check
// What a person has chosen, kept in the browser where it lets us; in memory where not.

const THEMES = ["auto", "dark", "light"];

/** @returns {Pick<Storage, "getItem" | "setItem">} */
function reachable() {
  try {
    localStorage.setItem("feed.probe", "");
    localStorage.removeItem("feed.probe");
    return localStorage;
  } catch {
    /** @type {Map<string, string>} */
    const memory = new Map();
    return { getItem: (key) => memory.get(key) ?? null, setItem: (key, value) => void memory.set(key, value) };
  }
}

export const storage = reachable();

/** The theme: auto, dark or light. */
export const theme = () => storage.getItem("feed.theme") ?? "auto";

/** Wear a theme, and remember it. @param {string} name */
export function wear(name) {
  storage.setItem("feed.theme", name);
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  return name;
}

export const nextTheme = () => wear(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);

/** Whether a person asked for less movement. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
