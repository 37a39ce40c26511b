import { expect, test } from "bun:test";
import { createUiApp, type UiAppOptions } from "../../src/ui/ui.ts";
import { plugin } from "../setup.ts";
import { CheckedPage, testInBrowser } from "./checked-page.ts";
import { DEALS, Office } from "./records/office.ts";

const THINGS = "/ui/records/evil/things";
const FORM = "application/x-www-form-urlencoded";
const TIMEOUT_MS = 240_000; // bounds a hang

const RUN = `
import { sql } from "drizzle-orm";
import { createRouter, db, hooks, resource } from "xcore";
import { enumOf, file, id, json, references, table, text, timestamp } from "xcore/schema";
const things = table("evil_things", {
  id: id(), title: text().notNull(), data: json(), scan: file(), parent_id: references(() => things.id),
  state: enumOf(["open", "shut"]).notNull().default("open"), deleted_at: timestamp(),
});
const elsewhere = () => ({ id: "..", title: "elsewhere", columns: [] });
export default createRouter()
  .get("/", elsewhere)
  .post("/restore", async () => { await hooks.emit("evil.elsewhere", {}); return {}; })
  .use(resource(things, {
    search: ["title"], expand: ["parent"], comments: true, attachments: true, history: true, softDelete: true,
    workflow: { field: "state", transitions: { shut: { from: "open", to: "shut" } } },
  }));
export const setup = () => db.execute(sql.raw("create table evil_things (id integer primary key autoincrement, title text not null, data text, scan text, parent_id integer, state varchar(20) not null default 'open', deleted_at text)"));
`;

async function open(): Promise<Office> {
  const office = await Office.open({ files: { ...plugin("evil", ""), "evil/run.ts": RUN } });
  await office.send("POST", "/evil/things", { title: "First" });
  await office.send("POST", "/evil/things/1/comments", { body: "Said" });
  await office.send("POST", "/system/resources/evil.things/views", { name: "All", query: {} });
  return office;
}

/** Paths of a method, with what stands for their parameters. */
async function pathsOf({ app }: Office, method: string, given: Readonly<Record<string, string>> = {}) {
  const options = { guards: app.app.accounts.guards, flashKey: new Uint8Array(32) } as UiAppOptions;
  const values: Record<string, string> = {
    plugin: "evil",
    resource: "things",
    column: "title",
    format: "csv",
    name: "evil",
    ...given,
  };
  const routes = (await createUiApp(options)).routes().filter((route) => route.startsWith(`${method} `));
  return routes.map((route) => {
    const pattern = route.slice(method.length + 1);
    const fill = (parameters: Readonly<Record<string, string>>) =>
      pattern.replaceAll(/:(\w+)/g, (_, name: string) => parameters[name] ?? "1").replace(/(?<=.)\/$/, "");
    const names = Array.from(pattern.matchAll(/:(\w+)/g), ([, name = ""]) => name);
    return {
      names,
      path: fill(values),
      with: (name: string, value: string) => fill({ ...values, [name]: value }),
    };
  });
}

test(
  "no address of a page is answered with 500, whatever stands in it",
  async () => {
    await using office = await open();
    const parts = [
      "%00",
      "%zz",
      "%ed%a0%80",
      "__proto__",
      "constructor",
      "..%2f..%2fadmin%2fusers",
      "9".repeat(30),
      "%0d%0ax:y",
    ];
    const queries = [
      "q=ab&q=cd&page=1&page=2",
      "page=-1&per_page=1e9&after=%00",
      "page[]=1&%00=%00&=&&",
      "q=%ff%zz%&filter=((((%00",
      "__proto__=1&_columns=__proto__,constructor&_group=__proto__&_view=__proto__",
      "constructor=1&title.constructor=1&title.toString=1",
      "sort=..,-,%00&deleted=only&deleted=with",
      "nothing=1&title.contains=%00&id=a&id=b&_filters=1",
      "f-parent_id=..&w-parent_id=%00&user=%00&next=%0d%0a",
    ];
    const wrong: string[] = [];
    const look = async (path: string): Promise<void> => {
      const answer = await office.jar.get(path);
      if (answer.status >= 500) wrong.push(`${answer.status} ${path}`);
      await answer.body?.cancel();
    };
    for (const route of await pathsOf(office, "GET", { column: "parent_id" })) {
      const others = route.names.flatMap((name) => parts.map((part) => route.with(name, part)));
      const all = [...others, ...queries.map((query) => `${route.path}?${query}`)];
      // oxlint-disable-next-line no-await-in-loop -- those of one route at the same time are enough
      await Promise.all(all.map(look));
    }
    expect(wrong).toEqual([]);
  },
  TIMEOUT_MS,
);

