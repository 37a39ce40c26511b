import { expect, test } from "bun:test";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { loadConfig } from "../../../src/config/load.ts";
import { PluginInstaller } from "../../../src/plugins/remote/installer.ts";
import { openPluginStores, toRemoteSettings } from "../../../src/plugins/remote/sources.ts";
import { signIntegrity } from "../../../src/plugins/snapshot/signatures.ts";
import { createSigningKey, parseSigningKey } from "../../../src/plugins/remote/publish/signing-key.ts";
import { verifyPlugin } from "../../../src/plugins/remote/verification.ts";
import { TestFolder } from "../../setup.ts";
import { TestRegistry } from "../packages/registry.ts";
import { PluginHost } from "./plugin-host.ts";

const RUN = 'import { createRouter } from "xcore";\nexport default createRouter().get("/", () => 1);\n';
const WRONG = `sha256-${"A".repeat(43)}=`;

function crm(version = "1.0.0", run = RUN) {
  return { "plugin.json": { name: "crm", version }, "run.ts": run };
}

/** A project with an installer that reads its config.json anew each time. */
async function createProject(config: object = {}, local: Readonly<Record<string, string>> = {}) {
  const folder = await TestFolder.create({ "config.json": config });
  const load = () => loadConfig({ cwd: folder.path, env: {} });
  const stores = openPluginStores(load(), { log: pino({ level: "silent" }), isOffline: () => false });
  const installer = new PluginInstaller({
    configFile: join(folder.path, "config.json"),
    stores,
    settings: () => toRemoteSettings(load()),
    findLocal: async (name) => local[name] ?? null,
  });
  const add = async (places: string[], options = {}) => {
    const prepared = await installer.prepare(places, options);
    await installer.commit(prepared);
    return prepared;
  };
  const read = async () => JSON.parse(await readFile(join(folder.path, "config.json"), "utf8"));
  const verify = (name: string, isOffline = false) => {
    const { entries, trustedKeys, limits } = toRemoteSettings(load());
    const fetch = { limits, tmp: stores.tmp, projectDirectory: folder.path };
    return verifyPlugin(name, entries[name] ?? {}, { store: stores.store, fetch, trustedKeys, isOffline });
  };
  const dispose = () => folder[Symbol.asyncDispose]();
  return { folder, stores, installer, add, read, verify, [Symbol.asyncDispose]: dispose };
}

test("prepare() writes nothing; commit() keeps the files and pins them", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm());
  await using project = await createProject();
  const { folder, installer, read, stores } = project;
  const prepared = await installer.prepare([pinned.url]);
  expect(prepared).toMatchObject({ isListed: false, isUpToDate: false, changes: null, places: [pinned.url] });
  expect(await read()).toEqual({});
  expect(await readdir(folder.path)).toEqual(["config.json"]);
  await installer.commit(prepared);
  expect(await read()).toEqual({ plugins: { remote: { crm: pinned } } });
  expect(await stores.store.find(pinned.integrity)).not.toBeNull();
  expect(await installer.prepare([pinned.url])).toMatchObject({
    isListed: true,
    isUpToDate: true,
    changes: [],
  });
});

test("a new version is compared with the pinned one, from the cache or from its place", async () => {
  await using host = new PluginHost();
  const publish = (version: string, path: string) => {
    const routes = [{ method: "GET", path: `/crm${path}`, guards: [] }];
    const surface = { routes, hooks: [], permissions: [], tables: [] };
    const files = {
      "plugin.json": { name: "crm", version, surface },
      "run.ts": RUN.replace('"/"', `"${path}"`),
    };
    return host.publish(`/crm-${version[2]}`, files);
  };
  const first = publish("1.0.0", "/");
  const second = publish("1.1.0", "/new");
  await using project = await createProject();
  const { folder, installer, add, read } = project;
  await add([first.url]);
  const expected = [
    { what: "version", name: null, before: "1.0.0", after: "1.1.0" },
    { what: "size", name: null, before: expect.any(Number), after: expect.any(Number) },
    { what: "integrity", name: null, before: first.integrity, after: second.integrity },
    { what: "route", name: "GET /crm/", before: "OPEN", after: null },
    { what: "route", name: "GET /crm/new", before: null, after: "OPEN" },
  ];
  expect((await installer.prepare([second.url], { name: "crm" })).changes).toEqual(expected);
  await folder.remove("data");
  expect((await installer.prepare([second.url], { name: "crm" })).changes).toEqual(expected);
  await folder.remove("data");
  host.answers.delete("/crm-0/plugin.json");
  expect(await installer.prepare([second.url])).toMatchObject({ isListed: true, changes: null });
  await add([second.url, first.url], { integrity: second.integrity });
  expect(await read()).toEqual({
    plugins: { remote: { crm: { urls: [second.url, first.url], integrity: second.integrity } } },
  });
});

