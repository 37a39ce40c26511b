import { expect, setDefaultTimeout } from "bun:test";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { findFreePort } from "../free-port.ts";
import { TestRegistry } from "../plugins/packages/registry.ts";
import { PluginHost } from "../plugins/remote/plugin-host.ts";
import { faq, findQuestion } from "./document.ts";
import { FaqProject } from "./project.ts";

setDefaultTimeout(120_000);

const MY_PLUGIN = findQuestion("How do I make a minimal plugin?").files("plugins/my_plugin/");

faq("Which version of Python does it need?", async (question) => {
  await using project = await FaqProject.create();
  const alone = { PATH: project.programs };
  expect(await project.run(question.shown("xcore --version"), alone)).toStartWith(manifest.version);
  await project.run("xcore init", alone);
  expect(await project.run("xcore routes", alone)).toContain("/hello");
});

faq(
  "Can I use another database than SQLite?",
  async (question) => {
    const config = question.file("config.json");
    for (const dialect of ["postgres", "mysql"] as const) {
      await using database = await createTestDatabase(dialect);
      await using project = await FaqProject.create();
      const text = config.replace("postgresql://user:password@localhost/dbname", database.url);
      await project.folder.write({ "config.json": text, ...MY_PLUGIN });
      expect(await project.run(question.shown("xcore db migrate"))).toContain("applied core 0000_");
      expect(await project.run("xcore db status")).not.toContain("pending");
    }

    await using project = await FaqProject.create();
    await using copy = await createTestDatabase("postgres");
    await project.createAdmin();
    const script = question.shown("xcore db copy").trim();
    await project.run(`${script.replace("postgresql://user:password@localhost/dbname", copy.url)} --yes`);
    expect(await project.run("xcore user list", { DATABASE_URL: copy.url })).toContain(project.admin.email);

    const refused = await project.sh(question.shown("oracle://"));
    expect([refused.code, refused.stderr]).toEqual([1, question.shown("Cannot use the configuration")]);
    for (const url of [
      "mssql+pyodbc://sa:secret@localhost/erp",
      "sqlserver://localhost",
      "mongodb://localhost/erp",
    ]) {
      const { code, stderr } = await project.sh("xcore serve", { DATABASE_URL: url });
      expect([code, stderr]).toEqual([1, refused.stderr]);
    }
    for (const url of ["postgresql+asyncpg://u:p@localhost/erp", "sqlite:///app.db"]) {
      await project.run("xcore config check", { DATABASE_URL: url });
    }
  },
  (name, run) => {
    testWithServer("mysql", name, 120_000, run);
  },
);

faq("How do I change the default port?", async (question) => {
  await using project = await FaqProject.create();
  const [one, two] = [findFreePort(), findFreePort()];
  await project.folder.write({ "config.json": question.file("config.json").replace("8080", String(one)) });
  const { url } = await project.start({ args: [] });
  expect(url).toBe(`http://127.0.0.1:${one}`);
  const [, ...args] = question.shown("xcore serve").trim().replace("8080", String(two)).split(" ");
  expect((await project.start({ args })).url).toBe(`http://127.0.0.1:${two}`);
});

faq("Where are the logs?", async (question) => {
  await using project = await FaqProject.create({ ...MY_PLUGIN });
  await project.folder.write({ "config.json": question.file("config.json") });
  await project.start();
  await project.ask("/my_plugin");
  await project.server.waitFor(/"path":"\/my_plugin"/);
  expect(project.server.output).toContain('"msg":"plugin loaded"');
  await project.stop();
  const [app = "", access = "", life = ""] = await Promise.all(
    ["app", "access", "manager"].map((name) => project.read(`logs/${name}.log`)),
  );
  expect(access).toContain('"path":"/my_plugin","status":200');
  expect(life).toMatch(/"plugin":"my_plugin".*"msg":"plugin loaded"/);
  expect(app).toContain('"msg":"stopped"');
  expect(app + life).not.toContain('"status":200');
  expect(app + access).not.toContain("plugin loaded");
});

