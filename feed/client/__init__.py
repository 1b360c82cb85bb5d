"""The Python client: typed ticks out of a WebSocket, with every loss accounted for.

`feed.connect` (aio) is the way in. Below it lie the ledger (seq accounting), the conversation
(what was asked and answered), backoff, and the transport with its frames.
"""
