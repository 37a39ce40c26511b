import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { appendFile, copyFile, cp, link, open, readdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { digestSources } from "../build-digest.ts";
import manifest from "../package.json" with { type: "json" };
import type { Build } from "../src/cli/terminal/version.ts";
import { DIALECTS } from "../src/db/contract/driver.ts";
import { checkTypes, findUnexpected, TYPED_PLUGINS, WRONG_PLUGIN } from "./cli/typed-project.ts";
import { type Bom, findFaults as findFaultsOfBom } from "./cli/sbom/cyclonedx.ts";
import { buildXcore } from "./cli/xcore-command.ts";
import { xcore, XcoreServer } from "./cli/xcore-process.ts";
import { createTestDatabase, testWithServer } from "./database-servers.ts";
import { TestRegistry } from "./plugins/packages/registry.ts";
import { PluginHost } from "./plugins/remote/plugin-host.ts";
import { type Files, TestFolder } from "./setup.ts";
import { TYPES_PLUGIN } from "./web/openapi/every-type.ts";
import { findFaults } from "./web/openapi/validity.ts";

setDefaultTimeout(180_000);

const PROJECT = join(import.meta.dir, "..");
const MAX_BYTES = 140_000_000;
const ELF_MACHINES = { arm64: 0xb7, x64: 0x3e } as const;

let executable: string;

beforeAll(async () => {
  executable = await buildXcore();
});

test("bun run build makes one executable of at most 140 MB, and nothing beside it", async () => {
  expect(await readdir(dirname(executable))).toEqual(["xcore"]);
  const { size, mode } = await stat(executable);
  expect(size).toBeLessThan(MAX_BYTES);
  expect(mode & 0o111).toBe(0o111);
});

test("the executable alone makes a project, serves it, and swaps plugins, without Bun", async () => {
  await using folder = await TestFolder.create();
  const run = await install(folder);
  expect((await xcore(folder, ["--version"], run)).stdout).toStartWith(`${manifest.version} (build `);
  const build = JSON.parse((await xcore(folder, ["--version", "--json"], run)).stdout) as Build;
  expect(build).toMatchObject({ version: manifest.version, build: await digestSources(), bun: Bun.version });
  expect(build.commit ?? "0000000").toMatch(/^[0-9a-f]{7,64}\+?$/);
  expect((await xcore(folder, ["init"], run)).code).toBe(0);
  expect((await xcore(folder, ["plugin", "new", "invoices"], run)).code).toBe(0);
  expect((await xcore(folder, ["config", "check"], run)).code).toBe(0);
  expect((await xcore(folder, ["routes"], run)).stdout).toContain("/invoices/");

  await using server = await XcoreServer.start(folder, run);
  expect(await (await server.fetch("/hello")).json()).toEqual({ message: "Hello from My Plugin!" });
  expect(await (await server.fetch("/invoices")).json()).toEqual({ message: "Hello from Invoices!" });
  const edited =
    'import { createRouter } from "xcore";\nexport default createRouter().get("/", () => "edited");\n';
  await server.after(() => folder.write({ "plugins/hello/run.ts": edited }), /plugin reloaded/);
  expect(await (await server.fetch("/hello")).text()).toBe("edited");
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
});

test("the executable serves plugins of several files, with JSX", async () => {
  await using folder = await TestFolder.create(PAGES);
  await using server = await XcoreServer.start(folder, await install(folder));
  const response = await server.fetch("/pages/?name=<script>");
  expect(response.headers.get("content-type")).toStartWith("text/html");
  expect(await response.text()).toBe("<main><h1>Pages</h1><p>&lt;script&gt;</p></main>");
  const part = "export const Title = () => <h1>Swapped</h1>;\n";
  await server.after(() => folder.write({ "plugins/pages/parts/title.tsx": part }), /plugin reloaded/);
  expect(await (await server.fetch("/pages/?name=x")).text()).toBe("<main><h1>Swapped</h1><p>x</p></main>");
});

test("the executable renders templates in its own layout, and compiles their styles", async () => {
  await using folder = await TestFolder.create({
    "plugins/shop/plugin.json": { name: "shop", version: "1.0.0" },
    "plugins/shop/run.ts": `import { createRouter, templates } from "xcore";
export default createRouter().get("/", () => templates.render("list.html", { title: "<Shop>" }));
`,
    "plugins/shop/templates/list.html": `{% extends "xcore/layout.html" %}
{% block content %}<h1 class="text-fuchsia-700">{{ title | upper }}</h1>{% component "card" with title="Card" %}{% endblock %}`,
  });
  await using server = await XcoreServer.start(folder, await install(folder));
  const page = await (await server.fetch("/shop")).text();
  expect(page).toContain('<h1 class="text-fuchsia-700">&lt;SHOP&gt;</h1>');
  const [, path = ""] = /href="(\/static\/[^"]+\.css)"/.exec(page) ?? [];
  const css = await (await server.fetch(path)).text();
  expect(
    [".text-fuchsia-700", ".card-title", "[data-theme=dark]"].filter((part) => !css.includes(part)),
  ).toEqual([]);
});

