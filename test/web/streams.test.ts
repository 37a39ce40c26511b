import { expect, test } from "bun:test";
import { plugin, TestApp } from "../setup.ts";

test("followStream() logs what is thrown after the first piece, under the request's id", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "x",
      `.get("/async", async function* () { yield "a"; await Promise.resolve(); throw new Error("late async"); })
       .get("/sync", function* () { yield "a"; throw new Error("late sync"); })
       .get("/whole", async function* () { yield "a"; yield "b"; })`,
    ),
  });
  for (const kind of ["async", "sync"]) {
    const response = await app.fetch(`/x/${kind}`);
    expect([response.status, await response.text()]).toEqual([200, "a"]);
    const id = response.headers.get("x-request-id") ?? "";
    const log = await app.log("app");
    const failed = log.split("\n").filter((line) => line.includes(`late ${kind}`));
    expect(failed).toHaveLength(1);
    expect(JSON.parse(failed[0] ?? "")).toMatchObject({ request_id: id, plugin: "x", path: `/x/${kind}` });
    expect(failed[0]).toContain("plugins/x/run.ts:");
  }
  expect(await (await app.fetch("/x/whole")).text()).toBe("ab");
});

test("a stream that a plugin builds itself and that fails cuts the connection, and the server goes on", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "x",
      `.get("/", () => new Response(new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("a")),
        pull: () => Promise.reject(new Error("late")),
      })))`,
    ),
  });
  const answer = app.fetch("/x").then((response) => response.text());
  expect(
    await answer.then(
      () => "whole",
      () => "cut off",
    ),
  ).toBe("cut off");
  expect((await app.fetch("/health")).status).toBe(200);
});

test("withoutEncoding() lets a plugin pass on what it has fetched, compressed or not", async () => {
  const text = "hello ".repeat(1000);
  using upstream = Bun.serve({
    port: 0,
    fetch: (request) =>
      request.url.endsWith("/gzip")
        ? new Response(Bun.gzipSync(text), { headers: { "content-encoding": "gzip", "x-up": "1" } })
        : new Response(text, { status: 203, headers: { "x-up": "1", "x-frame-options": "DENY" } }),
  });
  await using app = await TestApp.start({
    plugins: plugin("x", `.get("/:kind", ({ params }) => fetch("${upstream.url.origin}/" + params.kind))`),
  });
  const compressed = await app.fetch("/x/gzip");
  expect([compressed.status, compressed.headers.get("x-up"), await compressed.text()]).toEqual([
    200,
    "1",
    text,
  ]);
  const plain = await app.fetch("/x/plain");
  expect([plain.status, plain.headers.get("x-frame-options"), await plain.text()]).toEqual([
    203,
    "DENY",
    text,
  ]);
  expect(plain.headers.get("x-content-type-options")).toBe("nosniff");
});
