// Node with the package ws: one send per client and tick. node ws.js PORT SYMBOLS RATE
"use strict";
const { WebSocketServer } = require(process.env.PEERS_MODULES + "/ws");
const { ticker, wanted, ACK } = require("./ticker.js");

const [port, count, rate] = process.argv.slice(2).map(Number);
const takers = new Map();

const quotes = ticker(count, rate, (symbol, text) => {
  const clients = takers.get(symbol);
  if (clients === undefined) return;
  const payload = Buffer.from(text);
  for (const client of clients) client.send(payload, { binary: false });
});

new WebSocketServer({ port, host: "127.0.0.1", perMessageDeflate: false, backlog: 1024 }).on("connection", (client) => {
  client.on("message", (text) => {
    for (const symbol of wanted(text, quotes.names)) {
      if (!takers.has(symbol)) takers.set(symbol, new Set());
      takers.get(symbol).add(client);
    }
    client.send(ACK);
  });
  client.on("close", () => takers.forEach((clients) => clients.delete(client)));
  client.on("error", () => client.terminate());
});
quotes.start();
