import { expect, test } from "bun:test";
import type { AppError } from "../../src/errors/errors.ts";
import { BodyBudget } from "../../src/web/body-limit.ts";
import { plugin, TestApp } from "../setup.ts";
import { exchange, RawSocket } from "./raw-socket.ts";

const LIMIT = 1000; // bytes
const ROUTER = `.post("/", ({ body }) => String(body).length)
  .post("/json", ({ body }) => body)
  .post("/raw", async ({ request }) => (await request.text()).length, { parse: "none" })
  .post("/stream", async ({ request }) => { let n = 0; for await (const c of request.body) n += c.length; return n; }, { parse: "none" })
  .post("/unread", () => "unread", { parse: "none" })
  .post("/caught", async ({ request }) => { try { return await request.text(); } catch (error) { return error.code; } }, { parse: "none" })
  .post("/upload", ({ body }) => [body.file.size, body.name])
  .get("/", async ({ request }) => (await request.text()).length)
  .delete("/", () => "deleted")
  .post("/ip", ({ server, request }) => server?.requestIP(request)?.address ?? null)`;

function start(): Promise<TestApp> {
  return TestApp.start({ plugins: plugin("x", ROUTER), config: { server: { body_limit: LIMIT } } });
}

/** A body without a declared length: it is sent in chunks. */
function chunks(size: number): ReadableStream<Uint8Array> {
  let left = size;
  return new ReadableStream({
    pull(controller) {
      const length = Math.min(left, 100);
      left -= length;
      if (length === 0) controller.close();
      else controller.enqueue(new Uint8Array(length).fill(97));
    },
  });
}

const text = { "content-type": "text/plain" };

function form(size: number): FormData {
  const data = new FormData();
  data.set("file", new File([new Uint8Array(size)], "a.bin"));
  data.set("name", "é");
  return data;
}

test("limitBody() takes a body of exactly the limit, and not a byte more", async () => {
  await using app = await start();
  for (const path of ["/x", "/x/raw", "/x/stream"]) {
    for (const body of [(size: number) => "a".repeat(size), chunks]) {
      const fits = await app.fetch(path, { method: "POST", headers: text, body: body(LIMIT) });
      expect([path, fits.status, await fits.json()]).toEqual([path, 200, LIMIT]);
      const tooLarge = await app.fetch(path, { method: "POST", headers: text, body: body(LIMIT + 1) });
      expect([path, tooLarge.status, await tooLarge.json()]).toMatchObject([
        path,
        413,
        {
          code: "payload_too_large",
          detail: "Cannot take the body: it is larger than 1000 bytes",
          request_id: tooLarge.headers.get("x-request-id"),
        },
      ]);
    }
  }
});

test("limitBody() refuses JSON and forms that are too large, whatever the path", async () => {
  await using app = await start();
  const json = {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify("a".repeat(LIMIT)),
  };
  expect(await app.problem("/x/json", json)).toMatchObject({ status: 413 });
  expect(await app.problem("/nothing", json)).toMatchObject({ status: 413 });
  expect(await app.problem("/health", { ...json, method: "PUT" })).toMatchObject({ status: 413 });
  const chunked = {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: chunks(LIMIT + 100),
  };
  expect(await app.problem("/x/json", chunked)).toMatchObject({ status: 413, code: "payload_too_large" });
});

test("limitBody() lets uploads through up to the limit", async () => {
  await using app = await start();
  expect(await (await app.fetch("/x/upload", { method: "POST", body: form(300) })).json()).toEqual([
    300,
    "é",
  ]);
  expect((await app.fetch("/x/upload", { method: "POST", body: form(LIMIT) })).status).toBe(413);
});

test("limitBody() has nothing against requests without a body", async () => {
  await using app = await start();
  expect(await (await app.fetch("/x", { method: "DELETE" })).text()).toBe("deleted");
  expect((await app.fetch("/x/raw", { method: "POST" })).status).toBe(200);
});

test("the body of a GET is never read, whatever its length", async () => {
  await using app = await start();
  const answer = await exchange(
    app.url,
    "GET /x HTTP/1.1\nHost: localhost\nContent-Length: 5000",
    "a".repeat(5000),
  );
  expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\n0$/);
});

test("a handler may catch the error of a body that goes past the limit", async () => {
  await using app = await start();
  const response = await app.fetch("/x/caught", { method: "POST", body: chunks(LIMIT + 100) });
  expect(await response.text()).toBe("payload_too_large");
});

test("requestIP() of the server works for a request whose body is counted", async () => {
  await using app = await start();
  expect(await (await app.fetch("/x/ip", { method: "POST", body: chunks(10) })).text()).toBe("127.0.0.1");
});

