import { expect, test } from "bun:test";
import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ConfigOverrides } from "../../src/config/schema.ts";
import { computeIntegrity, integrityToHex } from "../../src/plugins/snapshot/integrity.ts";
import { SnapshotStore } from "../../src/plugins/snapshot/store.ts";
import { type SeenEvent, TestApp } from "../setup.ts";
import { PluginHost } from "./remote/plugin-host.ts";

const WRONG = `sha256-${"A".repeat(43)}=`;

type Entries = NonNullable<NonNullable<ConfigOverrides["plugins"]>["remote"]>;

function answering(text: string, more = ""): string {
  return `import { createRouter } from "xcore";\n${more}\nexport default createRouter().get("/", () => "${text}");\n`;
}

function crm(text: string, files: Record<string, string | object> = {}): Record<string, string | object> {
  return { "plugin.json": { name: "crm", version: "1.0.0" }, "run.ts": answering(text), ...files };
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** An app whose config.json lists plugins from elsewhere; the events of the first load are in `events`. */
async function startWith(
  remote: Entries,
  options: Parameters<typeof TestApp.start>[0] = {},
): Promise<TestApp> {
  const app = await TestApp.start({
    ...options,
    files: { "config.json": { plugins: { remote } }, ...options.files },
  });
  await app.app.plugins.settled();
  return app;
}

async function configure(app: TestApp, remote: Entries): Promise<void> {
  await app.folder.write({ "config.json": { plugins: { remote } } });
  await reload(app);
}

async function reload(app: TestApp): Promise<void> {
  await app.reloadConfig();
  await app.app.plugins.settled();
}

/** Where a file of a plugin is kept. */
function keptFile(app: TestApp, { integrity }: { integrity: string }, name: string): string {
  return join(app.folder.path, "data/plugins/sources", integrityToHex(integrity), "files", name);
}

const failureOf = async (app: TestApp, name: string) =>
  (await app.get(`/system/plugins/${name}`)).body as {
    state: string;
    serving: boolean;
    failure: { stage: string; message: string; retry_at: string | null } | null;
  };

test("a plugin is fetched, checked and served; the next start asks no network", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  await using app = await startWith({ crm: pinned });
  expect(await (await app.fetch("/crm")).text()).toBe("one");
  const { body } = await app.get("/system/plugins/crm");
  expect(body).toMatchObject({ state: "serving", source: pinned.url, failure: null });
  await host.stop();

  await using again = await TestApp.start({
    config: { app: { data_directory: join(app.folder.path, "data") }, database: { url: "sqlite:own.db" } },
    files: { "config.json": { plugins: { remote: { crm: pinned } } } },
  });
  expect(await (await again.fetch("/crm")).text()).toBe("one");
});

test("a plugin from elsewhere brings its templates, as they were checked, and an entry run.tsx", async () => {
  await using host = new PluginHost();
  const run = `import { createRouter, templates } from "xcore";
const name = <b safe>{"<Ada>"}</b>;
export default createRouter().get("/", () => templates.render("hello.html", { name }));
`;
  const pinned = host.publish("/page", {
    "plugin.json": { name: "page", version: "1.0.0", files: ["run.tsx", "templates/hello.html"] },
    "run.tsx": run,
    "templates/hello.html": "Hello {{ name | safe }}",
  });
  await using app = await startWith({ page: pinned });
  expect((await failureOf(app, "page")).failure).toBeNull();
  expect(await (await app.fetch("/page")).text()).toBe("Hello <b>&lt;Ada&gt;</b>");
});

test("a single module is served, with what it imports by relative and absolute URLs", async () => {
  await using host = new PluginHost();
  const other = host.url("/other/tax.ts");
  const hello = answering(
    "${tax} ${name}",
    `import { tax } from "${other}";\nimport { name } from "../lib/name.ts";`,
  );
  const entry = `export const PLUGIN_INFO = { name: "hello", version: "1.0.0" };\n${hello.replace('"${tax} ${name}"', "`${tax} ${name}`")}`;
  const tax = 'import { rate } from "./rate.json";\nexport const tax: number = rate;\n';
  const name = 'export const name = "Ada";\n';
  host.add({
    "/p/hello.ts": entry,
    "/other/tax.ts": tax,
    "/other/rate.json": '{"rate":19}',
    "/lib/name.ts": name,
  });
  const integrity = computeIntegrity({
    entry: "hello.ts",
    files: new Map([
      ["hello.ts", bytes(entry)],
      [other, bytes(tax)],
      [host.url("/other/rate.json"), bytes('{"rate":19}')],
      [host.url("/lib/name.ts"), bytes(name)],
    ]),
    redirects: new Map([["../lib/name.ts", host.url("/lib/name.ts")]]),
  });
  await using app = await startWith({ hello: { url: host.url("/p/hello.ts"), integrity } });
  expect((await failureOf(app, "hello")).failure).toBeNull();
  expect(await (await app.fetch("/hello")).text()).toBe("19 Ada");
});

