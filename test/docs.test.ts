import { Database } from "bun:sqlite";
import { exists } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, setDefaultTimeout, test } from "bun:test";
import { sql } from "drizzle-orm";
import { parse } from "jsonc-parser";
import { checkTypes } from "./cli/typed-project.ts";
import { xcore, XcoreServer } from "./cli/xcore-process.ts";
import { type Files, TestApp, TestFolder } from "./setup.ts";

setDefaultTimeout(120_000);

const PROJECT = join(import.meta.dir, "..");
const FILES = ["README.md", ...new Bun.Glob("docs/*.md").scanSync(PROJECT)].toSorted();
/** What a code block of a document begins with that is a file of a project. */
const PATH = /^\/\/ (plugins\/\S+)\n/;

interface Snippet {
  readonly file: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

const snippets: Snippet[] = [];
for (const file of FILES) {
  const markdown = await Bun.file(join(PROJECT, file)).text();
  for (const { 1: language = "", 2: text = "", index } of markdown.matchAll(/^```(\w+)\n([^]*?)^```$/gm)) {
    snippets.push({ file, line: markdown.slice(0, index).split("\n").length, language, text });
  }
}

const of = (...languages: string[]): Snippet[] =>
  snippets.filter(({ language }) => languages.includes(language));

test.each(of("ts", "tsx").map((snippet) => [`${snippet.file}:${snippet.line}`, snippet] as const))(
  "%s can be read by TypeScript",
  (_, { language, text }) => {
    // Some show a value, and some what stands inside of an async function.
    const code = text.startsWith("{") ? `(${text})` : text;
    const transpiler = new Bun.Transpiler({ loader: language === "tsx" ? "tsx" : "ts" });
    expect(() => transpiler.transformSync(code)).not.toThrow();
  },
);

test.each(of("json", "jsonc").map((snippet) => [`${snippet.file}:${snippet.line}`, snippet] as const))(
  "%s can be read as JSON",
  (_, { language, text }) => {
    const lines = language === "json" && !text.startsWith("{\n") ? text.trim().split("\n") : [text];
    const whole =
      lines.every((line) => isJson(line, language)) ||
      isJson(text, language) ||
      isJson(`{${text}}`, language);
    expect(whole).toBe(true);
  },
);

function isJson(text: string, language: string): boolean {
  const errors: object[] = [];
  parse(text, errors as never, {
    allowTrailingComma: language === "jsonc",
    disallowComments: language === "json",
  });
  return errors.length === 0;
}

/** The projects that documents show: those of their code blocks that begin with a path. */
function toProject(file: string): Files {
  const files: Record<string, string | object> = {};
  for (const { text } of of("ts", "tsx").filter((snippet) => snippet.file === file)) {
    const path = PATH.exec(text)?.[1];
    if (path === undefined) continue;
    files[path] = text;
    const [, name] = /^plugins\/([^/]+)\//.exec(path) ?? [];
    if (name === undefined) continue;
    files[`plugins/${name}/plugin.json`] = { name, version: "1.0.0" };
    files[`plugins/${name}/run.ts`] ??= "export const setup = () => {};\n"; // its tables alone are shown
  }
  return files;
}

// Those of docs/faq.md are run by test/faq.
const shown = FILES.filter((file) => !file.includes("/faq."))
  .map((file) => [file, toProject(file)] as const)
  .filter(([, files]) => Object.keys(files).length > 0);

/** A project of a document, with the migrations of its tables. */
async function createProject(files: Files): Promise<TestFolder> {
  const folder = await TestFolder.create(files);
  for (const path of Object.keys(files)) {
    const [, name] = /^plugins\/([^/]+)\/schema\.ts$/.exec(path) ?? [];
    if (name === undefined) continue;
    // oxlint-disable-next-line no-await-in-loop -- one or two
    const { code, stderr } = await xcore(folder, ["db", "generate", name]);
    expect([code, stderr]).toEqual([0, ""]);
  }
  return folder;
}

/** The plugins of a project, with their migrations. */
async function readPlugins({ path }: TestFolder): Promise<Files> {
  const names = [...new Bun.Glob("**/*").scanSync(join(path, "plugins"))];
  const files = await Promise.all(
    names.map(async (name) => [name, await Bun.file(join(path, "plugins", name)).text()] as const),
  );
  return Object.fromEntries(files);
}

test.each(shown)(
  "the plugins of %s are loaded, and TypeScript finds nothing wrong with them",
  async (_, files) => {
    await using folder = await createProject(files);
    const { code, stdout, stderr } = await xcore(folder, ["plugin", "list", "--json"]);
    expect([code, stderr]).toEqual([0, ""]);
    const states = JSON.parse(stdout).map((plugin: { failure: object | null }) => plugin.failure);
    expect(states).toEqual(states.map(() => null));
    expect((await xcore(folder, ["types"])).code).toBe(0);
    expect(await checkTypes(folder)).toEqual(new Map());
  },
);

test("the plugin of docs/jobs.md does what is said of it", async () => {
  await using folder = await createProject(toProject("docs/jobs.md"));
  await using app = await TestApp.start({ plugins: await readPlugins(folder) });

  const charged = await app.after("job.completed", () => app.fetch("/billing", post({ total: "12.50" })));
  expect(charged.data).toMatchObject({ plugin: "billing", name: "charge", attempt: 1 });
  const { body } = await app.getAsAdmin(`/system/jobs/${charged.data.id}`);
  // Those of one millisecond are listed by their names.
  const steps = body.steps.map(({ name }: { name: string }) => name).toSorted();
  expect(steps).toEqual(["book", "charge"]);
  expect(await app.app.store.db.execute(sql`select invoice_id, receipt from billing_payments`)).toEqual([
    { invoice_id: 1, receipt: 1000 },
  ]);
  const reported = await app.after("billing.reported", () =>
    app.fetch("/billing/reminders", post(["a", "b"])),
  );
  expect(reported.data).toEqual({ total: 2, failed: 0 });
});

test("the plugin of docs/personal-data.md does what is said of it", async () => {
  await using folder = await createProject(toProject("docs/personal-data.md"));
  await using app = await TestApp.start({ plugins: await readPlugins(folder) });
  const { accounts, store } = app.app;
  const { db, tables } = store;
  await app.admin();
  const ada = await app.createUser("ada@example.com");
  await db.execute(
    sql`insert into billing_invoices (user_id, total, paid) values (${ada.id}, '12.50', false)`,
  );
  await db.execute(sql`insert into billing_notes (user_id, text) values (${ada.id}, 'Pays late')`);
  const send = async (path: string, body: object) => {
    const init = post(body);
    const answer = await app.fetch(path, {
      ...init,
      headers: { "content-type": "application/json", ...ada.headers },
    });
    return { status: answer.status, body: await answer.json() };
  };
  expect((await send("/auth/export", {})).body.plugins).toEqual({
    billing: {
      invoices: [{ id: 1, user_id: ada.id, total: "12.50", paid: false }],
      notes: [{ id: 1, user_id: ada.id, text: "Pays late" }],
    },
  });
  const refused = await send("/auth/deletion", { email: "ada@example.com" });
  expect([refused.status, refused.body.detail]).toEqual([
    409,
    "Cannot delete your account: An invoice isn't paid yet",
  ]);
  await db.execute(sql`update billing_invoices set paid = true`);
  expect((await send("/auth/deletion", { email: "ada@example.com" })).status).toBe(202);
  expect(await db.$count(sql`billing_notes`)).toBe(1);
  await db
    .update(tables.users)
    .set({ deletion_at: new Date(1000) })
    .where(sql`id = ${ada.id}`);
  const deleted = await (await accounts.deletions()).deleteDue(new AbortController().signal);
  expect([deleted, await db.$count(sql`billing_notes`), await db.$count(sql`billing_invoices`)]).toEqual([
    1, 0, 1,
  ]);
});

test("the plugins of docs/cache.md do what is said of them", async () => {
  await using folder = await createProject(toProject("docs/cache.md"));
  await using app = await TestApp.start({ plugins: await readPlugins(folder) });
  const send = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    const response = await app.fetch(path, body === undefined ? { method } : { ...post(body), method });
    expect([path, response.status]).toEqual([path, 200]);
    return (await response.json()) as Record<string, unknown>;
  };

  const { id } = await send("POST", "/shop/customers", { name: "Ada" });
  const count = async (): Promise<unknown> =>
    (await send("GET", `/shop/customers/${Number(id)}/orders`))["count"];
  expect(await count()).toBe(0);
  await send("POST", "/shop/orders", { customer_id: id, total: "3.10" });
  expect(await count()).toBe(1);
  await send("DELETE", `/shop/customers/${Number(id)}`);
  expect(await count()).toBe(0);

  expect(await send("GET", "/rates/EUR")).toEqual({ currency: "EUR", rate: 1.1 });
  await send("PUT", "/rates/source", { rate: 1.2, isDown: false });
  while ((await send("GET", "/rates/EUR"))["rate"] !== 1.2) await Bun.sleep(5);
  await send("PUT", "/rates/source", { rate: 0, isDown: true });
  await Bun.sleep(60); // past its time
  expect(await send("GET", "/rates/EUR")).toEqual({ currency: "EUR", rate: 1.2 });
  await send("POST", "/rates/refresh");
  expect((await app.fetch("/rates/EUR")).status).toBe(500);

  expect([await send("POST", "/visits/home"), await send("POST", "/visits/home")]).toEqual([
    { visits: 1 },
    { visits: 2 },
  ]);
  expect(await send("GET", "/visits/home/note")).toEqual({ isThere: false, isNew: false });
  expect(await send("PUT", "/visits/home/note")).toEqual({ ttl: 600 });
  expect(await send("GET", "/visits/home/note")).toEqual({ isThere: true, isNew: true });
  expect(await send("DELETE", "/visits/home/note")).toEqual({ deleted: true });
  await send("PUT", "/visits/home/note");
  expect(await send("DELETE", "/visits/notes")).toEqual({ deleted: 1 });
  const summary = await send("GET", "/visits/home/summary");
  expect(await send("GET", "/visits/home/summary")).toEqual(summary);
  await send("DELETE", "/visits");
  expect(await send("GET", "/visits/home/summary")).not.toEqual(summary);
  expect(await send("POST", "/visits/home")).toEqual({ visits: 1 });
  expect(await send("POST", "/visits/report")).toEqual({ made: true });
});