/** What forms of ours send, and what others might. */
const FIELDS = [
  "f-title f-data f-scan f-parent_id u-scan r-scan n-scan w-parent_id c-title original version once outer make back search",
  "_dialog _set id act step title to body kept name type m-0 key state next language theme pattern confirmed email roles",
  "description permissions code url",
].flatMap((names) => names.split(" "));
const each = (value: string): string => new URLSearchParams(FIELDS.map((name) => [name, value])).toString();
const BODIES: readonly (readonly [string, string])[] = [
  ...["\0", "\r\n", "..", "__proto__", "\u{1f642}", '{"toString":1}', "[".repeat(3000), "9".repeat(40)].map(
    (value) => [each(value), FORM] as const,
  ),
  [`${each("a")}&${each("b")}`, FORM],
  ["a=%zz&%ff=%&__proto__[x]=1&__proto__=1&id[]=1&f-title[a]=1&=&&", FORM],
  ["", FORM],
  ["--x\r\ncontent-disposition: form-data", "multipart/form-data; boundary=x"],
  ["<form/>", "text/xml"],
];

test(
  "no form is answered with 500, whatever is sent with it",
  async () => {
    await using office = await open();
    const wrong: string[] = [];
    const send = async (path: string, body: string | FormData, type: string | null): Promise<void> => {
      const headers = type === null ? {} : { "content-type": type };
      const answer = await office.jar.get(path, { method: "POST", body, headers });
      if (answer.status >= 500)
        wrong.push(`${answer.status} ${path} ${typeof body === "string" ? body.slice(0, 60) : "files"}`);
      await answer.body?.cancel();
    };
    const files = new FormData();
    for (const name of FIELDS) files.append(name, new File(["\0"], '../../"x\r\n.csv', { type: "text/csv" }));
    const routes = await pathsOf(office, "POST");
    for (const { path } of routes.filter(
      (one) => !/\/(?:end|sign-out|enable|disable|reload)$/.test(one.path),
    )) {
      const all = [...BODIES.map(([body, type]) => send(path, body, type)), send(path, files, null)];
      // oxlint-disable-next-line no-await-in-loop -- those of one route at the same time are enough
      await Promise.all(all);
    }
    expect(wrong).toEqual([]);
  },
  TIMEOUT_MS,
);

test("pages take forms, and no JSON, whose values could be more than texts", async () => {
  await using office = await open();
  for (const type of ["application/json", "application/problem+json; charset=utf-8"]) {
    const init = { method: "POST", body: '{"title":{"toString":1}}', headers: { "content-type": type } };
    expect((await office.jar.get(`${THINGS}/1/~delete`, init)).status).toBe(415);
  }
});

/** What a form that waits for another one has kept in it. */
function outer(resource: string, id: string | null): string {
  return JSON.stringify({ resource, id, column: "parent_id", sent: {} });
}

test("no key, step or name that a form has sent leads to another path of the API", async () => {
  await using office = await open();
  const { app, jar } = office;
  const answers = await Promise.all([
    jar.post(`${THINGS}/~chosen`, [
      ["id", ".."],
      ["act", "restore"],
    ]),
    jar.post(`${THINGS}/1/~step`, { step: ".." }),
    jar.post(`${THINGS}/~new`, { back: "1", outer: outer("evil.things", "..") }),
    jar.post(`${THINGS}/~new`, { back: "1", outer: outer(".", null) }),
    jar.post(`${THINGS}/~new`, { back: "1", outer: outer("evil.things", "\ud800") }),
    jar.get(`${THINGS}/~choices/parent_id?f-parent_id=..`),
  ]);
  const texts = await Promise.all(answers.map((answer) => answer.text()));
  expect(answers.filter(({ status }) => status >= 500)).toEqual([]);
  expect(texts.filter((text) => text.includes("elsewhere"))).toEqual([]);
  expect(app.events.filter(({ name }) => name === "evil.elsewhere")).toEqual([]);
});

test("a form leads back to its own list alone", async () => {
  await using office = await open();
  const backTo = async (back: string) =>
    (await office.jar.post(`${THINGS}/~chosen`, { act: "nothing", id: "1", back })).headers.get("location");
  expect(await backTo(`${THINGS}?sort=title`)).toEndWith("/evil/things?sort=title");
  const elsewhere = [
    "//evil.example",
    `${THINGS}?\r\nset-cookie: a=1`,
    `${THINGS}?\u{1f642}`,
    `${THINGS}/../../plugins`,
  ];
  for (const back of elsewhere) expect(await backTo(back)).toEndWith("/ui/records/evil/things");
});

