"""socketify: uWebSockets' topics from Python. PORT SYMBOLS RATE."""

from __future__ import annotations

from typing import Any

from socketify import App, AppListenOptions, OpCode
from ticker import ACK, from_arguments

port, quotes = from_arguments()
app = App()


def on_message(client: Any, message: str | bytes, _: OpCode) -> None:
    for symbol in quotes.wanted(message):
        client.subscribe(symbol)
    client.send(ACK, OpCode.TEXT)


app.ws(
    "/*",
    {
        "max_payload_length": 1 << 18,
        "max_backpressure": 1 << 20,
        "idle_timeout": 0,
        "message": on_message,
        "subscription": lambda *_: None,
    },
)
app.listen(AppListenOptions(port=port, host="127.0.0.1"), lambda _: None)
app.loop.loop.create_task(quotes.run(lambda symbol, text: app.publish(symbol, text, OpCode.TEXT)))
app.run()