test("a redirecting host is no difference between two versions", async () => {
  await using host = new PluginHost();
  await using project = await createProject({ plugins: { fetch: { allow_hosts: ["127.0.0.1"] } } });
  await using other = new PluginHost();
  const first = other.publish("/crm", crm());
  host.add({ "/crm/plugin.json": () => Response.redirect(first.url) });
  const { add, installer } = project;
  const { inspection } = await add([host.url("/crm/plugin.json")]);
  expect(inspection.hosts).toEqual([host.origin, other.origin].map((origin) => new URL(origin).host));
  other.publish("/crm", crm("1.0.1"));
  const { changes } = await installer.prepare([host.url("/crm/plugin.json")]);
  expect(changes?.map(({ what }) => what)).toEqual(["version", "integrity"]);
});

test("paths are written from config.json on, with slashes", async () => {
  await using project = await createProject();
  const { folder, installer, read } = project;
  await folder.write({
    "shared/crm/plugin.json": { name: "crm", version: "1.0.0" },
    "shared/crm/run.ts": RUN,
  });
  await installer.commit(await installer.prepare([join(folder.path, "shared/crm")]));
  expect((await read()).plugins.remote.crm.url).toBe("./shared/crm");
  expect(await installer.prepare(["shared/crm"])).toMatchObject({ isUpToDate: true });
  expect(installer.prepare(["shared/crm"], { allowsPaths: false })).rejects.toMatchObject({
    code: "validation_error",
  });
});

test("an npm package is pinned to its exact version, and its latest is the newest", async () => {
  await using registry = await TestRegistry.start({ "@acme/crm@1.0.0": toPackage("1.0.0") });
  await using project = await createProject();
  const { folder, add, read, installer } = project;
  await folder.write({ ".npmrc": registry.npmrc });
  await add(["npm:@acme/crm"]);
  expect((await read()).plugins.remote.crm.url).toBe("npm:@acme/crm@1.0.0");
  await registry.publish("@acme/crm@1.1.0", toPackage("1.1.0"));
  expect(installer.newestPlacesOf("crm")).toEqual(["npm:@acme/crm"]);
  const prepared = await installer.prepare(installer.newestPlacesOf("crm"), { name: "crm" });
  expect(prepared).toMatchObject({ places: ["npm:@acme/crm@1.1.0"], isUpToDate: false });
  expect(prepared.changes?.[0]).toMatchObject({ what: "version", before: "1.0.0", after: "1.1.0" });
  const mirrors = ["npm:@acme/crm@1.1.0", "npm:@other/crm@^1.0.0"];
  expect(installer.prepare(mirrors)).rejects.toThrow("a mirror must be pinned to an exact version");
});

test("an npm package that isn't pinned yet is taken at the version that is written", async () => {
  await using project = await createProject({
    plugins: { remote: { crm: { url: "npm:@acme/crm@1.0.0" } } },
  });
  expect(project.installer.newestPlacesOf("crm")).toEqual(["npm:@acme/crm@1.0.0"]);
});