test("an answer of 413 ends the connection, so that the rest of the body isn't taken for a request", async () => {
  await using app = await start();
  const next = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const starts = [
    `POST /x/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${next.length + LIMIT}\r\n\r\n`,
    `POST /x/raw HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n${"a".repeat(2000)}\r\n`,
  ];
  for (const head of starts) {
    using socket = new RawSocket(app.url);
    await socket.write(head);
    await socket.write(next);
    const received = await socket.closed();
    expect(received).toStartWith("HTTP/1.1 413 ");
    expect(received).not.toContain("HTTP/1.1 200");
  }
  expect((await app.fetch("/health")).status).toBe(200);
});

test("a body that the handler doesn't read isn't taken for the next request", async () => {
  await using app = await start();
  using socket = new RawSocket(app.url);
  const body = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  await socket.write(
    `POST /x/unread HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await socket.write("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const received = await socket.closed();
  expect(received.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  expect(received).toContain('"openapi"');
});

test("BodyBudget refuses who finds no room, and lets whoever has taken longest give way", async () => {
  let now = 0;
  const budget = new BodyBudget(() => now);
  const limit = 10;
  /** A body that has sent so many bytes and stops. */
  const begin = async (bytes: number) => {
    let source: ReadableStreamDefaultController<Uint8Array> | null = null;
    const stream = new ReadableStream<Uint8Array>({ start: (controller) => void (source = controller) });
    const reader = budget.count(stream, limit).getReader();
    source!.enqueue(new Uint8Array(bytes));
    const first = await reader.read().then(
      ({ value }) => value?.byteLength,
      (error: AppError) => error.code,
    );
    return { first, reader, finish: () => source!.close() };
  };
  const held = [];
  for (let count = 0; count < 8; count += 1) held.push(await begin(10)); // oxlint-disable-line no-await-in-loop
  expect(held.map(({ first }) => first)).toEqual(Array(8).fill(10));
  expect(budget.held).toBe(80);
  expect((await begin(1)).first).toBe("bodies_too_slow");
  now = 10_000;
  expect((await begin(10)).first).toBe(10);
  expect(await held[0]?.reader.read().catch((error: AppError) => error.code)).toBe("bodies_too_slow");
  expect((await begin(11)).first).toBe("payload_too_large");
  held[1]?.finish();
  expect((await held[1]?.reader.read())?.done).toBe(true);
  await held[2]?.reader.cancel();
  expect(budget.held).toBe(60);
});

test("large bodies that stay unfinished are bounded together, and give back their room", async () => {
  const largest = 200_000;
  await using app = await TestApp.start({
    plugins: plugin("x", ROUTER),
    config: { server: { body_limit: largest } },
  });
  const head = `POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: ${largest}\r\n\r\n`;
  const sockets: RawSocket[] = [];
  const send = async (): Promise<RawSocket> => {
    const socket = new RawSocket(app.url);
    sockets.push(socket);
    await socket.write(head);
    await socket.write("a".repeat(largest - 1));
    return socket;
  };
  await Promise.all(Array.from({ length: 12 }, send));
  const refused = await Promise.race(sockets.map((socket) => socket.closed()));
  expect(refused).toStartWith("HTTP/1.1 503 ");
  expect(refused.toLowerCase()).toContain("retry-after: 10");
  expect(refused).toContain('"bodies_too_slow"');
  // Small ones have nothing to do with it.
  const small = await app.fetch("/x", { method: "POST", headers: text, body: "a".repeat(60_000) });
  expect(await small.json()).toBe(60_000);
  for (const socket of sockets) socket[Symbol.dispose]();
  await Promise.all(sockets.map((socket) => socket.closed()));
  let status = 0;
  while (status !== 200) {
    const init = { method: "POST", headers: text, body: "a".repeat(largest) };
    status = (await app.fetch("/x", init)).status; // oxlint-disable-line no-await-in-loop
  }
});

test("/auth takes 64 KB, whatever server.body_limit says", async () => {
  await using app = await TestApp.start();
  const init = { method: "POST", headers: { "content-type": "application/json" } };
  for (const path of ["/auth/login", "/auth/register", "/auth/password", "/auth/api_keys"]) {
    const body = JSON.stringify({ email: "a".repeat(65_536) });
    // oxlint-disable-next-line no-await-in-loop
    expect(await app.problem(path, { ...init, body })).toMatchObject({
      status: 413,
      code: "payload_too_large",
    });
  }
  const chunked = await app.problem("/auth/login", { ...init, body: chunks(65_537) });
  expect(chunked).toMatchObject({ status: 413, code: "payload_too_large" });
  expect(await app.problem("/auth/login", { ...init, body: JSON.stringify({ email: "a" }) })).toMatchObject({
    status: 422,
  });
});
