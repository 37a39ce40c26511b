import { expect } from "bun:test";
import type { Page } from "playwright-core";
import { CookieJar, PASSWORD, SECURITY } from "../accounts/browser/browser.ts";
import { plugin, TestApp } from "../setup.ts";
import { makePng } from "../storage/pictures.ts";
import { CheckedPage, testInBrowser } from "./checked-page.ts";

/** What nothing that is shown may become: it ends attributes of either kind, runs as a script does, and is a template. */
const HOSTILE = `"'><img src=x onerror=pwned=1>{{7191*7919}}`;
const TEMPLATE_RAN = String(7191 * 7919);
const ASKED = encodeURIComponent(HOSTILE);
const THINGS = "/ui/records/evil/things";
const TIMEOUT_MS = 120_000; // bounds a hang
/** Each has said where it is from, so that it is known that pages show it. */
const said = new Set<string>();

function hostile(from: string): string {
  said.add(from);
  return `${HOSTILE}#${from}#`;
}

const RUN = `
import { t } from "elysia";
import { sql } from "drizzle-orm";
import { createRouter, dashboard, db, jobs, log, resource } from "xcore";
import { enumOf, file, id, json, references, table, text, varchar } from "xcore/schema";
const { ...X } = ${JSON.stringify({
  setting: hostile("setting"),
  settingText: hostile("setting-text"),
  choice: hostile("setting-choice"),
  card: hostile("card"),
  value: hostile("value"),
  note: hostile("note"),
  row: hostile("row"),
  figure: hostile("figure"),
  error: hostile("job-error"),
  payload: hostile("payload"),
  progress: hostile("progress"),
  message: hostile("log-message"),
  field: hostile("log-field"),
  label: hostile("label"),
  fieldset: hostile("fieldset"),
  state: hostile("state"),
})};
export const settings = t.Object({
  [X.setting]: t.String({ default: X.settingText, description: X.setting }),
  kind: t.UnionEnum([X.choice, "plain"], { default: "plain" }),
});
const codes = table("evil_codes", { code: varchar(100).primaryKey(), name: varchar(200) });
const boxes = table("evil_boxes", { id: id(), name: varchar(200) });
const things = table("evil_things", {
  id: id(), title: text().notNull(), note: varchar(500), data: json(), box_id: references(() => boxes.id),
  scan: file(), state: enumOf([X.state, "open"]).notNull().default("open"),
});
dashboard.card("figures", { title: X.card }, () => ({ value: X.value, note: X.note, rows: [{ label: X.row, value: X.figure }] }));
jobs.define("fail", () => { throw new Error(X.error); }, { payload: t.Object({ to: t.String() }), attempts: 1 });
jobs.define("slow", ({ progress, signal }) => {
  progress(0.5, X.progress);
  return new Promise((resolve) => signal.addEventListener("abort", resolve));
});
export default createRouter()
  .post("/fail", () => jobs.enqueue("fail", { to: X.payload }))
  .post("/slow", () => jobs.enqueue("slow", {}))
  .post("/log", () => { log.error({ [X.field]: X.field }, X.message); return ""; })
  .use(resource(codes, { admin: { label: X.label }, comments: true, attachments: true, history: true }))
  .use(resource(boxes, { search: ["name"], relations: { things: things.box_id } }))
  .use(resource(things, {
    admin: { form: [{ title: X.fieldset, fields: ["title", "note", "data", "box_id", "scan", "state"] }], show: { note: { state: X.state } } },
    search: ["title"], expand: ["box"], comments: true, attachments: true, history: true,
  }));
export const setup = async () => {
  await db.execute(sql.raw("create table evil_codes (code varchar(100) primary key, name varchar(200))"));
  await db.execute(sql.raw("create table evil_boxes (id integer primary key autoincrement, name varchar(200))"));
  await db.execute(sql.raw("create table evil_things (id integer primary key autoincrement, title text not null, note varchar(500), data text, box_id integer, scan text, state varchar(100) not null default 'open')"));
};
`;

const PLUGINS = {
  ...plugin("evil", "", {
    description: hostile("description"),
    author: hostile("author"),
    menu: [{ title: hostile("menu"), path: "/page", icon: "box" }],
    permissions: { "evil:see": hostile("permission") },
  }),
  "evil/run.ts": RUN,
  "broken/plugin.json": { name: "broken", version: "1.0.0" },
  "broken/run.ts": `// ${hostile("excerpt")}\nthrow new Error(${JSON.stringify(hostile("failure"))});\n`,
};

