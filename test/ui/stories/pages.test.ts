import { expect } from "bun:test";
import type { Page } from "playwright-core";
import { invite } from "../../../src/accounts/invitations/invitations.ts";
import type { LinkPurpose } from "../../../src/db/schema/core-tables.ts";
import { createUiApp, type UiAppOptions } from "../../../src/ui/ui.ts";
import french from "../../../templates/languages/fr.json";
import { CookieJar, PASSWORD, SECURITY } from "../../accounts/browser/browser.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { COMPANIES, DEALS, Office } from "../records/office.ts";
import { type SentForm, toForms } from "./forms.ts";
import { toShownControls, toTextsOf, toTrouble } from "./layout.ts";

const DESK = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const TIMEOUT_MS = 240_000; // bounds a hang
/** Texts that have another one in French, and that no table or column of a plugin has by chance. */
const ENGLISH = Object.entries(french).flatMap(([text, translated]) =>
  text.length > 9 && text !== translated ? [text] : [],
);
const PLUGINS = {
  ...plugin("mail", '.get("/", () => "")', { menu: [{ title: "Letters", path: "/letters", icon: "mail" }] }),
  "mail/run.ts": `import { t } from "elysia";
import { createRouter, jobs, templates } from "xcore";
export const settings = t.Object({
  server: t.String({ default: "mail.example", description: "Where letters are taken to" }),
  port: t.Integer({ default: 25, minimum: 1 }),
  is_safe: t.Boolean({ default: true }),
  kind: t.UnionEnum(["plain", "html"], { default: "plain" }),
  copies: t.Array(t.String(), { default: [] }),
});
jobs.define("send", () => { throw new Error("Cannot send: no server"); }, { attempts: 1 });
jobs.cron("cleanup", "0 3 * * *", () => {});
export default createRouter()
  .get("/letters", () => templates.render("letters.html"), { auth: true })
  .post("/send", () => jobs.enqueue("send", {}));`,
  "mail/templates/letters.html": `{% extends "xcore/ui/shell.html" %}{% block title %}Letters{% endblock %}{% block page %}<p>There is no letter.</p>{% endblock %}`,
  "broken/plugin.json": { name: "broken", version: "1.0.0" },
  "broken/run.ts": `import { createRouter } from "xcore";\nthrow new Error("There is no ledger");\nexport default createRouter();\n`,
};

