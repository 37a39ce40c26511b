import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, setDefaultTimeout } from "bun:test";
import { join } from "node:path";
import { parse } from "jsonc-parser";
import { TOTP, URI } from "otpauth";
import { TestRegistry } from "../plugins/packages/registry.ts";
import { allFiles, faq, findQuestion } from "./document.ts";
import { FaqProject } from "./project.ts";

setDefaultTimeout(120_000);

/** Plugins that tests make while the server runs. */
const LATER = /^plugins\/(my_plugin|my_model|price_list|themed)\/|^plugins\/ping\.ts$/;
const MINIMAL = findQuestion("How do I make a minimal plugin?");

let project: FaqProject;

/** One project with the plugins of all answers, and one server, begun as the first answer says. */
beforeAll(async () => {
  project = await FaqProject.create();
  const [init = "", serve = ""] = findQuestion("What is xcore?").shown("xcore init").trim().split("\n");
  await project.run(init);
  const files = Object.entries(allFiles()).filter(([path]) => !LATER.test(path));
  await project.folder.write(Object.fromEntries(files));
  const names = files.flatMap(([path]) => /^plugins\/(\w+)\/run\.ts$/.exec(path)?.[1] ?? []);
  for (const name of names) {
    if (files.some(([path]) => path === `plugins/${name}/plugin.json`)) continue;
    await project.folder.write({ [`plugins/${name}/plugin.json`]: { name, version: "1.0.0" } });
  }
  const tables = files.flatMap(([path]) => /^plugins\/(\w+)\/schema\.ts$/.exec(path)?.[1] ?? []);
  await project.run(tables.map((name) => `xcore db generate ${name}`).join("\n"));
  await project.start({ args: serve.split(" ").slice(1), env: { XCORE_SERVER__PORT: "0" } });
  await project.logIn();
});

afterAll(() => project[Symbol.asyncDispose]());

/** Makes the minimal plugin, unless another test has. */
async function makeMyPlugin(): Promise<void> {
  const { status } = await project.ask("/my_plugin");
  if (status === 200) return;
  await project.server.after(
    () => project.folder.write(MINIMAL.files("plugins/my_plugin/")),
    /"plugin":"my_plugin".*plugin (re)?loaded/,
  );
}

/** Makes an account on the command line. */
function createAccount(email: string): Promise<string> {
  return project.run(`printf 'battery staple 12' | xcore user create ${email} --password-stdin`);
}

function openDatabase(): Database {
  return new Database(join(project.folder.path, "data/app.db"));
}

faq("What is xcore?", async () => {
  for (const [path, words] of [
    ["/", "xcore"],
    ["/ui", "password"], // of the login, to which it leads
    ["/docs", "swagger-ui"],
    ["/hello", "Hello from My Plugin!"],
  ] as const) {
    const response = await project.server.fetch(path, { headers: { accept: "text/html" } });
    expect([path, response.status]).toEqual([path, 200]);
    expect(await response.text()).toContain(words);
  }
});

faq("What are the main use cases?", async (question) => {
  expect(Object.keys(question.files())).toEqual(["plugins/tenants/schema.ts", "plugins/tenants/run.ts"]);
  const ask = (token: string, json?: object) =>
    project.ask("/tenants/invoices", { token, ...(json !== undefined && { json }) });
  const permissions = ["invoices:read", "invoices:write"];
  const bob = await project.createUser("bob@one.example", permissions);
  const cyd = await project.createUser("cyd@two.example", permissions);
  using database = openDatabase();
  database.run("insert into tenants_companies (id, name) values (1, 'One'), (2, 'Two')");
  database.run("insert into tenants_members (company_id, user_id) values (1, ?), (2, ?)", [bob.id, cyd.id]);

  expect((await ask(bob.token, { company_id: 1, total: "12.50" })).status).toBe(201);
  expect((await ask(cyd.token, { company_id: 2, total: "99.00" })).status).toBe(201);
  expect((await ask(bob.token, { company_id: 2, total: "1.00" })).status).toBe(403);
  const totals = async (token: string) =>
    (await ask(token)).body.items.map(({ total }: { total: string }) => total);
  expect([await totals(bob.token), await totals(cyd.token)]).toEqual([["12.50"], ["99.00"]]);
});