test("a pin that doesn't match keeps the last good generation, and says what was expected and found", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  await using app = await startWith({ crm: pinned });
  const found = host.publish("/crm2", crm("two"));
  await configure(app, { crm: { url: found.url, integrity: WRONG } });
  const { state, serving, failure } = await failureOf(app, "crm");
  expect({ state, serving, stage: failure?.stage }).toEqual({
    state: "failed",
    serving: true,
    stage: "fetch",
  });
  expect(failure?.message).toContain(WRONG);
  expect(failure?.message).toContain(found.integrity);
  expect(await (await app.fetch("/crm")).text()).toBe("one");
  expect(await readdir(join(app.folder.path, "data/plugins/sources"))).toEqual([
    integrityToHex(pinned.integrity),
  ]);
  expect(await readdir(join(app.folder.path, "data/plugins/tmp"))).toEqual([]);

  await configure(app, { crm: found });
  expect((await failureOf(app, "crm")).failure).toBeNull();
  expect(await (await app.fetch("/crm")).text()).toBe("two");
});

test("an entry without a pin is refused with the command that pins it, and nothing is fetched", async () => {
  await using host = new PluginHost();
  const { url } = host.publish("/crm", crm("one"));
  await using app = await startWith({ crm: { url } });
  const { state, failure } = await failureOf(app, "crm");
  expect(state).toBe("failed");
  expect(failure?.message).toContain("`xcore plugin update crm`");
  expect(host.requests).toEqual([]);
});

test.each([
  [{ integrity: WRONG }, 'no "url"'],
  [
    { url: "https://a.example/x.ts", urls: ["https://b.example/x.ts"], integrity: WRONG },
    'both "url" and "urls"',
  ],
  [{ url: "ftp://a.example/x.ts", integrity: WRONG }, "https:"],
  [{ url: "http://a.example/x.ts", integrity: WRONG }, "https:"],
])("an entry %j is refused, and the others are served", async (entry, words) => {
  await using app = await startWith(
    { bad: entry },
    {
      plugins: { "good/plugin.json": { name: "good", version: "1.0.0" }, "good/run.ts": answering("good") },
    },
  );
  expect((await failureOf(app, "bad")).failure?.message).toContain(words);
  expect(await (await app.fetch("/good")).text()).toBe("good");
});

test("a manifest with another name than the entry's is refused", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  await using app = await startWith({ billing: pinned });
  const { failure } = await failureOf(app, "billing");
  expect(failure?.stage).toBe("manifest");
  expect(failure?.message).toContain('Cannot use "crm" as "billing"');
  expect((await app.fetch("/crm")).status).toBe(404);
});

test("of two plugins with one name, the one that serves stays, and the other says why", async () => {
  await using host = new PluginHost();
  await using app = await startWith(
    {},
    {
      plugins: { "crm/plugin.json": { name: "crm", version: "1.0.0" }, "crm/run.ts": answering("local") },
    },
  );
  const pinned = host.publish("/crm", crm("remote"));
  await configure(app, { crm: pinned });
  expect(await (await app.fetch("/crm")).text()).toBe("local");
  const failed = app.app.plugins.list().find(({ failure }) => failure !== null);
  expect(failed?.id).toBe("remote:crm");
  expect(failed?.failure?.message).toContain('Cannot use name "crm": plugins/crm has it already');
});

test("a host that hangs holds up nobody, and the plugin is loaded when it answers", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("late"));
  const asked = Promise.withResolvers<void>();
  const open = Promise.withResolvers<void>();
  host.add({
    "/crm/plugin.json": async () => {
      asked.resolve();
      await open.promise;
      return new Response(JSON.stringify({ name: "crm", version: "1.0.0" }));
    },
  });
  await using app = await TestApp.start({
    files: { "config.json": { plugins: { remote: { crm: pinned } } } },
    plugins: { "good/plugin.json": { name: "good", version: "1.0.0" }, "good/run.ts": answering("good") },
  });
  await asked.promise;
  expect(await (await app.fetch("/good")).text()).toBe("good");
  expect(await failureOf(app, "crm")).toMatchObject({ state: "fetching", serving: false });
  await app.after("plugin.loaded", () => open.resolve());
  expect(await (await app.fetch("/crm")).text()).toBe("late");
});

