import { expect, test } from "bun:test";
import { openBook } from "../../src/guide/book.ts";
import { renderDocument, toSlug } from "../../src/guide/rendering.ts";
import { TestApp } from "../setup.ts";
import { CheckedPage, testInBrowser } from "../ui/checked-page.ts";

const book = await openBook();
const chapters = book.parts.flatMap((part) => part.chapters);

/** The links of a page, and what they may end with. */
function readPage(html: string): { links: string[]; ids: string[] } {
  const all = (pattern: RegExp) => [...html.matchAll(pattern)].map(([, found = ""]) => found);
  return { links: all(/<a [^>]*href="([^"]*)"/g), ids: all(/ id="([^"]*)"/g) };
}

test("every document is in the table of contents, once, and is titled", () => {
  const names = chapters.map(({ name }) => name);
  expect(names.toSorted()).toEqual(book.names.filter((name) => name !== "").toSorted());
  for (const name of book.names) {
    const document = book.find(name, "");
    expect([name, document?.title]).not.toEqual([name, ""]);
    expect([name, document?.language]).toEqual([name, name.endsWith(".fr") ? "fr" : "en"]);
  }
});

test("no link of a document leads to a page, a file or a heading that isn't there", async () => {
  const ids = new Map(
    book.names.map((name) => [name, new Set(readPage(book.find(name, "")?.html ?? "").ids)]),
  );
  const dangling: string[] = [];
  for (const name of book.names) {
    for (const href of readPage(book.find(name, "")?.html ?? "").links) {
      if (href.startsWith("https://")) continue;
      const [target = "", fragment] = href.split("#");
      const other = target === "" ? name : target === "../guide" ? "" : target;
      const isThere =
        fragment === undefined ? ids.has(other) : ids.get(other)?.has(decodeURIComponent(fragment));
      if (isThere !== true) dangling.push(`${name}: ${href}`);
    }
    // What is no link there must at least be a file of the project.
    const file = name === "" ? "README" : name;
    const markdown = await Bun.file(new URL(`../../docs/${file}.md`, import.meta.url)).text();
    for (const [, path = ""] of markdown.matchAll(/\]\(([^)#:]+)[^):]*\)/g)) {
      const found = new URL(path, new URL("../../docs/", import.meta.url));
      if (!(await Bun.file(found).exists()) && !(await isFolder(found))) dangling.push(`${name}: ${path}`);
    }
  }
  expect(dangling).toEqual([]);
});

test("renderDocument() takes nothing for HTML, and links to nothing that acts", () => {
  const { html, headings } = renderDocument(
    [
      "# A <script>alert(1)</script> title",
      "## Été, `code` & more",
      "## Été, `code` & more",
      "<img src=x onerror=alert(1)> <b>bold</b>",
      "[a](javascript:alert(1)) [b](data:text/html,x) [c](//evil.example) [d](http://plain.example) [e](https://a.example/?q=%22) [f](other.md#x) [g](../src/index.ts) [h](#here) [i](missing.md) [j](https://user@evil.example)",
      '[k](other.md#"onclick="x) ![picture](https://evil.example/x.png "t")',
      "```html\n<script>alert(2)</script>\n```",
    ].join("\n\n"),
    (file) => (file === "other.md" ? "other" : null),
  );
  expect(html).not.toMatch(/<script|<b>|<img|onerror=alert\(1\)>|javascript:|data:|evil|plain\.example/);
  expect(readPage(html).links).toEqual([
    "https://a.example/?q=%22",
    "other#x",
    "#here",
    expect.stringContaining("other#"),
  ]);
  expect(html).not.toMatch(/<a [^>]*"onclick/);
  expect(headings.map(({ id }) => id)).toEqual([
    "a-scriptalert1script-title",
    "été-code--more",
    "été-code--more-1",
  ]);
  expect(toSlug("Several processes on one machine")).toBe("several-processes-on-one-machine");
});

test("search() finds what has all words, in titles first, whatever is typed", async () => {
  const titles = async (query: string): Promise<string[]> =>
    (await book.search(query)).map(({ document, title }) => `${document}: ${title}`);
  expect((await titles("view as user"))[0]).toBe("Accounts: View as user");
  expect((await titles("ROTATION"))[0]).toBe("Logs: Rotation");
  expect((await titles("max_bytes backup_count")).length).toBeGreaterThan(0);
  for (const none of ["", "   ", "qqqqzzzz", ".*", "(((", "\\", "<script>zzz", "\0"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect([none, await titles(none)]).toEqual([none, []]);
  }
  const [found] = await book.search("rotation");
  expect(found?.href).toBe("logs#rotation");
  expect(found?.excerpt.map(({ text }) => text).join("").length).toBeLessThan(400);
  expect(await book.search(`${"a".repeat(200)}${" b".repeat(100)}`)).toEqual([]);
  expect((await book.search("the")).length).toBeLessThanOrEqual(30);
});

test("/docs/guide serves the documents to everybody, with links that work below any path", async () => {
  await using app = await TestApp.start({ config: { templates: { theme: "dark" } } });
  const contents = await app.fetch("/docs/guide");
  expect([contents.status, contents.headers.get("content-type")]).toEqual([200, "text/html;charset=utf-8"]);
  const policy = contents.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'self'");
  expect(policy).not.toMatch(/https?:|unsafe/);
  const html = await contents.text();
  expect(html).toContain('data-theme="dark"');
  const opened = new Map<string, Promise<Response>>();
  const visit = async (from: string, page: string): Promise<void> => {
    for (const href of readPage(page).links) {
      const url = new URL(href, app.url + from);
      if (url.origin !== app.url || url.pathname.startsWith("/ui")) continue;
      if (!opened.has(url.pathname)) opened.set(url.pathname, app.fetch(url.pathname));
    }
  };
  await visit("/docs/guide", html);
  await visit("/docs/guide/logs", await (await app.fetch("/docs/guide/logs")).text());
  for (const [path, response] of opened) expect([path, (await response).status]).toEqual([path, 200]);
  expect(opened.size).toBeGreaterThan(chapters.length);

  const slash = await app.fetch("/docs/guide/", { redirect: "manual" });
  expect([slash.status, slash.headers.get("location")]).toEqual([308, "../guide"]);
  for (const path of ["nothing", "..%2F..%2Fpackage", "README", "%00", "a".repeat(101)])
    expect([path, (await app.fetch(`/docs/guide/${path}`)).status]).toBeOneOf([
      [path, 404],
      [path, 422],
    ]);

  const french = { "accept-language": "fr" };
  const page = await (await app.fetch("/docs/guide/logs", { headers: french })).text();
  expect(page).toContain("Rechercher dans le guide");
  expect(page).toContain('<article lang="en"');
  const asked = new URLSearchParams({ q: '"><script>alert(1)</script> rotation' });
  const hostile = await (await app.fetch(`/docs/guide/search?${asked}`)).text();
  expect(hostile).not.toContain("<script>alert");
  const found = await (await app.fetch("/docs/guide/search?q=rotation")).text();
  expect(found).toContain('href="logs#rotation"');
  expect(found).toMatch(/<mark>rotation<\/mark>/i);
  expect((await app.fetch(`/docs/guide/search?q=${"a".repeat(201)}`)).status).toBe(422);
});

async function isFolder(url: URL): Promise<boolean> {
  const { stat } = await import("node:fs/promises");
  return (await stat(url).catch(() => null))?.isDirectory() === true;
}

testInBrowser(
  "the guide is read and searched with and without scripts, in light and dark, on a phone",
  async (browser) => {
    await using app = await TestApp.start();
    const viewport = { width: 375, height: 800 };
    await using checked = await CheckedPage.open(browser, app, { path: "/docs/guide/logs", viewport });
    const { page } = checked;
    await checked.check();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBeLessThanOrEqual(viewport.width);
    await page.locator("header select").selectOption("dark");
    await checked.check("contrast");
    await page.reload();
    expect(await page.getAttribute("html", "data-theme")).toBe("dark");
    await page.fill("header input[name=q]", "audit retention");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/docs/guide/search?**"); // documents have links in their lists too
    await page.locator("main li a").first().click();
    await page.waitForURL(/\/docs\/guide\/accounts#audit-log$/);
    await checked.check("structure");

    await using plain = await CheckedPage.open(browser, app, {
      path: "/docs/guide",
      javaScriptEnabled: false,
    });
    await plain.page.fill("header input[name=q]", "rotation");
    await plain.page.click("header button");
    await plain.page.waitForURL("**/docs/guide/search?**");
    await plain.page.locator("main li a").first().click();
    expect(await plain.page.locator("article h1").textContent()).toBe("Logs");
  },
);