test("the executable holds the pages, the API documentation and its assets", async () => {
  await using folder = await TestFolder.create();
  await using server = await XcoreServer.start(folder, await install(folder));
  for (const [path, words] of [
    ["/", "xcore"],
    ["/docs", "swagger-ui"],
    ["/docs/swagger-ui.js", "SwaggerUIBundle"],
    ["/docs/swagger-ui.css", ".swagger-ui"],
    ["/docs/start.js", "openapi.json"],
    ["/openapi.json", '"openapi":"3.1'],
  ] as const) {
    const response = await server.fetch(path);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain(words);
  }
});

test("the executable describes every type of `t` as valid OpenAPI", async () => {
  const files = Object.entries(TYPES_PLUGIN).map(([path, content]) => [`plugins/${path}`, content]);
  await using folder = await TestFolder.create(Object.fromEntries(files));
  await using server = await XcoreServer.start(folder, await install(folder));
  const document = (await (await server.fetch("/openapi.json")).json()) as { paths: object };
  expect(Object.keys(document.paths)).toContain("/types/n0/body");
  expect(await findFaults(document)).toEqual([]);
});

test("the executable installs the npm dependencies of a plugin itself, and finds what their package.json names", async () => {
  await using registry = await TestRegistry.start({
    "@acme/tax@2.1.0": {
      "package.json": { exports: { import: "./lib/tax.mjs" }, dependencies: { rates: "^1.0.0" } },
      "lib/tax.mjs": 'export { rate } from "rates";',
    },
    "rates@1.0.0": { "package.json": { main: "./lib/rates.cjs" }, "lib/rates.cjs": "exports.rate = 19;" },
  });
  await using folder = await TestFolder.create({
    ".npmrc": registry.npmrc,
    "plugins/tax/plugin.json": { name: "tax", version: "1.0.0" },
    "plugins/tax/package.json": { dependencies: { "@acme/tax": "^2.0.0" } },
    "plugins/tax/run.ts":
      'import { rate } from "@acme/tax";\nimport { createRouter } from "xcore";\n' +
      'export default createRouter().get("/", () => ({ rate }));\n',
  });
  await using server = await XcoreServer.start(folder, await install(folder));
  expect(await (await server.fetch("/tax")).json()).toEqual({ rate: 19 });
});

test("the executable lists what it and its plugins are made of", async () => {
  await using registry = await TestRegistry.start({
    "rates@1.0.0": { "package.json": { license: "ISC" }, "index.js": "exports.rate = 19;" },
  });
  await using folder = await TestFolder.create({
    ".npmrc": registry.npmrc,
    "plugins/tax/plugin.json": { name: "tax", version: "1.0.0" },
    "plugins/tax/package.json": { dependencies: { rates: "^1.0.0" } },
    "plugins/tax/run.ts": 'import { rate } from "rates";\nthrow new Error(rate);\n',
  });
  const { code, stdout, stderr } = await xcore(folder, ["sbom"], await install(folder));
  expect([code, stderr]).toEqual([0, ""]);
  const bom = JSON.parse(stdout) as Bom;
  expect(await findFaultsOfBom(bom)).toEqual([]);
  const digest = new Bun.CryptoHasher("sha256").update(await Bun.file(executable).bytes()).digest("hex");
  expect(bom.metadata.component.hashes).toEqual([{ alg: "SHA-256", content: digest }]);
  const listed = new Map(
    bom.components.map((one) => [one["bom-ref"].replace("xcore/node_modules/", ""), one]),
  );
  for (const [name, version] of Object.entries(manifest.dependencies)) {
    expect([name, listed.get(name)?.version]).toEqual([name, version]);
  }
  // What packages are bundled from, and no more: declarations for editors, but no compiler, no other program.
  expect(listed.has("bun-types")).toBe(true);
  expect(["typescript", "yargs", "oxlint", "help-me"].filter((name) => listed.has(name))).toEqual([]);
  const packages = bom.components.filter(({ purl }) => purl?.startsWith("pkg:npm/"));
  expect(packages.filter(({ hashes, licenses }) => !hashes || !licenses)).toEqual([]);
  expect(listed.get("plugin:tax")?.components).toMatchObject([
    { name: "rates", version: "1.0.0", licenses: [{ license: { id: "ISC" } }] },
  ]);
});

