import { expect, test } from "bun:test";
import { requestIdOf } from "../../src/web/request-ids.ts";
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
    const lines = (await app.log("app")).split("\n").filter((line) => line.includes(`"${id}"`));
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      "request failed",
      "request",
    ]);
  }
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
  const log = await app.log("app");
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
      "plugin",
      "msg",
    ]);
  }
  // oxlint-disable-next-line no-control-regex -- finding control characters is what it is for
  expect(log).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});