faq("How do I share a plugin between projects?", async (question) => {
  const first = Object.entries(MY_PLUGIN).map(([path, text]) => [`first_project/${path}`, text]);
  await using project = await FaqProject.create(Object.fromEntries(first));
  const within = (name: string, script: string) =>
    project.run(`mkdir -p ${name}/plugins\ncd ${name}\n${script}`);
  const loaded = async (name: string): Promise<string[]> => {
    const plugins = JSON.parse(await within(name, "xcore plugin list --json"));
    expect(plugins.map(({ failure }: { failure: object | null }) => failure)).toEqual([null]);
    return plugins.map(({ name: plugin }: { name: string }) => plugin);
  };

  await within("copied", question.shown("cp -r"));
  expect(await loaded("copied")).toEqual(["my_plugin"]);

  await within("first_project", question.shown("xcore plugin pack"));
  const archive = Bun.file(join(project.folder.path, "first_project/my_plugin-1.0.0.tgz"));
  await using host = new PluginHost({ "/my_plugin-1.0.0.tgz": () => new Response(archive) });
  const add = question.shown("xcore plugin add").trim().replace("https://plugins.example.com", host.origin);
  await within("pinned", `${add} --yes`);
  expect(JSON.parse(await project.read("pinned/config.json")).plugins.remote.my_plugin.integrity).toStartWith(
    "sha256-",
  );
  expect(await loaded("pinned")).toEqual(["my_plugin"]);

  const files = Object.entries(MY_PLUGIN).map(([path, text]) => [
    path.slice("plugins/my_plugin/".length),
    text,
  ]);
  await using registry = await TestRegistry.start({ "@scope/my_plugin@1.0.0": Object.fromEntries(files) });
  await project.folder.write({ "published/.npmrc": registry.npmrc });
  await within("published", "xcore plugin add npm:@scope/my_plugin@1.0.0 --yes");
  expect(await loaded("published")).toEqual(["my_plugin"]);
});

faq("How do I change the JWT secret?", async (question) => {
  await using project = await FaqProject.create();
  await project.run("xcore init");
  await project.start();
  await project.logIn();
  const known = async () => (await project.ask("/auth/me", { isAdmin: true })).status;
  expect(await known()).toBe(200);

  const key = (await project.run(question.shown("openssl"))).trim();
  const env = question.file(".env");
  await project.folder.write({ ".env": env });
  const refused = await project.sh("xcore serve --port 0");
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("JWT_SECRET_KEY")]);
  await project.folder.write({ ".env": env.replace("the-output-of-openssl", key) });
  await project.start();
  expect(await known()).toBe(401);

  await project.folder.write({ ".env": "", "config.json": question.file("config.json") });
  await project.start({ env: { SIGNING_KEY: key } });
  project.env["TOKEN"] = (await project.signIn()).access_token;
  expect(await known()).toBe(200);
});

faq("The application doesn't start", async (question) => {
  await using project = await FaqProject.create();
  const script = question.shown("xcore config check");
  await project.folder.write({ "config.json": '{ "server": { "prot": 8000 }, } // a comment' });
  const misspelt = await project.sh(script);
  expect([misspelt.code, misspelt.stderr]).toEqual([1, expect.stringContaining('did you mean "port"?')]);
  const started = await project.sh("xcore");
  expect([started.code, started.stderr]).toEqual([1, misspelt.stderr]);

  using busy = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  await project.folder.write({ "config.json": `{ "server": { "port": ${busy.port} } }` });
  const inUse = await project.sh("xcore serve");
  expect([inUse.code, inUse.stderr]).toEqual([
    1,
    expect.stringMatching(new RegExp(`${busy.port}.*--port`, "s")),
  ]);
  const doctor = await project.sh(script);
  expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringMatching(/PROBLEM +port/)]);
  await project.folder.write({ "config.json": `{ "server": { "port": ${findFreePort()} } }` });
  expect(await project.run(script)).toMatch(/ok +database/);
});

