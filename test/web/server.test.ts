import { expect, test } from "bun:test";
import { plugin, TestApp } from "../setup.ts";
import { RawSocket } from "./raw-socket.ts";

/** A plugin that waits until the test lets it go on: through events, which need no clock. */
const WAITING = `import { createRouter, hooks } from "xcore";
const gates = new Map();
const gate = (name) => gates.getOrInsertComputed(name, () => Promise.withResolvers());
hooks.on("gate.open", ({ data }) => gate(data).resolve());
export default createRouter()
  .get("/wait/:name", async ({ params }) => {
    const { promise } = gate(params.name);
    await hooks.emit("gate.waiting", params.name);
    await promise;
    return "done";
  })
  .get("/stream", async function* () {
    yield "first ";
    await hooks.emit("gate.waiting", "stream");
    await gate("stream").promise;
    yield "last";
  })
  .get("/forever", async ({ request }) => {
    await hooks.emit("gate.waiting", "forever");
    await new Promise(() => {});
  })
  .get("/", () => "quick");
`;
const files = { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": WAITING };

function open(app: TestApp, name: string): Promise<unknown> {
  return app.app.hooks.emit("gate.open", name);
}

test("WebServer.stop() finishes requests and streams under way, and takes no new connection", async () => {
  await using app = await TestApp.start({ plugins: files });
  const { url } = app;
  let waiting!: Promise<Response>;
  let streaming!: Promise<Response>;
  await app.after("gate.waiting", () => {
    waiting = app.fetch("/x/wait/a");
  });
  await app.after("gate.waiting", () => {
    streaming = app.fetch("/x/stream");
  });
  const stopped = app.app.web.stop(60_000);
  const late = fetch(`${url}/x`, { keepalive: false });
  expect(
    await late.then(
      () => "answered",
      () => "refused",
    ),
  ).toBe("refused");
  await open(app, "a");
  await open(app, "stream");
  expect(await (await waiting).text()).toBe("done");
  expect(await (await streaming).text()).toBe("first last");
  await stopped;
});

test("WebServer.stop() isn't held up by connections that wait for a next request", async () => {
  await using app = await TestApp.start({ plugins: files });
  using socket = new RawSocket(app.url);
  await socket.write("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await socket.until(/quick/);
  await app.app.web.stop(60_000);
});

test("WebServer.stop() cuts off what is left after its timeout", async () => {
  await using app = await TestApp.start({ plugins: files, drainTimeoutMs: 1 });
  let answer!: Promise<unknown>;
  await app.after("gate.waiting", () => {
    answer = app.fetch("/x/forever").then(
      () => "answered",
      () => "cut off",
    );
  });
  await app.app.web.stop(1);
  expect(await answer).toBe("cut off");
});

test("WebServer.stop() does nothing before listen() and when called again", async () => {
  await using app = await TestApp.start();
  await Promise.all([app.app.web.stop(1000), app.app.web.stop(1000)]);
  await app.app.web.stop(1000);
});

test("WebServer.holdUntil() lets requests wait, and answers them in the end", async () => {
  await using app = await TestApp.start({ plugins: files });
  const { promise, resolve } = Promise.withResolvers<void>();
  const held = app.app.web.holdUntil(promise, 60_000);
  const answers = Array.from({ length: 5 }, () => app.fetch("/x"));
  await using other = await TestApp.start({ plugins: files });
  for (const path of ["/x", "/health", "/x"]) expect((await other.fetch(path)).status).toBe(200);
  expect(answers.map((answer) => Bun.peek.status(answer))).toEqual(answers.map(() => "pending"));
  resolve();
  await held;
  expect(await Promise.all((await Promise.all(answers)).map((response) => response.text()))).toEqual(
    Array.from({ length: 5 }, () => "quick"),
  );
  expect(await (await app.fetch("/x")).text()).toBe("quick");
});

test("WebServer.holdUntil() holds no longer than its timeout, and not for what fails", async () => {
  await using app = await TestApp.start({ plugins: files });
  await app.app.web.holdUntil(new Promise(() => {}), 1);
  expect((await app.fetch("/x")).status).toBe(200);
  await app.app.web.holdUntil(Promise.reject(new Error("no")), 60_000);
  expect((await app.fetch("/x")).status).toBe(200);
});

test("WebServer.url is null before it listens, and its address after", async () => {
  await using app = await TestApp.start();
  expect(app.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
});

test("WebServer answers a Response that can't be sent with a problem", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "x",
      `.get("/error", () => Response.error())
       .get("/twice", (() => { const once = new Response("once"); return () => once; })())`,
    ),
  });
  expect(await app.problem("/x/error")).toMatchObject({ status: 500, code: "internal_error" });
  expect(await (await app.fetch("/x/twice")).text()).toBe("once");
  expect(await app.problem("/x/twice")).toMatchObject({ status: 500, code: "internal_error" });
});

test("WebServer tells a plugin who asks, and which request is whose", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "x",
      '.get("/", ({ server, request }) => [server?.requestIP(request)?.address, request.method])',
    ),
  });
  expect((await app.get("/x")).body).toEqual(["127.0.0.1", "GET"]);
});

test("WebServer.answerFor() asks for a client, by the guards of the route, and logs no request", async () => {
  const router = `
    .get("/me", ({ user, request }) => ({ email: user.email, path: new URL(request.url).pathname }), { auth: true })
    .get("/throws", () => { throw new Error("secret"); })`;
  await using app = await TestApp.start({ plugins: plugin("own", router) });
  const { web } = app.app;
  const { headers } = await app.admin();
  const client = new Request(`${app.url}/ui`, { headers });
  const ask = (path: string, given: HeadersInit = headers): Promise<Response> =>
    web.answerFor(client, new Request(app.url + path, { headers: given }));

  expect(await (await ask("/own/me")).json()).toEqual({ email: "admin@example.com", path: "/own/me" });
  expect((await ask("/own/me", {})).status).toBe(401);
  expect((await ask("/auth/me")).status).toBe(200);
  expect(await (await ask("/own/missing")).json()).toMatchObject({ code: "not_found" });
  const failure = await ask("/own/throws");
  expect(failure.status).toBe(500);
  expect(await failure.text()).not.toContain("secret");
  expect(await app.log("access")).not.toContain('"msg":"request"');
});