/** A server where there is something to see on each page. */
async function open() {
  // A notice would be in English, as a mail stays that was sent before its reader has chosen French.
  const config = { security: { ...SECURITY, notices: false } };
  const office = await Office.open({ files: PLUGINS, config });
  const { app } = office;
  await office.fill(3);
  await office.send("POST", "/crm/contacts", { name: "Grace", company_id: 1 });
  await office.send("PATCH", "/crm/deals/1", { title: "Changed" });
  const role = await office.send("POST", "/admin/roles", { name: "clerk" });
  const bob = new CookieJar(app);
  const bobId = await bob.register("bob@example.com", ["clerk"]);
  await bob.signIn("bob@example.com");
  await office.send("POST", "/auth/api_keys", { name: "till", permissions: ["users:read"] });
  const { data: job } = await app.after("job.failed", () => app.fetch("/mail/send", { method: "POST" }));
  const { items: jobs } = await office.send("GET", "/system/jobs");
  expect(job).toBeDefined();
  const mail = await app.app.mail.send({
    to: "ada@example.com",
    template: "message",
    data: { title: "Your order", paragraphs: ["It is on its way."], action: null },
  });
  const examples: Readonly<Record<string, readonly string[]>> = {
    "/ui/plugins/:name": ["/ui/plugins/crm", "/ui/plugins/broken"],
    "/ui/plugins/:name/settings": ["/ui/plugins/mail/settings"],
    "/ui/users/:id": [`/ui/users/${bobId}`],
    "/ui/roles/:id": [`/ui/roles/${role.id}`],
    "/ui/mails/:id": [`/ui/mails/${mail}`],
    "/ui/jobs/:id": [`/ui/jobs/${jobs[0].id}`],
    "/ui/records/:plugin/:resource": [
      DEALS,
      `${DEALS}?_filters=1&q=nothing`,
      `${DEALS}?_mode=endless&per_page=10`,
      COMPANIES,
    ],
    "/ui/records/:plugin/:resource/~summary": [`${DEALS}/~summary?_group=company.name&_panel=stage|amount`],
    "/ui/records/:plugin/:resource/~views": [`${DEALS}/~views`],
    "/ui/records/:plugin/:resource/~new": [`${DEALS}/~new`],
    "/ui/records/:plugin/:resource/~import": [`${DEALS}/~import`],
    "/ui/records/:plugin/:resource/:id": [`${DEALS}/1`, `${COMPANIES}/1`],
    "/ui/records/:plugin/:resource/:id/~history": [`${DEALS}/1/~history`],
    "/ui/records/:plugin/:resource/:id/~activity": [`${DEALS}/1/~activity`],
    "/ui/records/:plugin/:resource/:id/~explain": [`${DEALS}/1/~explain?user=bob@example.com`],
    "/ui/records/:plugin/:resource/:id/~cell/:column": [`${DEALS}/1/~cell/amount`],
    // It takes a file of megabytes: test/ui/records/import.test.ts looks at it.
    "/ui/records/:plugin/:resource/~import/:id": [],
    // No pages: what is downloaded, and what scripts ask for.
    "/ui/records/:plugin/:resource/~export/:format": [],
    "/ui/records/:plugin/:resource/~choices/:column": [],
    "/ui/backups/:name/download": [],
    "/ui/find": [],
    "/static/xcore/:hash/:file": [],
  };
  return { office, examples, [Symbol.asyncDispose]: () => office[Symbol.asyncDispose]() };
}

/** Every page of the administration: those of its routes, with what stands for ":id", and those that its menu leads to. */
async function listPages({ office, examples }: Awaited<ReturnType<typeof open>>): Promise<string[]> {
  const built = await createUiApp({
    guards: office.app.app.accounts.guards,
    flashKey: new Uint8Array(32),
  } as UiAppOptions);
  const patterns = built
    .routes()
    .filter((route) => route.startsWith("GET "))
    .map((route) => route.slice("GET ".length).replace(/(?<=.)\/$/, ""));
  const unknown = patterns.filter((path) => path.includes(":") && examples[path] === undefined);
  expect({ "pages that have no example here": unknown }).toEqual({ "pages that have no example here": [] });
  const of = patterns.flatMap((path) => examples[path] ?? [path]);
  const html = await office.page("/ui");
  const menu = Array.from(html.matchAll(/<li><a href="(\/[^"]*)"/g), ([, path = ""]) => path);
  const others = ["/", "/ui/components", "/ui/nowhere", "/auth/verify"];
  return [...new Set([...of, ...menu, ...others])].filter((path) => !/^\/(?:docs|auth\/logout)/.test(path));
}

