"""The log of a stream, read from a position: what is no longer live."""