/** A server in which whatever somebody may type, send or say of a plugin is hostile. */
async function open() {
  const app = await TestApp.start({
    plugins: PLUGINS,
    files: { "config.json": { app: { name: hostile("app") } } },
    config: { app: { debug: true }, security: SECURITY },
  });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", ["admin"]);
  const login = { username: "ada@example.com", password: PASSWORD };
  await jar.post("/auth/login?next=/ui", login, { headers: { "user-agent": hostile("agent") } });
  const send = async (method: string, path: string, body: unknown) => {
    const answer = await jar.send(method, path, body);
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  };
  const upload = async (path: string, name: string, fields: Record<string, string> = {}) => {
    const body = new FormData();
    for (const [field, value] of Object.entries(fields)) body.append(field, value);
    body.append("file", new File([makePng(8, 8)], name, { type: "image/png" }));
    const answer = await jar.fetch(path, {
      method: "POST",
      body,
      headers: { "sec-fetch-site": "same-origin" },
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as { id: string };
  };
  await send("PUT", "/admin/users/1", { full_name: hostile("name") });
  await send("POST", "/admin/roles", { name: "clerk", description: hostile("role") });
  await send("POST", "/auth/api_keys", { name: hostile("key"), permissions: ["users:read"] });
  await jar.fetch("/auth/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email: `${HOSTILE}@example.com`, password: HOSTILE }),
  });
  await app.after("job.failed", () => app.fetch("/evil/fail", { method: "POST" }));
  await app.fetch("/evil/log", { method: "POST" });

  const code = hostile("code");
  await send("POST", "/evil/codes", { code, name: HOSTILE });
  await send("POST", `/evil/codes/${encodeURIComponent(code)}/comments`, { body: hostile("comment") });
  await upload(`/evil/codes/${encodeURIComponent(code)}/attachments`, "x.png");
  await send("POST", "/evil/boxes", { name: hostile("box") });
  // What isn't safe in a name of a file is left out of it.
  const scan = await upload("/evil/things/files", HOSTILE, { field: "scan" });
  const [title, note, data] = [hostile("title"), hostile("text"), { [hostile("json")]: HOSTILE }];
  await send("POST", "/evil/things", { title, note, data, box_id: 1, scan: scan.id });
  await send("PATCH", "/evil/things/1", { note: hostile("text-now") });
  await upload("/evil/things/1/attachments", HOSTILE);
  await send("POST", "/system/resources/evil.things/views", {
    name: hostile("view"),
    is_shared: true,
    query: { q: HOSTILE },
  });
  return { app, jar, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

/** Pages that nothing leads to with what is asked here. */
const ASKED_FOR = [
  `/ui/${ASKED}`,
  `/ui/plugins/${ASKED}`,
  `/ui/jobs/${ASKED}`,
  `/ui/jobs?name=${ASKED}&plugin=${ASKED}`,
  `/ui/users?q=${ASKED}`,
  `/ui/logs?q=${ASKED}`,
  `/ui/audit?actor=${ASKED}`,
  `/ui/records/${ASKED}/${ASKED}`,
  `${THINGS}?q=${ASKED}&_filters=1`,
  `${THINGS}?filter=${ASKED}`,
  `${THINGS}?sort=${ASKED}&_columns=${ASKED}&${ASKED}=${ASKED}`,
  `${THINGS}?title.contains=${ASKED}&box_id=${ASKED}`,
  `${THINGS}?_view=1`,
  `${THINGS}/~new?title=${ASKED}&note=${ASKED}&box_id=${ASKED}`,
  `${THINGS}/~summary?_group=state&_value=${ASKED}&title.contains=${ASKED}`,
  `${THINGS}/~choices/box_id?w-box_id=${ASKED}`,
  `${THINGS}/1/~explain?user=${ASKED}`,
  `${THINGS}/1/~cell/state`,
  `${THINGS}/${ASKED}`,
  `/evil/${ASKED}`,
  `/auth/verify?next=${ASKED}`,
  `/auth/login?next=${ASKED}`,
];
/** They end the session, or are no pages. */
const LEFT_OUT = /^\/(?:auth\/logout|docs|openapi|health)|~export|download|\/attachments\/|\/scan$|\?/;

testInBrowser(
  "whatever is typed, sent, uploaded or said of a plugin is text on every page",
  async (browser) => {
    await using opened = await open();
    const { app, jar } = opened;
    await using checked = await CheckedPage.open(browser, app, { user: jar });
    const { page } = checked;
    const shown = new Set<string>();
    const wrong: Record<string, unknown> = {};
    const look = async (path: string): Promise<string[]> => {
      const found = await page.evaluate(toShown);
      const isTemplate = found.text.includes(TEMPLATE_RAN);
      if (found.ran || found.parsed > 0 || isTemplate) wrong[path] = { ...found, links: [], isTemplate };
      for (const [, from = ""] of found.text.matchAll(/#([\w-]+)#/g)) shown.add(from);
      checked.forgive(/status of 4\d\d/);
      await checked.check("nothing").catch((error: Error) => (wrong[path] = error.message));
      return found.links;
    };

    const seen = new Set<string>();
    const waiting = ["/ui", ...ASKED_FOR];
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      if (seen.has(path)) continue;
      seen.add(path);
      await page.goto(path);
      const links = await look(path);
      const own = links
        .filter((link) => link.startsWith(`${app.url}/`))
        .map((link) => link.slice(app.url.length));
      waiting.push(...own.map((link) => link.replace(/#.*/, "")).filter((link) => !LEFT_OUT.test(link)));
    }
    for (const [name, act] of Object.entries(ACTS)) {
      await act(page, app);
      await look(name);
    }
    expect(wrong).toEqual({});
    expect([...said].filter((from) => !shown.has(from))).toEqual([]);
    expect(seen.size).toBeGreaterThan(60);
  },
  TIMEOUT_MS,
);

/** What scripts of pages show. */
const ACTS: Readonly<Record<string, (page: Page, app: TestApp) => Promise<void>>> = {
  async palette(page) {
    await page.goto("/ui");
    await page.keyboard.press("Control+k");
    await page.locator("#palette").getByRole("combobox").fill("onerror");
    await page.locator("#palette [role=option]:visible", { hasText: "#menu#" }).first().waitFor();
  },
  async "live log"(page, app) {
    await page.goto("/ui/logs");
    await page.locator("[data-tail-switch] input").check();
    await page.locator("[data-following=yes]").waitFor({ state: "attached" });
    const before = await page.locator("td", { hasText: "#log-message#" }).count();
    await app.fetch("/evil/log", { method: "POST" });
    await page.locator("td", { hasText: "#log-message#" }).nth(before).waitFor();
  },
  async "a job at work"(page, app) {
    const id = await (await app.fetch("/evil/slow", { method: "POST" })).text();
    await page.goto(`/ui/jobs/${id}`);
    await page.getByText("#progress#").waitFor();
  },
  async "a cell, changed in its list"(page) {
    await page.goto(THINGS);
    await page.locator("[data-cell] a[hx-get*='~cell/note']").click();
    const field = page.locator("[data-cell] [name=f-note], form [name=f-note]");
    await field.fill(hostile("cell"));
    await field.press("Enter");
    await page.locator("[data-cell]", { hasText: "#cell#" }).waitFor();
  },
  async "an import"(page) {
    await page.goto(`${THINGS}/~import`);
    const csv = `title,${toCsv(hostile("column"))},box_id\n${toCsv(HOSTILE)},y,${toCsv(HOSTILE)}\n`;
    await page
      .locator("input[type=file]")
      .setInputFiles({ name: `${HOSTILE}.csv`, mimeType: "text/csv", buffer: Buffer.from(csv) });
    await page.locator("form[enctype] button").first().click();
    await page.locator("th", { hasText: "#column#" }).waitFor();
    await page.getByRole("button", { name: "Try it" }).click();
    await page.locator("main", { hasText: "Expected a whole number" }).waitFor();
  },
  async "a question, and what has been done then"(page) {
    await page.goto(`${THINGS}/1`);
    await page.getByRole("button", { name: "Delete", exact: true }).last().click();
    const dialog = page.locator("#confirm");
    await dialog.getByText("#title#").waitFor();
    await dialog.locator("button[value=confirm]").click();
    await page.locator("#flash", { hasText: "#title#" }).waitFor();
  },
};

/** What a page has: what it shows, holds in its fields and leads to, and whether anything of it has become more than text. */
function toShown() {
  return {
    links: Array.from(document.querySelectorAll<HTMLAnchorElement>("a[href]"), (link) => link.href),
    text: document.documentElement.outerHTML,
    ran: "pwned" in globalThis,
    parsed: document.querySelectorAll("img[src=x], [onerror]").length,
  };
}

function toCsv(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