faq('"Module not found"', async (question) => {
  await using project = await FaqProject.create(MY_PLUGIN);
  await project.folder.write({
    "plugins/my_plugin/run.ts": 'import Papa from "papaparse";\nexport const a = Papa;\n',
  });
  const list = await project.run(question.shown("xcore plugin list"));
  expect(list).toContain(`plugins/my_plugin/run.ts:1: ${question.shown("Cannot find").trim()}`);
});

faq("Plugins don't load", async (question) => {
  await using project = await FaqProject.create();
  const list = () => project.run(question.shown("xcore plugin list"));
  expect(await list()).not.toContain("my_plugin");
  await project.folder.write(MY_PLUGIN);
  for (const [path, text, reason] of [
    ["plugin.json", '{ "name": "my_plugin", "version": "1.0.0", "aktive": true }', 'did you mean "active"?'],
    ["run.ts", "export default {;\n", "plugins/my_plugin/run.ts:1: "],
  ] as const) {
    await project.folder.write({ [`plugins/my_plugin/${path}`]: text });
    expect(await list()).toContain(reason);
    await project.folder.write(MY_PLUGIN);
  }
  expect(await list()).not.toContain("failed");
  await project.run("mv plugins/my_plugin plugins/_my_plugin");
  expect(await list()).not.toContain("my_plugin");
});

faq('Database error "table not found"', async (question) => {
  await using project = await FaqProject.create(MY_PLUGIN);
  const { "plugins/my_model/schema.ts": schema = "" } = findQuestion("How do I add a model?").files();
  await project.folder.write({ "plugins/my_plugin/schema.ts": schema });
  const status = () => project.run(question.shown("xcore db status"));
  expect(await status()).toContain("ahead");
  expect(await project.run("xcore plugin list")).toContain("schema.ts is ahead of its migrations");
  await project.run(question.shown("xcore db generate"));
  expect(await status()).not.toMatch(/ahead|pending/);

  await project.folder.write({
    "plugins/asking/plugin.json": { name: "asking", version: "1.0.0" },
    "plugins/asking/run.ts": `import { sql } from "drizzle-orm";
import { createRouter, db } from "xcore";
export default createRouter().get("/", () => db.execute(sql\`select * from nowhere\`));
`,
  });
  await project.start();
  await project.logIn();
  expect((await project.ask("/asking")).status).toBe(500);
  await project.server.waitFor(/Cannot query table .*nowhere.*: it isn't in the database/);
  await project.stop();

  const [remove = "", serve = ""] = question.shown("rm data").trim().split("\n");
  await project.run(remove);
  await project.start({ args: [...serve.split(" ").slice(1), "--port", "0"] });
  expect(await project.run("xcore user list")).not.toContain("ada@example.com");
});

faq("How do I contribute?", async (question) => {
  const [branch = "", install = ""] = question.shown("git checkout").trim().split("\n");
  await using project = await FaqProject.create();
  await project.run(`git init --quiet\n${branch}`);
  expect(await project.run("git symbolic-ref --short HEAD")).toBe("feature/my-feature\n");
  // What the other two run is run by CI, and by no test: this one is within it.
  const check = question.shown("run check").trim();
  expect([install, check]).toEqual(
    ["install", "run check"].map((words) => `npx -y bun@${manifest.engines.bun} ${words}`),
  );
  expect(manifest.scripts).toContainKeys(["check", "dev"]);
});

faq("How do I report a bug?", async (question) => {
  await using project = await FaqProject.create();
  await project.run("xcore init");
  await project.folder.write({ "config.json": { server: { port: findFreePort() } } });
  const said = await project.run(question.shown("xcore doctor"));
  expect(said).toMatch(new RegExp(`^${manifest.version}[^]*Bun ${Bun.version}`));
  const [, secret = ""] = /JWT_SECRET_KEY=(\w+)/.exec(await project.read(".env")) ?? [];
  expect([secret.length, said.includes(secret)]).toEqual([64, false]);
});