test("the executable runs the tests of plugins, and fails when one does", async () => {
  await using folder = await TestFolder.create();
  const run = await install(folder);
  for (const args of [["init"], ["plugin", "new", "invoices"]]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect((await xcore(folder, args, run)).code).toBe(0);
  }
  await folder.write({
    "plugins/invoices/run.ts": `
import { createRouter, hooks } from "xcore";
export default createRouter().get("/", async ({ user }) => {
  await hooks.emit("invoices.seen", { by: user.email });
  return { invoices: [] };
}, { permission: "invoices:read" });
`,
    "plugins/invoices/invoices.test.ts": `
import { expect, test } from "bun:test";
import { createTestHost } from "xcore/testing";

test("lists invoices", async () => {
  await using host = await createTestHost({ plugins: ["./plugins/invoices"] });
  const { headers, email } = await host.createUser({ permissions: ["invoices:read"] });
  expect((await host.fetch("/invoices")).status).toBe(401);
  expect(await (await host.fetch("/invoices", { headers })).json()).toEqual({ invoices: [] });
  expect(host.events.at(-1)).toEqual({ name: "invoices.seen", source: "invoices", data: { by: email } });
});

test("fails", async () => {
  await using host = await createTestHost({ plugins: [import.meta.dir] });
  expect((await host.fetch("/invoices")).status).toBe(200);
});
`,
  });
  const passing = await xcore(folder, ["test", "-t", "lists", "--timeout", "60000"], run);
  expect(passing).toMatchObject({ code: 0, stderr: expect.stringContaining("1 pass") });
  const failing = await xcore(folder, ["test", "--timeout", "60000"], run);
  expect(failing).toMatchObject({ code: 1, stderr: expect.stringMatching(/2 pass\n +1 fail/) });
});