testInBrowser(
  "every page lets everybody in: in light and dark, in French, and as wide as a phone",
  async (browser) => {
    await using opened = await open();
    const { office } = opened;
    const paths = await listPages(opened);
    const user = office.jar;
    await using english = await CheckedPage.open(browser, office.app, { user, viewport: DESK });
    await using inFrench = await CheckedPage.open(browser, office.app, {
      user,
      viewport: DESK,
      locale: "fr-FR",
    });
    const wrong: Record<string, unknown> = {};
    const note = (path: string, found: unknown) => (wrong[path] = [wrong[path] ?? [], found].flat());
    const lookInLightAndDark = async () => {
      for (const path of paths) {
        await english.page.goto(path);
        english.forgive(/status of 404/);
        await english.check().catch((error: Error) => note(path, `light: ${error.message}`));
        await english.page.evaluate(() => (document.documentElement.dataset["theme"] = "dark"));
        await english.check("contrast").catch((error: Error) => note(path, `dark: ${error.message}`));
      }
    };
    const lookAtPhones = async () => {
      for (const path of paths) {
        const { page } = inFrench;
        await page.setViewportSize(DESK);
        await page.goto(path);
        inFrench.forgive(/status of 404/);
        const all = await page.evaluate(toShownControls);
        const untranslated = await page.evaluate(toTextsOf, ENGLISH);
        await page.setViewportSize(PHONE);
        const left = new Set(await page.evaluate(toShownControls));
        const lost = all.filter((control) => !left.has(control));
        const trouble = await page.evaluate(toTrouble);
        if (lost.length + trouble.length + untranslated.length > 0)
          note(path, { lost, trouble, untranslated });
        await inFrench.check("structure").catch((error: Error) => note(path, `phone: ${error.message}`));
      }
    };
    await Promise.all([lookInLightAndDark(), lookAtPhones()]);
    expect(wrong).toEqual({});
  },
  TIMEOUT_MS,
);

testInBrowser(
  "every page is read and every form is sent without JavaScript",
  async (browser) => {
    await using opened = await open();
    const { office } = opened;
    const paths = await listPages(opened);
    await using checked = await CheckedPage.open(browser, office.app, {
      user: office.jar,
      javaScriptEnabled: false,
    });
    const { page } = checked;
    const forms = new Map<string, SentForm & { readonly on: string }>();
    const wrong: Record<string, unknown> = {};
    for (const path of paths) {
      await page.goto(path);
      const heading = await page.getByRole("heading", { level: 1 }).allTextContents();
      const said = (await page.getByRole("main").innerText()).trim();
      const { forms: found, dead } = await page.evaluate(toForms);
      // The gallery shows buttons that do nothing, for what they look like.
      const isGallery = path === "/ui/components";
      if ((dead.length > 0 && !isGallery) || heading.join("").trim() === "" || said.length < 20)
        wrong[path] = { heading, said: said.slice(0, 100), dead };
      for (const form of isGallery ? [] : found) {
        const { method, action, fields } = form;
        const names = fields.filter(([name]) => name !== "next").map(([name]) => name);
        forms.set([method, action.split("?")[0], ...names].join(" "), { ...form, on: path });
      }
    }
    expect(wrong).toEqual({});
    expect(forms.size).toBeGreaterThan(40);
    // What ends the session comes last.
    const inOrder = [...forms.values()].toSorted((a, b) => Number(endsSession(a)) - Number(endsSession(b)));
    for (const form of inOrder) {
      const refused = await send(office.jar, form);
      if (refused !== null) wrong[`${form.on}: ${form.method} ${form.action}`] = refused;
    }
    expect(wrong).toEqual({});
  },
  TIMEOUT_MS,
);

function endsSession({ action }: SentForm): boolean {
  return /logout|\/sessions\/[^/]+\/end$|password|sign-out/.test(action);
}

/** Sends a form as it stands; returns what is wrong with the answer. What is shown again with a fault is none. */
async function send(jar: CookieJar, form: SentForm): Promise<unknown> {
  const { method, action, isMultipart, fields } = form;
  // Without what browsers say of where a form comes from: its token has to.
  const headers = { accept: "text/html" };
  const entries = fields.map(([name, value]): [string, string] => [name, value]);
  const query = new URLSearchParams(entries);
  let answer: Response;
  if (method === "get") {
    answer = await jar.fetch(`${action.split("?")[0]}?${query}`, { headers });
  } else {
    const body = isMultipart ? new FormData() : query;
    if (body instanceof FormData) for (const [name, value] of entries) body.append(name, value);
    answer = await jar.fetch(action, { method: "POST", headers, body });
  }
  const text = await answer.text();
  const { status } = answer;
  const isShownAgain = [400, 401, 409, 412, 422].includes(status) && text.includes("<h1");
  const leadsOn =
    status === 303 && (endsSession(form) || !/\/auth\/login/.test(answer.headers.get("location") ?? ""));
  return status === 200 || leadsOn || isShownAgain
    ? null
    : {
        status,
        text: /<main[^]*<\/main>/.exec(text)?.[0].replaceAll(/<[^>]*>|\s+/g, " ") ?? text.slice(0, 300),
      };
}