test("a message of what has been done fits into a cookie, however long what it names is", async () => {
  await using office = await open();
  const answer = await office.jar.post(`${THINGS}/~new`, { "f-title": "\u{65e5}".repeat(5000) });
  expect(answer.status).toBe(303);
  const [cookie = ""] = answer.headers.getSetCookie();
  expect(cookie.length).toBeLessThan(4096);
  const html = await office.page(`${THINGS}/2`);
  expect(html).toMatch(/\u{65e5}{100,}\.\.\. is made\./u);
});

test("rows with titles as long as one likes keep no page of the others from being shown", async () => {
  await using office = await open();
  const title = "x".repeat(300_000);
  const create = Array.from({ length: 30 }, (_, at) => ({ title: `${at} ${title}`, parent_id: 1 }));
  await office.send("POST", "/evil/things/batch", { create });
  for (const path of [
    "",
    "?_filters=1",
    "/1",
    "/~new",
    "/~summary?_group=parent.title",
    "/~choices/parent_id",
  ]) {
    // oxlint-disable-next-line no-await-in-loop
    expect((await office.page(THINGS + path)).length).toBeLessThan(500_000);
  }
});

test("the page of a row with a text of megabytes has it cut, and beside its form", async () => {
  await using office = await open();
  await office.send("POST", "/evil/things", { title: '"'.repeat(1_100_000), data: { a: 1 } });
  const html = await office.page(`${THINGS}/2`);
  expect(html.length).toBeLessThan(500_000);
  expect(html).toContain(`${"&quot;".repeat(160)}...</dd>`);
  expect(html).not.toContain('name="f-title"');
  // What the form hasn't shown stays as it is.
  const [, version = ""] = /name="version" value="([^"]*)"/.exec(html) ?? [];
  const [, original = ""] = /name="original" value="([^"]*)"/.exec(html) ?? [];
  const sent = {
    "f-data": '{"a":2}',
    version: version.replaceAll("&quot;", '"'),
    original: original.replaceAll("&quot;", '"'),
  };
  expect((await office.jar.post(`${THINGS}/2`, sent)).status).toBe(303);
  const { data, title } = await office.send("GET", "/evil/things/2");
  expect([data, title.length]).toEqual([{ a: 2 }, 1_100_000]);
});

test("a list that is narrowed down by as much as an address has room for is shown", async () => {
  await using office = await open();
  const asked = Array.from({ length: 1200 }, (_, at) => `title=${at}`).join("&");
  const html = await office.page(`${THINGS}?${asked}`);
  expect(html.match(/aria-label="Remove Title = \d+"/g)).toHaveLength(50);
});

test("a form that is sent twice makes one row, and says one thing", async () => {
  await using office = await open();
  const { jar } = office;
  const onceOf = async (path: string): Promise<string> => {
    const [, once = ""] = /name="once" value="([^"]+)"/.exec(await office.page(path)) ?? [];
    return once;
  };
  const once = await onceOf(`${THINGS}/~new`);
  const send = (fields: Record<string, string>) => jar.post(`${THINGS}/~new`, { once, ...fields });
  const both = await Promise.all([send({ "f-title": "Once" }), send({ "f-title": "Once" })]);
  // The other one may come while the first is under way: then its form is shown again, with the same key.
  const again = both.find(({ status }) => status !== 303);
  if (again !== undefined) expect(await again.text()).toContain(`name="once" value="${once}"`);
  const later = await send({ "f-title": "Once" });
  const places = [...both, later].flatMap((answer) => answer.headers.get("location") ?? []);
  expect(new Set(places).size).toBe(1);
  // Who goes back and types something else means another row.
  expect((await send({ "f-title": "Twice" })).headers.get("location")).toEndWith("/things/3");
  expect((await office.send("GET", "/evil/things")).total).toBe(3);

  const comment = { once: await onceOf(`${THINGS}/1`), body: "Said once" };
  await jar.post(`${THINGS}/1/~comment`, comment);
  await jar.post(`${THINGS}/1/~comment`, comment);
  expect((await office.send("GET", "/evil/things/1/comments")).total).toBe(2);
});

testInBrowser(
  "what a script asks for in vain is said in the place of the page, and not of a cell",
  async (browser) => {
    await using office = await Office.open();
    await office.fill(2);
    await using checked = await CheckedPage.open(browser, office.app, { user: office.jar, path: DEALS });
    const { page } = checked;
    for (const id of [1, 2]) await office.send("DELETE", `/crm/deals/${id}`);
    await page.locator("[data-cell] a[hx-get*='~cell/']").first().click();
    await page.getByRole("heading", { level: 1, name: "There is nothing here" }).waitFor();
    expect(await page.locator("table, main main").count()).toBe(0);
    checked.forgive(/status of 404/);
    await checked.check();
  },
);
