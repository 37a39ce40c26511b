import { expect, test } from "bun:test";
import { createApp } from "../../src/app/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import { plugin, TestApp, TestFolder } from "../setup.ts";
import { exchange } from "./raw-socket.ts";

const echo = (tag: string): string =>
  `.ws("/ws", { message: (socket, message) => { socket.send("${tag} " + message); } }).get("/", () => "${tag}")`;

/** A WebSocket client that tells what happened to it. */
class Client {
  readonly #socket: WebSocket;
  readonly #messages: string[] = [];
  #wake: () => void = () => {};
  readonly opened: Promise<void>;
  readonly closed: Promise<number>;

  constructor(url: string) {
    this.#socket = new WebSocket(url.replace("http", "ws"));
    this.opened = new Promise((resolve, reject) => {
      this.#socket.addEventListener("open", () => resolve());
      this.#socket.addEventListener("error", () => reject(new Error(`Cannot open ${url}`)));
    });
    this.closed = new Promise((resolve) => {
      this.#socket.addEventListener("close", ({ code }) => resolve(code));
    });
    this.#socket.addEventListener("message", ({ data }) => {
      this.#messages.push(String(data));
      this.#wake();
    });
  }

  async ask(text: string): Promise<string> {
    await this.opened;
    this.#socket.send(text);
    return this.next();
  }

  async next(): Promise<string> {
    while (this.#messages.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#messages.shift() ?? "";
  }

  /** What has come until now and wasn't an answer to `ask`. */
  get unread(): readonly string[] {
    return this.#messages;
  }

  close(): Promise<number> {
    this.#socket.close(1000);
    return this.closed;
  }
}

test("a plugin's WebSocket echoes, several at a time", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", echo("one")) });
  const clients = Array.from({ length: 5 }, () => new Client(`${app.url}/x/ws`));
  const answers = await Promise.all(clients.map((client, index) => client.ask(String(index))));
  expect(answers).toEqual(["one 0", "one 1", "one 2", "one 3", "one 4"]);
  expect(await Promise.all(clients.map((client) => client.close()))).toEqual([1000, 1000, 1000, 1000, 1000]);
  expect(await app.log("access")).toContain('"path":"/x/ws","status":101');
});

test("a reload closes open WebSockets with 1012, and a new one reaches the new generation", async () => {
  await using app = await TestApp.start({
    plugins: { ...plugin("x", echo("one")), ...plugin("other", echo("other")) },
  });
  const client = new Client(`${app.url}/x/ws`);
  const other = new Client(`${app.url}/other/ws`);
  expect([await client.ask("a"), await other.ask("a")]).toEqual(["one a", "other a"]);
  await app.after("plugin.reloaded", () => app.writePlugins(plugin("x", echo("two"))));
  expect(await client.closed).toBe(1012);
  const next = new Client(`${app.url}/x/ws`);
  expect([await next.ask("b"), await other.ask("b")]).toEqual(["two b", "other b"]);
  await Promise.all([next.close(), other.close()]);
});

test("a plugin that is removed closes its WebSockets", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", echo("one")) });
  const client = new Client(`${app.url}/x/ws`);
  await client.ask("a");
  await app.after("plugin.unloaded", () => app.folder.remove("plugins/x"));
  expect(await client.closed).toBe(1012);
});

test("toMountServer() upgrades a request whose URL had to be changed", async () => {
  await using app = await TestApp.start({
    plugins: plugin("x", '.ws("/ws", { open: (socket) => { socket.send("hi"); socket.close(); } })'),
  });
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13";
  const answer = await exchange(
    app.url,
    `GET /x/ws HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\n${key}`,
  );
  expect(answer).toStartWith("HTTP/1.1 101 ");
  expect(answer).toContain("hi");
});

test("a WebSocket's path without an upgrade, and an upgrade of another path, are problems", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", echo("one")) });
  expect(await app.problem("/x/ws")).toMatchObject({ status: 404, code: "not_found" });
  for (const path of ["/x/nothing", "/nothing"]) {
    const { opened } = new Client(app.url + path);
    expect(
      await opened.then(
        () => "opened",
        () => "refused",
      ),
    ).toBe("refused");
  }
  expect(await (await app.fetch("/x")).text()).toBe("one");
});

test("a plugin that was loaded before the server listens can take WebSockets", async () => {
  await using folder = await TestFolder.create({
    "plugins/x/plugin.json": { name: "x", version: "1.0.0" },
    "plugins/x/run.ts": `import { createRouter } from "xcore";\nexport default createRouter()${echo("early")};`,
  });
  const loaded = loadConfig({ cwd: folder.path, env: {}, flags: { logging: { console: false } } });
  const app = await createApp({ loaded, version: "0.0.0-test" });
  await app.plugins.start();
  app.web.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const client = new Client(`${app.web.url}/x/ws`);
    expect(await client.ask("hi")).toBe("early hi");
    await client.close();
  } finally {
    await app.web.stop(0);
    await app.close();
  }
});

