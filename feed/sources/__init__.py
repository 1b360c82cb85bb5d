"""Where ticks come from: a replayed tape, a simulated market, outside publishers."""