test("what can't be used is refused, and nothing is written", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm());
  host.publish("/erp", { "plugin.json": { name: "erp", version: "1.0.0" }, "run.ts": RUN });
  host.publish("/bad", { "plugin.json": { name: "bad" }, "run.ts": RUN });
  await using project = await createProject({}, { erp: "plugins/erp" });
  const { installer, read, folder } = project;
  const refused: [string, object, string][] = [
    [pinned.url, { integrity: WRONG }, `expected ${WRONG}, found ${pinned.integrity}`],
    [pinned.url, { name: "invoices" }, 'it is the plugin "crm"'],
    [host.url("/erp/plugin.json"), {}, 'Cannot add "erp": plugins/erp has this name'],
    [host.url("/bad/plugin.json"), {}, '"version" is missing'],
    [host.url("/gone/plugin.json"), {}, "404"],
    ["https://evil.example/${JWT_SECRET_KEY}/plugin.json", {}, "%24%7B"],
    ["ftp://a.example/x.tgz", {}, "Cannot fetch a plugin from"],
  ];
  for (const [place, options, message] of refused) {
    const error = await installer.prepare([place], options).catch((thrown: unknown) => thrown);
    expect([place, (error as Error).message]).toEqual([place, expect.stringContaining(message)]);
  }
  expect(await read()).toEqual({});
  expect(await readdir(folder.path)).toEqual(["config.json"]);
});

test("with trusted keys, only what one of them has signed is prepared", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm());
  await using project = await createProject();
  const { folder, installer, add, verify } = project;
  const key = await parseSigningKey(await createSigningKey(), "key.pem");
  await add([pinned.url]);
  await folder.write({
    "config.json": { plugins: { trusted_keys: [key.publicKey], remote: { crm: pinned } } },
  });
  expect(installer.prepare([pinned.url])).rejects.toThrow("it isn't signed");
  expect(await verify("crm")).toMatchObject({ ok: false, distrust: expect.stringContaining("isn't signed") });
  const signatures = await signIntegrity(pinned.integrity, key, null);
  host.add({ "/crm/plugin.json.sig": new TextDecoder().decode(signatures) });
  const { inspection } = await add([pinned.url]);
  expect(inspection.signers).toEqual([key.publicKey]);
  expect(await verify("crm")).toMatchObject({ ok: true, distrust: null });
});

test("verifyPlugin() compares each copy and each place with the pin", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm());
  host.publish("/mirror", crm());
  const urls = [pinned.url, host.url("/mirror/plugin.json")];
  await using project = await createProject();
  const { folder, add, verify } = project;
  await add(urls);
  const ok = { state: "ok", reason: null };
  expect(await verify("crm")).toMatchObject({
    ok: true,
    copies: [
      { where: "cache", ...ok },
      { where: urls[0], ...ok },
      { where: urls[1], ...ok },
    ],
  });
  const changed = host.publish("/mirror", crm("1.0.1"));
  const reason = `expected ${pinned.integrity}, found ${changed.integrity}`;
  expect(await verify("crm")).toMatchObject({
    ok: false,
    copies: [{}, ok, { state: "differs", found: changed.integrity, reason }],
  });
  expect(await verify("crm", true)).toMatchObject({ ok: true, copies: [{ where: "cache", ...ok }] });

  host.answers.delete("/mirror/plugin.json");
  expect(await verify("crm")).toMatchObject({ ok: true, copies: [ok, ok, { state: "failed" }] });
  const file = [...new Bun.Glob("data/plugins/sources/*/files/run.ts").scanSync(folder.path)][0] ?? "";
  await writeFile(join(folder.path, file), `${RUN}// more`);
  expect(await verify("crm")).toMatchObject({
    ok: false,
    copies: [{ where: "cache", state: "differs" }, ok, {}],
  });
  expect(await readFile(join(folder.path, file), "utf8")).toEndWith("// more");
  await folder.remove("data");
  expect(await verify("crm", true)).toMatchObject({ ok: false, copies: [] });
});

test("setActive() and remove() ask for a listed plugin", async () => {
  await using project = await createProject({
    plugins: { remote: { crm: { url: "https://a.example/x.ts" } } },
  });
  const { installer, read } = project;
  expect(installer.setActive("erp", true)).rejects.toMatchObject({ code: "plugin_not_found" });
  expect(installer.remove("toString")).rejects.toMatchObject({ code: "plugin_not_found" });
  expect(() => installer.newestPlacesOf("erp")).toThrow('Cannot find plugin "erp"');
  expect(installer.newestPlacesOf("crm")).toEqual(["https://a.example/x.ts"]);
  await installer.setActive("crm", false);
  expect((await read()).plugins.remote.crm.active).toBe(false);
  await installer.remove("crm");
  expect(await read()).toEqual({ plugins: { remote: {} } });
});

function toPackage(version: string) {
  return { "plugin.json": JSON.stringify({ name: "crm", version }), "run.ts": RUN };
}