test("a server that stops gives up what it is fetching", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("late"));
  const asked = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  host.add({
    "/crm/plugin.json": (request) => {
      request.signal.addEventListener("abort", () => gone.resolve());
      asked.resolve();
      return new Promise<Response>(() => {});
    },
  });
  {
    await using app = await TestApp.start({
      files: { "config.json": { plugins: { remote: { crm: pinned } } } },
    });
    await asked.promise;
    expect(app.app.plugins.list()[0]?.state).toBe("fetching");
  }
  await gone.promise;
});

test("config.json converges the running server: plugins come, change, are switched off and go", async () => {
  await using host = new PluginHost();
  const first = host.publish("/1", crm("one"));
  const second = host.publish("/2", crm("two"));
  await using app = await startWith({});
  await configure(app, { crm: first });
  expect(await (await app.fetch("/crm")).text()).toBe("one");
  await configure(app, { crm: second });
  expect(await (await app.fetch("/crm")).text()).toBe("two");
  await configure(app, { crm: { ...second, active: false } });
  expect((await failureOf(app, "crm")).state).toBe("disabled");
  expect((await app.fetch("/crm")).status).toBe(404);
  await configure(app, { crm: second });
  expect(await (await app.fetch("/crm")).text()).toBe("two");
  await configure(app, {});
  expect((await app.fetch("/crm")).status).toBe(404);
  expect(app.app.plugins.list()).toEqual([]);
});

test("an entry that is switched off isn't fetched", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  await using app = await startWith({ crm: { ...pinned, active: false } });
  expect(app.app.plugins.list()[0]?.state).toBe("disabled");
  expect(host.requests).toEqual([]);
});

test("a damaged copy in the cache is noticed when the plugin is reloaded, and fetched again", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  await using app = await startWith({ crm: pinned });
  const file = keptFile(app, pinned, "run.ts");
  await writeFile(file, answering("evil"));
  const before = host.requests.length;
  const [record] = app.app.plugins.list();
  if (record === undefined) throw new Error("no record");
  await app.app.plugins.reload(record);
  expect(await (await app.fetch("/crm")).text()).toBe("one");
  expect(host.requests.length).toBeGreaterThan(before);
  expect(await Bun.file(file).text()).toBe(answering("one"));
  expect(await app.log("manager")).toContain("damaged");
});

test("a damaged copy isn't served even when the host is gone: the last good generation is", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  await using app = await startWith({ crm: pinned });
  await host.stop();
  const file = keptFile(app, pinned, "run.ts");
  await writeFile(file, answering("evil"));
  const [record] = app.app.plugins.list();
  if (record === undefined) throw new Error("no record");
  await app.app.plugins.reload(record);
  expect(await failureOf(app, "crm")).toMatchObject({
    state: "failed",
    serving: true,
    failure: { stage: "fetch" },
  });
  expect(await (await app.fetch("/crm")).text()).toBe("one");
});

test("a cache that can't be written fails the plugin alone, and says so", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  await using app = await startWith({ crm: pinned }, { files: { "data/plugins": "in the way" } });
  const { state, failure } = await failureOf(app, "crm");
  expect(state).toBe("failed");
  expect(failure?.message).toContain("data/plugins");
  expect(failure?.message).toMatch(/ENOTDIR|EEXIST/);
});

test("the next mirror is asked when one is dead, or gives something else", async () => {
  await using dead = new PluginHost();
  await using wrong = new PluginHost();
  await using good = new PluginHost();
  const { url: deadUrl } = dead.publish("/crm", crm("one"));
  await dead.stop();
  const { url: wrongUrl } = wrong.publish("/crm", crm("two"));
  const { url, integrity } = good.publish("/crm", crm("one"));
  await using app = await startWith({ crm: { urls: [deadUrl, wrongUrl, url], integrity } });
  expect(await (await app.fetch("/crm")).text()).toBe("one");
});

test("offline, a plugin that isn't in the cache fails at once, and nothing is asked", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  await using app = await startWith({ crm: pinned }, { config: { plugins: { offline: true } } });
  const { failure } = await failureOf(app, "crm");
  expect(failure?.message).toContain("offline");
  expect(host.requests).toEqual([]);
});

test("an unsigned plugin is refused where keys are trusted, pin or no pin", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  const key = `ed25519:${Buffer.alloc(32, 7).toString("base64")}`;
  await using app = await startWith({ crm: pinned }, { config: { plugins: { trusted_keys: [key] } } });
  const { state, failure } = await failureOf(app, "crm");
  expect({ state, stage: failure?.stage }).toEqual({ state: "failed", stage: "fetch" });
  expect(failure?.message).toMatch(/sign/);
  expect((await app.fetch("/crm")).status).toBe(503);
});