test("the plugins of docs/routes.md do what is said of them", async () => {
  const files = Object.entries(toProject("docs/routes.md")).map(([path, content]) => [
    path.slice("plugins/".length),
    content,
  ]);
  await using app = await TestApp.start({ plugins: Object.fromEntries(files) });

  const made = await app.fetch("/orders", post({ total: "3.10" }));
  expect([made.status, await made.json()]).toEqual([201, { id: 2, total: "3.10" }]);
  expect(await (await app.fetch("/orders/1")).json()).toEqual({ id: 1, total: "12.50" });
  expect((await app.fetch("/orders/1", { method: "DELETE" })).status).toBe(204);
  expect((await app.fetch("/orders/1")).status).toBe(404);
  const { paths } = (await app.get("/openapi.json")).body;
  expect(Object.keys(paths["/orders/"].post.responses)).toEqual(["201", "default"]);
  expect(paths["/orders/{id}"].delete.responses["204"]).toEqual({ description: "Done" });
  expect(paths["/orders/{id}"].get.responses["200"].content["application/json"].schema.properties).toEqual({
    id: { type: "integer" },
    total: { type: "string", description: "With two digits behind the point" },
  });
  expect(Object.keys(paths["/photos/"].post.requestBody.content)).toEqual(["multipart/form-data"]);
  expect(paths["/visits/"].get.responses["200"]).toEqual({ description: "Done" }); // nothing is said of it

  const png = Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "base64",
  );
  const uploaded = await app.fetch("/photos", form(png, "image/png"));
  expect(await uploaded.json()).toEqual({
    title: "Sea",
    size: png.length,
    sha256: Bun.SHA256.hash(png, "hex"),
  });
  const text = await app.fetch("/photos", form("no picture", "image/png"));
  expect([text.status, (await text.json()).errors[0].code]).toEqual([422, "file_type"]);
  const many = new FormData();
  for (const name of ["a", "b"]) many.append("photos", new File([name], name));
  expect(await (await app.fetch("/photos/many", { method: "POST", body: many })).json()).toEqual([
    { name: "a", size: 1 },
    { name: "b", size: 1 },
  ]);

  const first = await app.fetch("/visits");
  expect(await first.json()).toEqual({ count: 1 });
  const cookie = first.headers.get("set-cookie") ?? "";
  expect(cookie).toMatch(/^visits=1; .*Path=\/visits; .*HttpOnly/);
  const again = await app.fetch("/visits", { headers: { cookie: cookie.split(";")[0] ?? "" } });
  expect(await again.json()).toEqual({ count: 2 });

  const events = await app.fetch("/ticker");
  expect(events.headers.get("content-type")).toStartWith("text/event-stream");
  expect(await events.text()).toContain('id: 3\nevent: tick\ndata: {"count":3}\n\n');

  const messages = [1, 2, 3, 4, 5, 6].map(() => app.fetch("/contact", post({ text: "Hello" })));
  const answers = (await Promise.all(messages)).map(({ status }) => String(status));
  expect(answers.toSorted()).toEqual(["202", "202", "202", "202", "202", "429"]);

  const [one, two] = [await connect(app), await connect(app)];
  one.socket.send(JSON.stringify({ text: "hello" }));
  expect([await one.next(), await two.next()]).toEqual([{ sent: true }, { text: "hello" }]);
  for (const { socket } of [one, two]) socket.close();
});