faq("How does it differ from plain FastAPI?", async (question) => {
  expect(question.file("plugins/plain/run.ts")).toContain("new Elysia()");
  expect(await project.ask("/plain/double/21")).toEqual({ status: 200, body: { double: 42 } });
  expect((await project.ask("/plain/double/x")).status).toBe(422);
  const { paths } = (await project.ask("/openapi.json")).body;
  expect(paths["/plain/double/{n}"].get.parameters[0].schema).toEqual({ type: "integer" });
});

faq("How do I make a minimal plugin?", async (question) => {
  await makeMyPlugin();
  const tree = question.shown("└── run.ts");
  const files = question.files("plugins/my_plugin/");
  expect(Object.keys(files).map((path) => path.split("/").at(-1))).toEqual(tree.match(/\w+\.\w+/g) ?? []);
  const answer = await project.json(question.shown("curl"));
  expect(answer).toEqual({ message: "Hello from My Plugin!" });
  const loaded = /"plugin":"ping".*plugin loaded/;
  await project.server.after(() => project.folder.write(question.files("plugins/ping.ts")), loaded);
  expect(await project.ask("/ping")).toEqual({ status: 200, body: "pong" });
  const { paths } = (await project.ask("/openapi.json")).body;
  expect([paths["/my_plugin/"].get.tags, paths["/ping/"].get.tags]).toEqual([["my_plugin"], ["ping"]]);
});

faq("Hot reload doesn't work", async (question) => {
  await makeMyPlugin();
  const path = "plugins/my_plugin/run.ts";
  const good = MINIMAL.file(path);
  const edit = (text: string) => () => project.folder.write({ [path]: text });
  const message = async () => (await project.ask("/my_plugin")).body.message;

  const broken = good.replace("({", "({{");
  await project.server.after(edit(broken), /"plugin":"my_plugin".*plugin failed/);
  expect(await project.run(question.shown("xcore plugin list"))).toMatch(
    /my_plugin.*plugins\/my_plugin\/run\.ts:4/s,
  );
  expect(await message()).toBe("Hello from My Plugin!");

  await project.configure('{ "plugins": { "watch": false } }');
  await edit(good.replace("Hello", "Goodbye"))();
  expect(await message()).toBe("Hello from My Plugin!");
  await project.run(question.shown("curl"));
  expect(await message()).toBe("Goodbye from My Plugin!");

  await project.configure(question.file("config.json"));
  await project.server.after(edit(good), /"plugin":"my_plugin".*plugin reloaded/);
  expect(await message()).toBe("Hello from My Plugin!");
});

faq("How do I disable a plugin?", async (question) => {
  await makeMyPlugin();
  const manifest = "plugins/my_plugin/plugin.json";
  const shown = question.file(manifest);
  for (const disable of [
    () => project.run(question.shown("curl")),
    () => project.run(question.shown("xcore plugin disable")),
    () => project.folder.write({ [manifest]: shown }),
  ]) {
    await project.server.after(disable, /"plugin":"my_plugin".*plugin unloaded/);
    expect((await project.ask("/my_plugin")).status).toBe(404);
    const file = await Bun.file(join(project.folder.path, manifest)).text();
    expect(parse(file)).toEqual(parse(shown));
    const enable = () => project.run("xcore plugin enable my_plugin");
    await project.server.after(enable, /"plugin":"my_plugin".*plugin loaded/);
    expect((await project.ask("/my_plugin")).status).toBe(200);
  }
});

faq("Can plugins have dependencies of their own?", async (question) => {
  const installed = join(import.meta.dir, "../../node_modules/papaparse");
  const { name, version, main } = await Bun.file(join(installed, "package.json")).json();
  await using registry = await TestRegistry.start({
    [`${name}@${version}`]: {
      "package.json": { main },
      [main]: await Bun.file(join(installed, main)).text(),
    },
  });
  await project.folder.write({ ".npmrc": registry.npmrc });
  const loaded = /"plugin":"price_list".*plugin loaded/;
  const manifest = { "plugins/price_list/plugin.json": { name: "price_list", version: "1.0.0" } };
  await project.server.after(() => project.folder.write({ ...question.files(), ...manifest }), loaded);
  expect((await project.ask("/price_list")).body).toEqual([{ article: "screw", price: "0.10" }]);
  expect(registry.downloads).toBe(1);
});