testInBrowser(
  "the pages before somebody is signed in are like the others, and their forms need no JavaScript",
  async (browser) => {
    await using app = await TestApp.start({ config: { security: SECURITY } });
    const token = crypto.randomUUID().replaceAll("-", "").padEnd(43, "x");
    await app.app.accounts.setup.announce("http://x", { token, ageMs: 0, isShown: false });
    const look = async (path: string, act?: (page: Page) => Promise<void>) => {
      for (const locale of ["en-GB", "fr-FR"]) {
        await using checked = await CheckedPage.open(browser, app, { path, locale, viewport: PHONE });
        await act?.(checked.page);
        expect(await checked.page.evaluate(toTrouble)).toEqual([]);
        if (locale === "fr-FR") expect(await checked.page.evaluate(toTextsOf, ENGLISH)).toEqual([]);
        await checked.check();
        await checked.page.evaluate(() => (document.documentElement.dataset["theme"] = "dark"));
        await checked.check("contrast");
      }
    };
    await look("/auth/login");
    await look(`/auth/setup?token=${token}`);
    await using checked = await CheckedPage.open(browser, app, {
      path: `/auth/setup?token=${token}`,
      javaScriptEnabled: false,
    });
    await checked.page.locator("input[name=email]").fill("ada@example.com");
    await checked.page.locator("input[name=password]").fill(PASSWORD);
    await checked.page.locator("button[type=submit]").click();
    await checked.page.getByText("is its first administrator").waitFor();
    await checked.page.getByRole("link", { name: "Administration" }).click();
    await checked.page.getByRole("heading", { name: "Dashboard" }).waitFor();

    const jar = new CookieJar(app);
    await jar.signIn("ada@example.com");
    const codeAt = await jar.enrol();
    await look("/auth/login?next=/ui", givePassword);
    for (const path of await makeLinks(app)) await look(path);
    await using plain = await CheckedPage.open(browser, app, {
      path: "/auth/login?next=/ui",
      javaScriptEnabled: false,
    });
    await givePassword(plain.page);
    await plain.page.locator("input[name=code]").fill(codeAt(1));
    await plain.page.locator("button[type=submit]").click();
    await plain.page.getByRole("heading", { name: "Dashboard" }).waitFor();
  },
  TIMEOUT_MS,
);

/** Makes what mails lead to: the path of each page. */
async function makeLinks({ app: { accounts, store, hooks } }: TestApp): Promise<string[]> {
  const { link } = await invite({ ...accounts, store, hooks }, null, { email: "eve@example.com" });
  const [user] = await store.db.select().from(store.tables.users);
  const { id: userId = 0, email = "" } = user ?? {};
  const issue = (purpose: LinkPurpose) =>
    store.db.transaction((tx) =>
      accounts.links.issue(tx, { purpose, userId, lifetimeMs: TIMEOUT_MS, data: { email } }),
    );
  return [
    `/auth/invitation?${link?.split("?")[1]}`,
    `/auth/email/verify?token=${await issue("verify_email")}`,
    `/auth/email/confirm?token=${await issue("change_email")}`,
    `/auth/email/undo?token=${await issue("undo_email_change")}`,
  ];
}

/** Fills the page of the login, and goes on to that of the code. */
async function givePassword(page: Page): Promise<void> {
  await page.locator("input[name=username]").fill("ada@example.com");
  await page.locator("input[name=password]").fill(PASSWORD);
  await page.locator("button[type=submit]").click();
  await page.locator("input[name=code]").waitFor();
}
