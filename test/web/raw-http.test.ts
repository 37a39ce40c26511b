import { expect, test } from "bun:test";
import { plugin, TestApp } from "../setup.ts";
import { exchange, RawSocket } from "./raw-socket.ts";

const ROUTER = '.get("/", ({ query }) => query.n ?? "none").post("/", ({ body }) => body)';

const bad: [string, string, RegExp][] = [
  ["bytes that aren't HTTP", "\u0000\u0001\u0002garbage", /^$|^HTTP\/1\.1 400 /],
  ["a method alone", "GET", /^$|^HTTP\/1\.1 400 /],
  ["TLS", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003", /^$|^HTTP\/1\.1 400 /],
  ["an unknown version", "GET / HTTP/9.9\nHost: localhost", /^HTTP\/1\.1 505 /],
  ["no host", "GET / HTTP/1.1", /^HTTP\/1\.1 400 /],
  ["a header of 64 KB", `GET / HTTP/1.1\nHost: localhost\nX-Big: ${"a".repeat(65_536)}`, /^HTTP\/1\.1 431 /],
  ["a path of 64 KB", `GET /${"a".repeat(65_536)} HTTP/1.1\nHost: localhost`, /^$|^HTTP\/1\.1 4\d\d /],
  ["a header without a colon", "GET / HTTP/1.1\nHost: localhost\nbroken", /^$|^HTTP\/1\.1 400 /],
  [
    "a content length in letters",
    "POST /x HTTP/1.1\nHost: localhost\nContent-Length: abc",
    /^HTTP\/1\.1 400 /,
  ],
  ["a negative content length", "POST /x HTTP/1.1\nHost: localhost\nContent-Length: -1", /^HTTP\/1\.1 400 /],
  [
    "two lengths",
    "POST /x HTTP/1.1\nHost: localhost\nContent-Length: 1\nTransfer-Encoding: chunked",
    /^HTTP\/1\.1 400 /,
  ],
  ["OPTIONS *", "OPTIONS * HTTP/1.1\nHost: localhost", /^HTTP\/1\.1 4\d\d /],
  ["CONNECT", "CONNECT a:80 HTTP/1.1\nHost: a:80", /^$|^HTTP\/1\.1 4\d\d /],
  ["an unknown method", "FOO /x HTTP/1.1\nHost: localhost", /^$|^HTTP\/1\.1 4\d\d /],
  ["an escape sequence in the path", "GET /\u001b[31m HTTP/1.1\nHost: localhost", /^$|^HTTP\/1\.1 [45]\d\d /],
];

test("bad HTTP is refused, and the server goes on", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", ROUTER) });
  for (const [name, head, answer] of bad) {
    expect([name, await exchange(app.url, head)]).toEqual([name, expect.stringMatching(answer)]);
    expect([name, (await app.fetch("/x")).status]).toEqual([name, 200]);
  }
});

const unusual: [string, string, number][] = [
  ["HTTP/1.0", "GET /x HTTP/1.0\nHost: localhost", 200],
  ["an absolute URI", "GET http://elsewhere.example/x HTTP/1.1\nHost: localhost", 200],
  ["an absolute URI without a path", "GET http://elsewhere.example HTTP/1.1\nHost: localhost", 200],
  ["dot segments", "GET /nothing/../x HTTP/1.1\nHost: localhost", 200],
  ["encoded dot segments", "GET /x/%2e%2e/health HTTP/1.1\nHost: localhost", 200],
  ["two slashes", "GET //x HTTP/1.1\nHost: localhost", 404],
  ["an encoded line break", "GET /x%0d%0aX-Evil:1 HTTP/1.1\nHost: localhost", 404],
  ["a percent sign alone", "GET /x/% HTTP/1.1\nHost: localhost", 404],
];

test("unusual HTTP is answered", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", ROUTER) });
  for (const [name, head, status] of unusual) {
    expect([name, await exchange(app.url, head)]).toEqual([
      name,
      expect.stringMatching(new RegExp(`^HTTP/1.1 ${status} `)),
    ]);
  }
});

function get(n: number, rest = ""): string {
  return `GET /x?n=answer-${n}- HTTP/1.1\r\nHost: localhost\r\n${rest}\r\n`;
}

test("pipelined requests are answered in their order", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", ROUTER) });
  using socket = new RawSocket(app.url);
  await socket.write([1, 2, 3, 4].map((n) => get(n)).join("") + get(5, "Connection: close\r\n"));
  const received = await socket.closed();
  const numbers = [...received.matchAll(/answer-(\d)-/g)].map(([, n]) => Number(n));
  expect(numbers).toEqual([1, 2, 3, 4, 5]);
});

test("a client that goes away in the middle of a request or of an answer harms nobody", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "x",
      `${ROUTER}.get("/stream", async function* () { for (;;) { yield "a".repeat(1000); await Bun.sleep(1); } })`,
    ),
  });
  {
    using socket = new RawSocket(app.url);
    await socket.write("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf");
  }
  {
    using socket = new RawSocket(app.url);
    await socket.write("GET /x/stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await socket.until(/a{100}/);
  }
  expect((await app.fetch("/x")).status).toBe(200);
});