test("migrations, static files and other plugins' imports work as for a plugin of the plugins directory", async () => {
  await using host = new PluginHost();
  const files = {
    "plugin.json": {
      name: "shop",
      version: "1.0.0",
      files: ["schema.ts", "drizzle/sqlite/0000_items.sql", "public/logo.txt"],
    },
    "schema.ts":
      'import { table, id, text } from "xcore/schema";\nexport const items = table("shop_items", { id: id(), name: text() });\n',
    "run.ts":
      'import { createRouter, db } from "xcore";\nimport { items } from "./schema.ts";\nexport const vat = 19;\nexport default createRouter().get("/", () => db.select().from(items));\n',
    "drizzle/sqlite/0000_items.sql": "CREATE TABLE shop_items (id integer PRIMARY KEY, name text);\n",
    "public/logo.txt": "a logo",
  };
  const pinned = host.publish("/shop", files);
  await using app = await startWith(
    { shop: pinned },
    {
      plugins: {
        "till/plugin.json": { name: "till", version: "1.0.0", dependencies: ["shop"] },
        "till/run.ts": answering("${vat}", 'import { vat } from "plugin:shop";').replace(
          '"${vat}"',
          "String(vat)",
        ),
      },
    },
  );
  expect((await failureOf(app, "shop")).failure).toBeNull();
  expect(await (await app.fetch("/shop")).json()).toEqual([]);
  expect(await (await app.fetch("/shop/static/logo.txt")).text()).toBe("a logo");
  expect(await (await app.fetch("/till")).text()).toBe("19");
});

test("an error of a plugin shows the URL of the file at fault, and no path of this machine", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("", { "run.ts": "export default 1;\nthrow new Error('boom');\n" }));
  await using app = await startWith({ crm: pinned });
  const { body } = await app.get("/system/plugins/crm");
  expect(body.failure).toMatchObject({ stage: "import", file: host.url("/crm/run.ts"), line: 2 });
  expect(JSON.stringify(body)).not.toContain(app.folder.path);
});

test("a plugin of the plugins directory may not import from a URL", async () => {
  await using app = await TestApp.start({
    plugins: {
      "crm/plugin.json": { name: "crm", version: "1.0.0" },
      "crm/run.ts": answering("x", 'import { y } from "https://example.com/y.ts"; console.log(y);'),
    },
  });
  const { failure } = await failureOf(app, "crm");
  expect(failure?.stage).toBe("bundle");
  expect(failure?.message).toContain('Cannot import "https://example.com/y.ts"');
});

test("plugin.failed tells of a plugin that can't be fetched", async () => {
  await using host = new PluginHost();
  const { url } = host.publish("/crm", crm("one"));
  await using app = await startWith({ crm: { url, integrity: WRONG } });
  const failed = app.events.find(({ name }: SeenEvent) => name === "plugin.failed");
  expect(failed?.data).toMatchObject({ name: "crm", stage: "fetch", serving: false });
});

test("an entry that is switched off goes out of service, whatever else is wrong with it", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  await using app = await startWith({ crm: pinned });
  await configure(app, { crm: { url: pinned.url, active: false } });
  expect(await failureOf(app, "crm")).toMatchObject({ state: "disabled", serving: false, failure: null });
  expect((await app.fetch("/crm")).status).toBe(404);
});

test("an entry that is switched off is fetched no longer, and goes out of service at once", async () => {
  await using host = new PluginHost();
  const asked = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const second = host.publish("/2", crm("two"));
  host.add({
    "/2/plugin.json": (request) => {
      request.signal.addEventListener("abort", () => gone.resolve());
      asked.resolve();
      return new Promise<Response>(() => {});
    },
  });
  await using app = await startWith({ crm: host.publish("/1", crm("one")) });
  await app.folder.write({ "config.json": { plugins: { remote: { crm: second } } } });
  await app.reloadConfig();
  await asked.promise;
  await configure(app, { crm: { ...second, active: false } });
  expect(await failureOf(app, "crm")).toMatchObject({ state: "disabled", serving: false });
  await gone.promise;
});

test("an entry that is switched on again counts as active while it can't be had", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  await host.stop();
  await using app = await startWith({ crm: { ...pinned, active: false } });
  await configure(app, { crm: pinned });
  await app.app.plugins.refresh(new Set()); // such as a change of another plugin
  expect((await app.get("/system/plugins/crm")).body).toMatchObject({
    state: "failed",
    active: true,
    failure: { stage: "fetch" },
  });
});

