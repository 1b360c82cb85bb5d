// What a client of feed.js saw, as one JSON line per message or event: run by node and by a page.

/** Tell a connection's whole story, tick by tick, to `say`. */
export function tell(feed, say) {
  feed.on("batch", (ticks) => say(["ticks", ticks.map(({ type, symbol, seq }) => [type, symbol, seq])]));
  for (const kind of ["open", "snapshot", "skipped", "resumed", "gap", "disorder", "stale", "error", "close"])
    feed.on(kind, (detail) => say([kind, detail]));
}