test("the tasks of docs/jobs.md do what is said of them", async () => {
  await using folder = await createProject(toProject("docs/jobs.md"));
  await using server = await XcoreServer.start(folder);
  const [draft] = await (await server.fetch("/journal", { method: "POST" })).json();
  expect(draft).toMatchObject({ id: 1 });
  const database = new Database(join(folder.path, "data/app.db"));
  database.run("pragma busy_timeout = 5000");
  database.run("update journal_drafts set created_at = 0");
  database.close();
  const { code, stdout } = await xcore(folder, ["tasks", "run", "journal:cleanup"]);
  expect([code, stdout]).toEqual([0, "journal:cleanup has run\n"]);
  expect(await (await server.fetch("/journal")).json()).toEqual([]);
});

function form(photo: BlobPart, type: string): RequestInit {
  const body = new FormData();
  body.append("title", "Sea");
  body.append("photo", new File([photo], "sea.png", { type }));
  return { method: "POST", body };
}

function post(body: object): RequestInit {
  return { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}

async function connect(app: TestApp): Promise<{ socket: WebSocket; next: () => Promise<unknown> }> {
  const socket = new WebSocket(`${app.url.replace("http", "ws")}/chat/kitchen`);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  socket.addEventListener("message", ({ data }) => resolve(JSON.parse(String(data))), { once: true });
  await new Promise((opened) => socket.addEventListener("open", opened, { once: true }));
  return { socket, next: () => promise };
}

test("every code of an error, and of a part of the request, is in docs/errors.md", async () => {
  const documents = await Bun.file(join(PROJECT, "docs/errors.md")).text();
  const codes = new Set<string>();
  for (const file of new Bun.Glob("src/**/*.ts").scanSync(PROJECT)) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const text = await Bun.file(join(PROJECT, file)).text();
    for (const [, code = ""] of text.matchAll(/\bcode: "([a-z_]+)"/g)) codes.add(code);
  }
  expect([...codes].filter((code) => !documents.includes(`\`${code}\``))).toEqual([]);
});