test("a server that stops while it reads config.json begins to fetch nothing", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm("one"));
  await using app = await startWith({});
  const { plugins } = app.app;
  const configured = plugins.configure({
    directory: join(app.folder.path, "plugins"),
    watch: false,
    settings: {},
    asked: new Map(),
    remote: {
      entries: { crm: pinned },
      trustedKeys: [],
      limits: { timeoutMs: 5000, maxBytes: 1e6, maxRedirects: 1, allowHosts: [], isOffline: false },
    },
  });
  await plugins.stop();
  await configured;
  expect(plugins.list().filter(({ isFetching }) => isFetching)).toEqual([]);
});

test("the bytes of plugins are not kept in memory once they are loaded, or aren't to be", async () => {
  await using host = new PluginHost();
  const [good, off, bad] = ["good", "off", "bad"].map((name) =>
    host.publish(`/${name}`, {
      "plugin.json": { name, version: "1.0.0", dependencies: name === "bad" ? ["missing"] : [] },
      "run.ts": answering(name),
    }),
  );
  if (!good || !off || !bad) throw new Error("nothing published");
  await using app = await startWith({ good, off, bad });
  await configure(app, { good, off: { ...off, active: false }, bad });
  const states = app.app.plugins.list().map(({ state, files }) => [state, files]);
  expect(states).toEqual([
    ["failed", null],
    ["serving", null],
    ["disabled", null],
  ]);
});

test("nothing of a plugin that serves holds its bytes", async () => {
  await using host = new PluginHost();
  const names = Array.from({ length: 10 }, (_, index) => `p${index}`);
  const pinned = names.map((name) =>
    host.publish(`/${name}`, { "plugin.json": { name, version: "1.0.0" }, "run.ts": answering(name) }),
  );
  const held: WeakRef<object>[] = [];
  const { prototype } = SnapshotStore;
  // oxlint-disable-next-line typescript/unbound-method -- called on the store that it is asked of
  const { find } = prototype;
  using undo = new DisposableStack(); // a spy would hold what it has seen
  undo.defer(() => (prototype.find = find));
  prototype.find = async function (this: SnapshotStore, integrity) {
    const opened = await find.call(this, integrity);
    if (opened !== null) held.push(new WeakRef(opened.snapshot.files));
    return opened;
  };
  await using app = await startWith(
    Object.fromEntries(names.map((name, index) => [name, pinned[index] ?? {}])),
  );
  expect(await (await app.fetch("/p9")).text()).toBe("p9");
  expect(held.length).toBeGreaterThanOrEqual(names.length);
  // What looks like an address on the stack may keep some of them for a while.
  const mostAreHeld = (): boolean => held.filter((files) => files.deref()).length > held.length / 2;
  for (let turn = 0; turn < 20 && mostAreHeld(); turn++) {
    await new Promise(setImmediate);
    Bun.gc(true);
  }
  expect(mostAreHeld()).toBe(false);
});

test("a plugin that is loaded anew with its dependency is taken from where it is kept by then", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", {
    "plugin.json": { name: "crm", version: "1.0.0", dependencies: ["base"] },
    "run.ts": answering("${value}", 'import { value } from "plugin:base";').replace(
      '"${value}"',
      "String(value)",
    ),
  });
  const base = (value: number) => ({
    "base/plugin.json": { name: "base", version: "1.0.0" },
    "base/run.ts": answering("base", `export const value = ${value};`),
  });
  await using app = await startWith(
    { crm: pinned },
    { plugins: base(1), config: { plugins: { watch: false } } },
  );
  expect(await (await app.fetch("/crm")).text()).toBe("1");
  await mkdir(join(app.folder.path, "vendor"));
  await rename(join(app.folder.path, "data/plugins"), join(app.folder.path, "vendor/plugins"));
  await app.writePlugins(base(2));
  await app.app.plugins.refresh(new Set([join(app.folder.path, "plugins/base")]));
  expect((await failureOf(app, "crm")).failure).toBeNull();
  expect(await (await app.fetch("/crm")).text()).toBe("2");
});

test("a plugin whose host is away says when it is fetched again", async () => {
  using away = Bun.serve({ port: 0, fetch: () => new Response(null, { status: 503 }) });
  const { origin } = away.url;
  await using app = await startWith({ crm: { url: `${origin}/plugin.json`, integrity: WRONG } });
  const { state, failure } = await failureOf(app, "crm");
  expect([state, failure?.stage]).toEqual(["failed", "fetch"]);
  expect(Date.parse(failure?.retry_at ?? "")).toBeGreaterThan(Date.now());
});
