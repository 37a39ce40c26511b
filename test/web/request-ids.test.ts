import { expect, test } from "bun:test";
import { givenIdOf, toJsonAnswer, withHeaders } from "../../src/web/answers.ts";
import { makeRequestId, requestIdOf, takeRequestId } from "../../src/web/request-ids.ts";
import { plugin, TestApp } from "../setup.ts";
import { exchange } from "./raw-socket.ts";

const ROUTER = '.get("/", () => 1).get("/error", () => { throw new Error("x"); })';

test("requestIdOf() gives each request an id of its own, and keeps it", () => {
  const requests = Array.from({ length: 1000 }, () => new Request("http://localhost/"));
  const ids = requests.map(requestIdOf);
  expect(new Set(ids).size).toBe(1000);
  expect(requests.map(requestIdOf)).toEqual(ids);
  for (const id of ids) expect(id).toMatch(/^[\w.-]{1,128}$/);
});

test("a client's own id is not taken over", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", ROUTER) });
  for (const path of ["/x", "/x/error", "/nothing", "/health"]) {
    const response = await app.fetch(path, { headers: { "x-request-id": "mine-1" } });
    expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f]{12}-[0-9a-z]+$/);
  }
});

test("one id stands in the header, in the problem and in the log's lines", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", ROUTER) });
  for (const headers of [{}, { "x-request-id": "mine-1" }]) {
    const response = await app.fetch("/x/error", { headers });
    const id = response.headers.get("x-request-id") ?? "";
    expect(await response.json()).toMatchObject({ request_id: id });
    const logs = (await app.log("app")) + (await app.log("access"));
    const lines = logs.split("\n").filter((line) => line.includes(`"${id}"`));
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      "request failed",
      "request",
    ]);
  }
});

test("answers that are made before others are sent keep ids of their own", async () => {
  // All of /late are answered in one turn, when the last of them has come.
  const late = `let waiting = [];
    const gate = () => new Promise((resolve) => { waiting.push(resolve); if (waiting.length === 8) for (const go of waiting) go(); });`;
  const routes = `.get("/", () => ({ a: 1 })).get("/late", async () => { await gate(); return { a: 1 }; })
    .get("/wrapped", async () => { await gate(); return { a: 1 }; }, { mapResponse: ({ responseValue }) => Response.json(responseValue) })
    .get("/created", ({ status }) => status(201, { a: 1 })).get("/cyclic", () => { const a = {}; a.a = a; return a; })`;
  const code = `import { createRouter } from "xcore";\n${late}\nexport default createRouter()${routes};`;
  await using app = await TestApp.start({ plugins: { ...plugin("x", ""), "x/run.ts": code } });
  const wanted: (readonly [path: string, method: string])[] = [
    ...Array.from({ length: 4 }, () => ["/x/late", "GET"] as const),
    ...Array.from({ length: 4 }, () => ["/x/wrapped", "GET"] as const),
    ["/x", "GET"],
    ["/x", "HEAD"],
    ["/x/created", "GET"],
    ["/x/cyclic", "GET"],
  ];
  const answered = await Promise.all(wanted.map(([path, method]) => app.fetch(path, { method })));
  const ids = answered.map(({ headers }) => headers.get("x-request-id"));
  expect(new Set(ids).size).toBe(wanted.length);
  const lines = (await app.log("access"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, string>)
    .filter(({ msg }) => msg === "request");
  const logged = new Map(lines.map(({ request_id, method, path }) => [request_id, `${method} ${path}`]));
  expect(ids.map((id) => logged.get(id ?? ""))).toEqual(wanted.map(([path, method]) => `${method} ${path}`));
});

test("an answer goes under the id that was asked for, before it was made or after", () => {
  const [before, after, never] = [createRequest(), createRequest(), createRequest()];
  const known = requestIdOf(before);
  expect(finish(before, answerTo(before))).toBe(known);
  const answer = answerTo(after);
  const asked = requestIdOf(after);
  expect(finish(after, answer)).toBe(asked);
  expect(new Set([known, asked, finish(never, answerTo(never))]).size).toBe(3);
});

test("nothing that a client sends can forge a line of the log", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", ROUTER) });
  const heads = [
    'GET /x/%0a{"level":"forged"} HTTP/1.1\nHost: localhost',
    'GET /x/"forged"\\u000a HTTP/1.1\nHost: localhost',
    "GET /x/\u0085\u009b31m HTTP/1.1\nHost: localhost",
    'GET /x HTTP/1.1\nHost: localhost\nX-Request-Id: a","level":"forged',
    "GET /x HTTP/1.1\nHost: localhost\nX-Request-Id: a%0aforged",
    'GET /x HTTP/1.1\nHost: "forged"',
  ];
  for (const head of heads) await exchange(app.url, head);
  const log = await app.log("access");
  const requests = log
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, string>)
    .filter(({ msg }) => msg === "request");
  for (const line of requests) {
    expect(line["level"]).toBe("info");
    expect(line["request_id"]).toMatch(/^[\w.-]{1,128}$/);
    expect(Object.keys(line)).toEqual([
      "level",
      "time",
      "request_id",
      "method",
      "path",
      "status",
      "duration_ms",
      "ip_address",
      "user_id",
      "plugin",
      "msg",
    ]);
  }
  // oxlint-disable-next-line no-control-regex -- finding control characters is what it is for
  expect(log).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

function createRequest(): Request {
  return new Request("http://localhost/");
}

function answerTo(request: Request): Response {
  return toJsonAnswer({ a: 1 }, { status: 200, headers: {} }, request) ?? expect.unreachable();
}

/** Answers as the server does; returns the id. */
function finish(request: Request, answer: Response): string {
  const id = takeRequestId(request) ?? givenIdOf(answer) ?? makeRequestId();
  expect(withHeaders(answer, id).headers.get("x-request-id")).toBe(id);
  return id;
}
