// Bun: its native topics (uWebSockets). bun bun.js PORT SYMBOLS RATE
"use strict";
const { ticker, wanted, ACK } = require("./ticker.js");

const [port, count, rate] = process.argv.slice(2).map(Number);

const server = Bun.serve({
  port,
  hostname: "127.0.0.1",
  fetch(request, server) {
    if (!server.upgrade(request)) return new Response("this address speaks WebSocket", { status: 426 });
  },
  websocket: {
    idleTimeout: 0,
    backpressureLimit: 1024 * 1024,
    message(ws, text) {
      for (const symbol of wanted(text, quotes.names)) ws.subscribe(symbol);
      ws.send(ACK);
    },
  },
});

const quotes = ticker(count, rate, (symbol, text) => server.publish(symbol, text));
quotes.start();