test("columns of docs/database.md follow what they refer to, and what is updated", async () => {
  const files = toProject("docs/database.md");
  await using folder = await createProject(files);
  await folder.write({
    "plugins/shop/run.ts": `import { eq } from "drizzle-orm";
import { cli, db } from "xcore";
import { lines, orders } from "./schema.ts";
cli.command("try", "Try", async () => {
  const past = new Date(0);
  const [order] = await db.insert(orders).values({ updated_at: past }).returning();
  await db.insert(lines).values({ order_id: order!.id, article: "x" });
  const [changed] = await db.update(orders).set({ seller_id: null }).where(eq(orders.id, order!.id)).returning();
  await db.delete(orders);
  console.log(JSON.stringify({ isUpdated: changed!.updated_at > past, lines: await db.$count(lines) }));
});
`,
  });
  const { stdout } = await xcore(folder, ["run", "shop", "try"]);
  expect(JSON.parse(stdout)).toEqual({ isUpdated: true, lines: 0 });
});

test("every operation of /auth, /admin and /system is in the documents, with its method", async () => {
  await using app = await TestApp.start();
  const { paths } = (await app.get("/openapi.json")).body as { paths: Record<string, object> };
  const documents = (await Promise.all(FILES.map((file) => Bun.file(join(PROJECT, file)).text()))).join("\n");
  const missing = Object.entries(paths)
    .filter(([path]) => /^\/(auth|admin|system)\//.test(path))
    .flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path.replace(/\/$/, "")}`),
    )
    .filter((operation) => !documents.includes(`\`${operation}\``));
  expect(missing).toEqual([]);
});

test("every link of the documents to another part of them leads somewhere", async () => {
  const broken: string[] = [];
  for (const file of FILES) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const text = withoutCode(await Bun.file(join(PROJECT, file)).text());
    for (const [, link = ""] of text.matchAll(/\]\((?!\w+:|\/)([^)\s]+)\)/g)) {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? join(PROJECT, file) : join(PROJECT, dirname(file), path);
      // oxlint-disable-next-line no-await-in-loop
      const isThere = await exists(target);
      // oxlint-disable-next-line no-await-in-loop
      if (!isThere || (anchor !== undefined && !(await readAnchors(target)).has(anchor)))
        broken.push(`${file}: ${link}`);
    }
  }
  expect(broken).toEqual([]);
});

/** What a heading of a document is linked by, as GitHub makes it. */
async function readAnchors(file: string): Promise<Set<string>> {
  const headings = withoutCode(await Bun.file(file).text()).matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...headings].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^```[^]*?^```$/gm, "");
}