test("the executable takes a plugin from its first line to somebody else's server", async () => {
  await using author = await TestFolder.create();
  const run = await install(author);
  const asAuthor = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await xcore(author, args, run);
    if (code !== 0) throw new Error(`xcore ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout;
  };
  await asAuthor("plugin", "new", "crm");
  await asAuthor("test", "--timeout", "60000");
  const key = (await asAuthor("plugin", "key", "signing.pem")).trim();
  const [, integrity = ""] = /Integrity: (\S+)/.exec(await asAuthor("plugin", "pack", "crm")) ?? [];
  await asAuthor("plugin", "sign", "crm-1.0.0.tgz", "--key", "signing.pem");
  const packed = await Bun.file(join(author.path, "crm-1.0.0.tgz")).bytes();
  await using host = new PluginHost({ "/crm-1.0.0.tgz": () => new Response(packed) });

  await using buyer = await TestFolder.create({ "config.json": { plugins: { trusted_keys: [key] } } });
  const bought = await install(buyer);
  const add = ["plugin", "add", host.url("/crm-1.0.0.tgz"), "--integrity", integrity, "--yes"];
  expect(await xcore(buyer, add, bought)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(new RegExp(`signed by +${RegExp.escape(key)}\n`)),
  });
  expect(await xcore(buyer, ["plugin", "vendor"], bought)).toMatchObject({ code: 0 });
  await host.stop();
  await rm(join(buyer.path, "data"), { recursive: true });
  const args = ["serve", "--port", "0", "--offline"];
  await using server = await XcoreServer.start(buyer, { ...bought, args });
  expect(await (await server.fetch("/crm")).json()).toEqual({ message: "Hello from Crm!" });
});

test("the executable holds its code once, and its large assets compressed", async () => {
  const bytes = await Bun.file(executable).bytes();
  const holds = (text: string, encoding: "latin1" | "utf16le") =>
    Buffer.from(bytes.buffer).includes(Buffer.from(text, encoding));
  // Two bytes a character would be 3 MB more; see build.ts.
  expect([holds("xcore/docs", "latin1"), holds("xcore/docs", "utf16le")]).toEqual([true, false]);
  expect(holds("SwaggerUIBundle=", "latin1")).toBe(false);

  await using folder = await TestFolder.create();
  await using server = await XcoreServer.start(folder, await install(folder));
  for (const encoding of ["gzip", "identity"]) {
    const headers = { "accept-encoding": encoding };
    const response = await server.fetch("/docs/swagger-ui.js", { headers });
    expect(response.headers.get("content-encoding")).toBe(encoding === "gzip" ? "gzip" : null);
    expect(await response.text()).toContain("SwaggerUIBundle");
  }
});

test("the executable gives an editor all that it needs to check plugins", async () => {
  await using folder = await TestFolder.create();
  const run = await install(folder);
  expect(await xcore(folder, ["init"], run)).toMatchObject({ code: 0, stderr: "" });
  expect(await xcore(folder, ["plugin", "new", "invoices"], run)).toMatchObject({ code: 0, stderr: "" });
  await folder.write(TYPED_PLUGINS);
  expect((await xcore(folder, ["types"], run)).stdout).toStartWith("Updated .xcore/");
  expect(await checkTypes(folder)).toEqual(new Map());
  await folder.write(WRONG_PLUGIN);
  expect(findUnexpected(await checkTypes(folder))).toEqual([]);
});

test("the executable's stack traces show lines of a plugin's files and of xcore's own sources", async () => {
  await using folder = await TestFolder.create(FAULTY);
  await using server = await XcoreServer.start(folder, await install(folder));
  expect((await server.fetch("/faulty")).status).toBe(500);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);

  const log = await Bun.file(join(folder.path, "logs/app.log")).text();
  expect(log).toContain("no luck");
  expect(log).toContain("plugins/faulty/lib/luck.ts:4:");
  expect(log).toContain("plugins/faulty/run.ts:5:");

  // A plugin that fails while it is imported is called by xcore's own code, which its stack then names.
  const life = await Bun.file(join(folder.path, "logs/manager.log")).text();
  expect(life).toContain("plugins/thrower/run.ts:2:");
  expect(life + log).not.toContain("plugin-bundle:");
  const frames = [...life.matchAll(/at (?:async )?(\S+) \((src\/plugins\/[\w/-]+\.ts):(\d+):\d+\)/g)];
  expect(frames.length).toBeGreaterThan(2);
  for (const [, name = "", file = "", line] of frames) {
    const source = await Bun.file(join(PROJECT, file)).text();
    expect(source).toContain(name);
    expect(source.split("\n").length).toBeGreaterThanOrEqual(Number(line));
  }
  const evaluated = frames.find(([, name]) => name === "evaluateBundle");
  const source = await Bun.file(join(PROJECT, evaluated?.[2] ?? "")).text();
  expect(source.split("\n")[Number(evaluated?.[3]) - 1]).toContain("run(module.exports");
});

test("the executable bundles what has changed since it was stopped, and nothing else", async () => {
  await using folder = await TestFolder.create(WARM);
  const run = await install(folder);
  const start = async (expected: object): Promise<string[]> => {
    await using server = await XcoreServer.start(folder, run);
    expect(await (await server.fetch("/warm")).json()).toEqual(expected);
    expect((await server.fetch("/faulty")).status).toBe(500);
    const threads = await readThreads(server.pid);
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
    return threads;
  };
  expect(await start({ tax: 19, rate: 1 })).toContain("Bundler");
  expect(await start({ tax: 19, rate: 1 })).not.toContain("Bundler");
  // Stack traces are mapped by what was kept.
  const log = await Bun.file(join(folder.path, "logs/app.log")).text();
  expect(log.match(/plugins\/faulty\/lib\/luck\.ts:4:/g)?.length).toBe(2);
  expect(log).not.toContain("plugin-bundle:");
  await folder.write({ "plugins/warm/tax.tsx": "export const tax = 7;\n" }); // found before tax.ts
  expect(await start({ tax: 7, rate: 1 })).toContain("Bundler");
  await folder.write({ ".xcore/tsconfig.json": toPaths("b") });
  expect(await start({ tax: 7, rate: 2 })).toContain("Bundler");
  expect(await start({ tax: 7, rate: 2 })).not.toContain("Bundler");
  await folder.write({ "plugins/warm/rates/b.ts": "export const rate = 3;\n" });
  expect(await start({ tax: 7, rate: 3 })).toContain("Bundler");
  // What was changed by somebody who doesn't know the secret doesn't run.
  const bundles = await listFiles(join(folder.path, "data/plugins/bundles"));
  for (const file of bundles) {
    await writeFile(file, (await Bun.file(file).text()).replace("rate = 3", "rate = 9"));
  }
  expect(await start({ tax: 7, rate: 3 })).toContain("Bundler");
  expect(await Bun.file(join(folder.path, "logs/manager.log")).text()).toContain("kept bundle is damaged");
});

test("a bundle that is kept is no substitute for a pinned plugin's files", async () => {
  const files = {
    "plugin.json": { name: "crm", version: "1.0.0" },
    "run.ts":
      'import { createRouter } from "xcore";\nexport default createRouter().get("/", () => "pinned");\n',
  };
  await using host = new PluginHost();
  const pinned = host.publish("/crm", files);
  await using folder = await TestFolder.create({ "config.json": { plugins: { remote: { crm: pinned } } } });
  const run = await install(folder);
  const args = ["serve", "--port", "0"];
  const served = async (more: string[] = []): Promise<{ answer: Response; threads: string[] }> => {
    await using server = await XcoreServer.start(folder, { ...run, args: [...args, ...more] });
    if (more.length === 0) await server.waitFor(/plugin loaded/);
    const answer = await server.fetch("/crm");
    const threads = await readThreads(server.pid);
    server.kill("SIGTERM");
    await server.exited;
    return { answer, threads };
  };
  expect((await served()).answer.status).toBe(200);
  const warm = await served(["--offline"]);
  expect(await warm.answer.text()).toBe("pinned");
  expect(warm.threads).not.toContain("Bundler");
  const sources = join(folder.path, "data/plugins/sources");
  const [kept = ""] = await readdir(sources);
  await appendFile(join(sources, kept, "files/run.ts"), "\n");
  expect((await served(["--offline"])).answer.status).toBe(503);
});

for (const dialect of DIALECTS) {
  const name = `the executable generates migrations, applies them, and takes a backup back (${dialect})`;
  testWithServer(dialect, name, 120_000, async () => {
    await using database = await createTestDatabase(dialect);
    await using folder = await TestFolder.create();
    await cp(join(PROJECT, "plugins/blog"), join(folder.path, "plugins/blog"), { recursive: true });
    await rm(join(folder.path, "plugins/blog/drizzle"), { recursive: true }); // it generates its own
    const { command } = await install(folder);
    // The servers' own tools make their dumps.
    const env = {
      PATH: dialect === "sqlite" ? "/nonexistent" : (process.env["PATH"] ?? ""),
      DATABASE_URL: database.url,
    };
    const run = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await xcore(folder, args, { command, env });
      if (code !== 0) throw new Error(`xcore ${args.join(" ")} ended with ${code}: ${stderr}`);
      return stdout;
    };
    expect(await run("db", "generate", "blog")).toContain(`plugins/blog/drizzle/${dialect}/0000_`);
    expect(await run("db", "migrate")).toMatch(/applied core .+\napplied blog /);
    {
      await using server = await XcoreServer.start(folder, { command, env });
      const [, setupToken = ""] = await server.waitFor(/\/auth\/setup\?token=(\S+)/);
      const email = "ada@example.org";
      const post = (path: string, body: BodyInit, headers = {}) =>
        server.fetch(path, { method: "POST", body, headers });
      await post("/auth/setup", new URLSearchParams({ token: setupToken, email, password: "correct horse" }));
      const login = await post(
        "/auth/login",
        new URLSearchParams({ username: email, password: "correct horse" }),
      );
      const { access_token: token } = (await login.json()) as { access_token: string };
      const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
      const author = JSON.stringify({ name: "Ada", email });
      expect((await post("/blog/authors", author, headers)).status).toBe(201);
      await run("db", "backup", "saved.tar.gz");
      server.kill("SIGTERM");
      await server.exited;
    }
    expect(await run("plugin", "remove", "blog", "--purge", "--yes")).toMatch(/blog_authors +1/);
    await run("db", "restore", "saved.tar.gz", "--yes");
    // Its files are gone, its tables are back.
    expect(await run("plugin", "remove", "blog", "--purge", "--yes")).toMatch(/blog_authors +1/);
  });
}

test("the executable leaves files alone that are meant for Bun", async () => {
  await using folder = await TestFolder.create({
    "bunfig.toml": 'preload = ["./preload.ts"]',
    "preload.ts": 'throw new Error("preloaded");',
    "tsconfig.json": "{ broken",
    "package.json": "{ broken",
    ".env": "XCORE_APP__NAME='From .env'\n",
  });
  const { code, stdout } = await xcore(folder, ["config", "show"], await install(folder));
  expect(code).toBe(0);
  expect(JSON.parse(stdout).app.name).toBe("From .env");
});

test("bun run build --target linux-arm64 makes an executable for another machine", async () => {
  await using folder = await TestFolder.create();
  expect(await runBuild(folder, "linux-arm64")).toMatchObject({ code: 0, stderr: "" });
  await using file = await open(join(folder.path, "xcore-linux-arm64"));
  const { buffer } = await file.read(Buffer.alloc(20), 0, 20, 0);
  expect(buffer.subarray(0, 4).toString("latin1")).toBe("\x7FELF");
  expect(buffer.readUInt16LE(18)).toBe(ELF_MACHINES.arm64);
  expect((await file.stat()).size).toBeLessThan(MAX_BYTES);
});

test("bun run build says which targets there are when it is given another", async () => {
  await using folder = await TestFolder.create();
  const { code, stderr } = await runBuild(folder, "amiga");
  expect(code).toBe(1);
  expect(stderr).toContain('Cannot build for "amiga"');
  expect(stderr).toContain("linux-arm64");
});

const PAGES: Files = {
  "plugins/pages/plugin.json": { name: "pages", version: "1.0.0", entry: "run.tsx" },
  "plugins/pages/run.tsx": `
import { html } from "@elysiajs/html";
import { t } from "elysia";
import { createRouter } from "xcore";
import { Title } from "./parts/title.tsx";
export default createRouter()
  .use(html())
  .get("/", ({ query }) => <main><Title /><p safe>{query.name}</p></main>, {
    query: t.Object({ name: t.String() }),
  });
`,
  "plugins/pages/parts/title.tsx": "export const Title = () => <h1>Pages</h1>;\n",
};

const FAULTY: Files = {
  "plugins/faulty/plugin.json": { name: "faulty", version: "1.0.0" },
  "plugins/faulty/run.ts": `import { createRouter } from "xcore";
import { tryLuck } from "./lib/luck.ts";

type Answer = { luck: string };
export default createRouter().get("/", (): Answer => ({ luck: tryLuck(false) }));
`,
  "plugins/faulty/lib/luck.ts": `interface Luck { readonly is: boolean }
export function tryLuck(is: Luck["is"]): string {
  if (is) return "luck";
  throw new Error("no luck");
}
`,
  "plugins/thrower/plugin.json": { name: "thrower", version: "1.0.0" },
  "plugins/thrower/run.ts": 'const cause: string = "boom";\nthrow new Error(cause);\n',
};

const WARM: Files = {
  ...FAULTY,
  "plugins/warm/plugin.json": { name: "warm", version: "1.0.0" },
  "plugins/warm/run.ts": `import { createRouter } from "xcore";
import { rate } from "@rate";
import { tax } from "./tax";

export default createRouter().get("/", () => ({ tax, rate }));
`,
  "plugins/warm/tax.ts": "export const tax = 19;\n",
  "plugins/warm/rates/a.ts": "export const rate = 1;\n",
  "plugins/warm/rates/b.ts": "export const rate = 2;\n",
  "tsconfig.json": { extends: "./.xcore/tsconfig.json" },
  ".xcore/tsconfig.json": toPaths("a"),
};

function toPaths(rate: string): object {
  return { compilerOptions: { paths: { "@rate": [`../plugins/warm/rates/${rate}.ts`] } } };
}

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

/** Names of a process's threads: Bun starts one for its bundler when that is first used (Linux). */
async function readThreads(pid: number): Promise<string[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  return Promise.all(
    threads.map(async (thread) => (await Bun.file(`/proc/${pid}/task/${thread}/comm`).text()).trim()),
  );
}

/** Puts the executable into a folder; what runs it finds no other program. */
async function install(folder: TestFolder): Promise<{ command: string[]; env: Record<string, string> }> {
  const file = join(folder.path, "xcore");
  // Another name of the same file, where they are on one disk: a copy is 128 MB.
  await link(executable, file).catch(() => copyFile(executable, file));
  return { command: [file], env: { PATH: "/nonexistent" } };
}

async function runBuild(folder: TestFolder, target: string): Promise<{ code: number; stderr: string }> {
  const child = Bun.spawn([process.execPath, "build.ts", "--outdir", folder.path, "--target", target], {
    cwd: PROJECT,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const [code, stderr] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  return { code, stderr };
}