// What each way of publishing is asked to publish to "news". Elysia's sockets, their raw ones, and those upgraded by hand.
const NEWS = `
  .ws("/ws", {
    open: (socket) => { socket.subscribe("news"); },
    message: (socket, message) => {
      const { raw } = socket;
      if (message === "elysia") socket.publish("news", "elysia");
      if (message === "text") socket.publishText("news", "text");
      if (message === "binary") socket.publishBinary("news", Buffer.from("binary"));
      if (message === "raw") raw.publish("news", "raw");
      if (message === "raw text") raw.publishText("news", "raw text");
      if (message === "leave") { socket.unsubscribe("news"); raw.subscribe("else"); }
      const isIn = [socket.isSubscribed("news"), raw.isSubscribed("news")];
      socket.send(JSON.stringify([isIn, socket.subscriptions, raw.subscriptions]));
    },
  })
  .get("/hand", ({ server, request }) => {
    const data = {
      open: (socket) => { socket.data = "replaced"; socket.subscribe("news"); },
    };
    if (!server.upgrade(request, { data })) return "no upgrade";
  })
  .get("/publish", ({ server }) => [server.publish("news", "server") > 0, server.subscriberCount("news")])`;

test("WebSocket topics belong to the plugin that uses them, however they are used", async () => {
  await using app = await TestApp.start({ plugins: { ...plugin("a", NEWS), ...plugin("b", NEWS) } });
  const [sender, sibling, byHand, stranger] = ["/a/ws", "/a/ws", "/a/hand", "/b/ws"].map(
    (path) => new Client(app.url + path),
  ) as [Client, Client, Client, Client];
  await Promise.all([sender.opened, sibling.opened, byHand.opened, stranger.opened]);
  const inNews = JSON.stringify([[true, true], ["news"], ["news"]]);
  const ways = ["elysia", "text", "binary", "raw", "raw text"];
  for (const way of ways) expect(await sender.ask(way)).toBe(inNews);
  expect((await app.get("/a/publish")).body).toEqual([true, 3]);
  expect((await app.get("/b/publish")).body).toEqual([true, 1]);
  expect(await sender.ask("leave")).toBe("server");
  // Elysia's `subscriptions` are those that were there when its handler was called.
  expect(await sender.ask("nothing")).toBe(JSON.stringify([[false, false], ["news"], ["else"]]));
  expect(await sender.ask("nothing")).toBe(JSON.stringify([[false, false], ["else"], ["else"]]));
  expect((await app.get("/a/publish")).body).toEqual([true, 2]);
  const publishedToA = ["elysia", "text", "binary", "raw", "raw text", "server", "server"];
  for (const client of [sibling, byHand]) {
    const received: string[] = [];
    while (received.length < publishedToA.length) received.push(await client.next());
    expect(received).toEqual(publishedToA);
  }
  // Messages come in order: whatever else was published to this one is there before the answer.
  expect([await stranger.ask("nothing"), await stranger.next()]).toEqual(["server", inNews]);
});

test("a WebSocket whose data its plugin replaces is closed with the plugin all the same", async () => {
  await using app = await TestApp.start({ plugins: plugin("a", NEWS) });
  const client = new Client(`${app.url}/a/hand`);
  await client.opened;
  await app.after("plugin.reloaded", () => app.writePlugins(plugin("a", `${NEWS}.get("/", () => 1)`)));
  expect(await client.closed).toBe(1012);
});

test("what a new generation publishes reaches the sockets of the one that drains, once", async () => {
  const holding = `${NEWS}.get("/held", async function* () { yield "begun"; await new Promise(() => {}); })`;
  await using app = await TestApp.start({ plugins: plugin("a", holding), drainTimeoutMs: 60_000 });
  const old = new Client(`${app.url}/a/ws`);
  await old.ask("nothing"); // by its answer it has subscribed
  const client = new AbortController();
  // Kept until the end: collected as garbage, it would close its connection, and the drain would be over.
  const held = await app.fetch("/a/held", { signal: client.signal });
  await app.after("plugin.reloaded", () => app.writePlugins(plugin("a", `${holding}.get("/", () => 2)`)));
  const next = new Client(`${app.url}/a/ws`);
  await next.ask("nothing");
  expect((await app.get("/a/publish")).body).toEqual([true, 2]);
  expect(held.status).toBe(200);
  client.abort();
  expect(await old.closed).toBe(1012);
  expect(old.unread).toEqual(["server"]);
  expect((await app.get("/a/publish")).body).toEqual([true, 1]);
  await next.close();
});

test("a plugin can't stop or replace the server that it shares with others", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "a",
      '.get("/stop", ({ server }) => server.stop()).get("/reload", ({ server }) => server.reload({}))',
    ),
  });
  for (const action of ["stop", "reload"]) expect((await app.fetch(`/a/${action}`)).status).toBe(500);
  expect(await app.log("app")).toContain("Cannot stop the server: it is xcore's");
});