faq("How do I set up two-factor authentication?", async (question) => {
  const email = "dora@example.com";
  const { token } = await project.createUser(email);
  const device = await project.json(question.shown("/auth/otp/devices \\"), { TOKEN: token });
  expect(device.qr_code).toStartWith("<svg");
  const totp = URI.parse(device.uri);
  if (!(totp instanceof TOTP)) throw new Error(`${device.uri} isn't of codes by time`);
  const env = { TOKEN: token, DEVICE_ID: String(device.id), CODE: totp.generate() };
  const confirmed = await project.json(question.shown("$DEVICE_ID"), env);
  expect(confirmed.recovery_codes).toHaveLength(10);
  const login = await project.ask("/auth/login", { json: { email, password: "correct horse battery" } });
  expect(login.body).toMatchObject({ otp_required: true });

  expect(question.file("plugins/phones/run.ts")).toContain("auth.createOtpDevice");
  const enrolled = await project.ask("/phones", { method: "POST", isAdmin: true });
  expect(enrolled.body).toMatchObject({
    uri: expect.stringMatching(/^otpauth:\/\/totp\//),
    svg: expect.stringMatching(/^<svg/),
  });
});

faq("How do I protect a route?", async (question) => {
  const manifest = question.file("plugins/reports/plugin.json");
  expect(question.file("plugins/reports/run.ts")).toContain('permission: "reports:read"');
  const { token: anybody } = await project.createUser("eve@example.com");
  const { token: reader } = await project.createUser("finn@example.com", ["reports:read"]);
  const tried = async (path: string) => {
    const tokens = [undefined, anybody, reader, project.env["TOKEN"]];
    const answers = tokens.map((token) => project.ask(path, token === undefined ? {} : { token }));
    return (await Promise.all(answers)).map(({ status }) => status);
  };
  expect(await tried("/reports")).toEqual([401, 200, 200, 200]);
  expect(await tried("/reports/sales")).toEqual([401, 403, 200, 200]);
  expect(await tried("/reports/admin-only")).toEqual([401, 403, 403, 200]);
  const { body } = await project.ask("/admin/permissions", { isAdmin: true });
  expect([manifest, JSON.stringify(body)]).toEqual([
    expect.stringContaining("Read the reports"),
    expect.stringContaining("Read the reports"),
  ]);
  const { paths } = (await project.ask("/openapi.json")).body;
  expect(paths["/reports/sales"].get.security).not.toBeEmpty();
  expect(await project.run("xcore routes")).toMatch(/\/plain\/.*OPEN/);
});

faq("Where are passwords stored?", async (question) => {
  using database = openDatabase();
  const hashOf = (email: string) =>
    database.query("select password_hash from users where email = ?").values(email)[0]?.[0];
  await createAccount("gus@example.com");
  expect(hashOf("gus@example.com")).toMatch(/^\$2[aby]\$10\$/);
  await project.configure(question.file("config.json"));
  await project.start();
  await createAccount("hal@example.com");
  expect(hashOf("hal@example.com")).toStartWith("$argon2id$");
  const json = { email: "gus@example.com", password: "battery staple 12" };
  expect((await project.ask("/auth/login", { json })).status).toBe(200);
  expect(hashOf("gus@example.com")).toStartWith("$argon2id$");
  const kept = await project.run("cat data/app.db* logs/*.log");
  expect(kept.includes("battery staple 12")).toBe(false);
});

faq("How do I add a model?", async (question) => {
  const manifest = { "plugins/my_model/plugin.json": { name: "my_model", version: "1.0.0" } };
  await project.server.after(
    () => project.folder.write({ ...manifest, ...question.files() }),
    /"plugin":"my_model".*xcore db generate my_model/,
  );
  const script = question.shown("xcore db generate");
  await project.server.after(() => project.run(script), /"plugin":"my_model".*plugin loaded/);
  const made = await project.ask("/my_model/entries", { json: { name: "First" } });
  expect([made.status, made.body.name]).toEqual([201, "First"]);
  expect((await project.ask("/my_model/entries")).body).toMatchObject({
    items: [{ name: "First" }],
    total: 1,
  });
  expect(await project.run("ls plugins/my_model/drizzle")).toBe("mysql\npostgres\nsqlite\n");
});

faq("How do I use SQLAlchemy relations?", async (question) => {
  expect(Object.keys(question.files())).toHaveLength(2);
  expect((await project.ask("/library/books")).body).toMatchObject([
    { title: "Notes", author: { id: 1, name: "Ada" } },
  ]);
  expect((await project.ask("/library/authors")).body).toMatchObject([
    { name: "Ada", books: [{ title: "Notes" }] },
  ]);
});

faq("How do I write a complex query?", async (question) => {
  expect(Object.keys(question.files())).toHaveLength(2);
  for (const [title, status, author_id] of [
    ["A", "published", 1],
    ["B", "draft", 1],
    ["C", "review", 1],
    ["D", "published", 2],
  ] as const) {
    expect((await project.ask("/news", { json: { title, status, author_id } })).status).toBe(200);
  }
  for (const [query, titles] of [
    ["author_id=1", ["B", "A"]],
    ["author_id=1&status=review", ["C", "A"]],
    ["author_id=2", ["D"]],
  ] as const) {
    const { body } = await project.ask(`/news?${query}`);
    expect(body.map(({ title }: { title: string }) => title)).toEqual(titles);
  }
});

faq("How do I make an HTML page?", async (question) => {
  expect(Object.keys(question.files())).toHaveLength(2);
  const page = (await project.ask("/pages/page")).body;
  expect(page).toMatch(/<title>[^]*<h1 class="text-2xl">My page<\/h1>[^]*<li>one<\/li><li>two<\/li>/);
});

faq("How do I make a reusable component?", async (question) => {
  expect(Object.keys({ ...question.files(), ...question.files("templates/") })).toHaveLength(3);
  const page = (await project.ask("/boxes")).body;
  expect(page).toMatch(/<div class="my-component">\s*<h3>My title<\/h3>\s*<p>My content<\/p>\s*<\/div>/);
});

faq("How do I change the theme?", async (question) => {
  const theme = async () => /data-theme="(\w+)"/.exec((await project.ask("/")).body)?.[1];
  expect(await theme()).toBe("light");
  await project.configure(question.file("config.json"));
  expect(await theme()).toBe("dark");
  const manifest = { "plugins/themed/plugin.json": { name: "themed", version: "1.0.0" } };
  await project.server.after(
    () => project.folder.write({ ...manifest, ...question.files() }),
    /"plugin":"themed".*plugin loaded/,
  );
  expect(await theme()).toBe("cupcake");
  expect((await project.ask("/themed")).body).toContain("Cupcake");
  await project.server.after(
    () => project.folder.remove("plugins/themed"),
    /"plugin":"themed".*plugin unloaded/,
  );
  expect(await theme()).toBe("dark");
});

faq("When should I use hooks?", async (question) => {
  expect(question.file("plugins/greeter/run.ts")).toContain("user.login");
  // Others have signed in before, which may be told late.
  await project.server.after(() => project.signIn(), /"ada@example\.com".*somebody is back/);
});

faq("How do I make a hook of my own?", async (question) => {
  expect(question.file("plugins/actions/run.ts")).toContain("hooks.emit");
  const json = { user_id: 123, action: "created" };
  const [line] = await project.server.after(
    async () => expect((await project.ask("/actions", { json })).body).toEqual({ handlers: 1 }),
    /.*action received.*/,
  );
  expect(line).toContain('"action":"created"');
});

faq("Are hooks synchronous or asynchronous?", async (question) => {
  expect(question.file("plugins/both/run.ts")).toContain("async () =>");
  expect((await project.ask("/both")).body).toEqual(["synchronous", "asynchronous"]);
});

faq("How do I cache a function?", async (question) => {
  expect(question.file("plugins/prices/run.ts")).toContain("ttl: 300");
  const first = await project.ask("/prices/1");
  expect(await project.ask("/prices/1")).toEqual(first);
  expect((await project.ask("/prices/2")).body).toEqual({ id: 2, runs: first.body.runs + 1 });
});

faq("How do I invalidate the cache?", async (question) => {
  expect(question.file("plugins/profiles/run.ts")).toContain("deletePattern");
  const read = async (): Promise<number> => (await project.ask("/profiles/1")).body.read_at;
  for (const invalidate of [
    () => project.ask("/profiles/1", { method: "DELETE" }),
    () => project.ask("/profiles", { method: "DELETE" }),
    () => project.run(question.shown("xcore cache clear")),
  ]) {
    const before = await read();
    expect(await read()).toBe(before);
    await invalidate();
    expect(await read()).not.toBe(before);
  }
  await project.ask("/profiles/keys", { method: "PUT" });
  const deleted = await project.ask("/profiles/keys", { method: "DELETE" });
  expect(deleted.body).toEqual({ key: true, pattern: 2 });
});

faq("How do I make it faster?", async (question) => {
  expect(Object.keys(question.files())).toHaveLength(2);
  const count = async () => (await project.ask("/measures/count")).body.count;
  expect(await count()).toBe(0);
  for (const value of [1, 2]) await project.ask("/measures", { json: { sensor: 7, value } });
  expect(await count()).toBe(2);
  expect((await project.ask("/measures/7?per_page=1")).body).toMatchObject({ total: 2, per_page: 1 });
  using database = openDatabase();
  const plan = database.query("explain query plan select * from measures where sensor = 7").all();
  expect(JSON.stringify(plan)).toContain("measures_sensor");
  await project.folder.write({ "pool.json": question.file("config.json") });
  expect((await project.json("xcore config show --config pool.json")).database.pool_size).toBe(20);
});

faq("Where do I find help?", async (question) => {
  const help = await project.run(question.shown("xcore --help"));
  expect(help).toMatch(/doctor \[options\][^]*Usage: xcore plugin add/);
  expect((await project.ask("/docs")).status).toBe(200);
  const guide = (await project.ask("/docs/guide/faq")).body;
  expect(guide).toContain("Where do I find help?");
});

faq("Can I use xcore with a React or Vue application?", async (question) => {
  const preflight = async (origin: string) => {
    const headers = {
      origin,
      "access-control-request-method": "PUT",
      "access-control-request-headers": "x-any",
    };
    const answer = await project.server.fetch("/hello", { method: "OPTIONS", headers });
    return ["origin", "credentials", "methods", "headers"].map((name) =>
      answer.headers.get(`access-control-allow-${name}`),
    );
  };
  await project.configure(question.file("config.json"));
  const [origin, credentials, methods, headers] = await preflight("http://localhost:3000");
  expect([origin, credentials]).toEqual(["http://localhost:3000", "true"]);
  expect([methods, headers]).toEqual([expect.stringContaining("PUT"), expect.stringContaining("x-any")]);
  expect((await preflight("http://localhost:3001"))[0]).toBeNull();

  await project.run(question.shown("xcore client ts"));
  const { createClient } = await import(join(project.folder.path, "web/src/xcore.ts"));
  const client = createClient({ baseUrl: project.server.url });
  expect(await client.hello.get()).toEqual({ message: "Hello from My Plugin!" });
});

faq("How do I handle file uploads?", async (question) => {
  expect(question.file("plugins/uploads/run.ts")).toContain("storage.put");
  await project.folder.write({ "notes.txt": "To be kept\n" });
  const { id, filename } = await project.json(question.shown("curl -F"));
  expect(filename).toBe("notes.txt");
  expect((await project.ask(`/uploads/${id}`)).body).toBe("To be kept\n");
});

faq("How do I implement pagination?", async (question) => {
  expect(Object.keys(question.files())).toHaveLength(2);
  for (let number = 1; number <= 25; number += 1) {
    await project.ask("/items", { json: { name: `Item ${String(number).padStart(2, "0")}` } });
  }
  const { items, ...rest } = await project.json(question.shown("curl"));
  expect(rest).toEqual({ page: 2, per_page: 20, total: 25 });
  expect(items.map(({ name }: { name: string }) => name)[0]).toBe("Item 21");
  const { next } = (await project.ask("/items?per_page=20")).body;
  expect((await project.ask(`/items?per_page=20&after=${next}`)).body.items).toHaveLength(5);
  expect((await project.ask("/items?per_page=101")).status).toBe(422);
  expect((await project.ask("/items?side=2")).status).toBe(422);
});

faq("How do I make a command-line command?", async (question) => {
  expect(question.file("plugins/greetings/run.ts")).toContain("cli.command");
  expect(await project.run(question.shown("xcore run"))).toBe("Hello Ada!\n");
});
