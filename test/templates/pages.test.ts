import { symlinkSync } from "node:fs";
import { expect, test } from "bun:test";
import { type Files, TestApp, type TestAppOptions } from "../setup.ts";

const SHOP = `import { createRouter, templates } from "xcore";
templates.global("shout", (text) => text + "!");
templates.filter("euros", (amount) => amount.toFixed(2) + " EUR");
const items = [{ name: "<b>", price: 2 }];
export default createRouter()
  .get("/", ({ set }) => { set.headers["x-own"] = "1"; return templates.render("list.html", { title: "Shop <1>", items }); })
  .get("/named/:name", ({ params }) => templates.render(decodeURIComponent(params.name), { title: "T", items }))
  .get("/status", ({ status }) => templates.render("list.html", { title: "T", items }, { status: 404, headers: { "x-a": "b" } }))
  .get("/mail", async () => ({ text: await templates.renderText("mail.txt", { name: "<Ada>" }) }))
  .get("/dark", () => { templates.setTheme("dark"); return "set"; })
  .get("/me", ({ user }) => templates.render("me.html", { title: "T" }), { optionalAuth: true });
`;
const LIST = `{% extends "xcore/layout.html" %}
{% block content %}
  <h1>{{ title }}</h1>
  {% for item in items %}<p class="text-fuchsia-700">{{ item.name }} {{ item.price | euros }} {{ shout("hey") }}</p>{% endfor %}
  {% component "card" with title="Card" content="in it" %}
  <a href="{{ url_for("items/:id", id=3, page=2) }}">x</a> <img src="{{ static("logo.png") }}" alt="" />
{% endblock %}`;

const plugins: Files = {
  "shop/plugin.json": { name: "shop", version: "1.0.0" },
  "shop/run.ts": SHOP,
  "shop/templates/list.html": LIST,
  "shop/templates/mail.txt": "Hello {{ name }}, {{ url_for('/x') }}",
  "shop/templates/me.html":
    "{{ user.email if user else 'nobody' }} {{ can('users:read') }} {{ theme }} {{ t('Hello') }}",
};

function start(options: TestAppOptions = {}): Promise<TestApp> {
  return TestApp.start({ plugins, ...options });
}

async function textOf(app: TestApp, path: string, init?: RequestInit): Promise<string> {
  return (await app.fetch(path, init)).text();
}

/** Waits until a page says something else than it does. */
async function untilText(app: TestApp, path: string, expected: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- until then
    const text = await textOf(app, path);
    if (text.includes(expected)) return;
    if (performance.now() > deadline) throw new Error(`${path} still says ${text.slice(0, 500)}`);
    // oxlint-disable-next-line no-await-in-loop -- the watcher and the reading get their turn
    await app.app.templates.settled();
  }
}

test("templates.render() answers with the plugin's template in xcore's layout", async () => {
  await using app = await start();
  const response = await app.fetch("/shop");
  const html = await response.text();
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/html;charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("private, no-cache");
  expect(response.headers.get("x-own")).toBe("1");
  expect(html).toContain("<h1>Shop &lt;1&gt;</h1>");
  expect(html).toContain("&lt;b&gt; 2.00 EUR hey!");
  expect(html).toContain('href="/shop/items/3?page=2"');
  expect(html).toContain('src="/shop/static/logo.png"');
  expect(await app.fetch("/shop/status").then(({ status, headers }) => [status, headers.get("x-a")])).toEqual(
    [404, "b"],
  );
  expect(await app.get("/shop/mail")).toMatchObject({ body: { text: "Hello <Ada>, /x" } });
});

test("a page may run scripts with its own nonce alone", async () => {
  await using app = await start();
  const [first, second] = await Promise.all([app.fetch("/shop"), app.fetch("/shop")]);
  const policy = first.headers.get("content-security-policy") ?? "";
  const [, nonce = ""] = /script-src 'nonce-([^']+)'/.exec(policy) ?? [];
  const html = await first.text();
  expect(policy).not.toContain("unsafe");
  expect(policy).toContain("require-trusted-types-for 'script'");
  for (const [script] of html.matchAll(/<script[^>]*>/g)) expect(script).toContain(`nonce="${nonce}"`);
  expect(html).not.toMatch(/\son\w+=|\sstyle=/);
  expect(second.headers.get("content-security-policy")).not.toContain(nonce);
});

test("the stylesheet has the classes that templates use, and a name by which it is kept for good", async () => {
  await using app = await start();
  const stylesheetOf = async () =>
    /href="(\/static\/[^"]+\.css)"/.exec(await textOf(app, "/shop"))?.[1] ?? "";
  const path = await stylesheetOf();
  const response = await app.fetch(path);
  expect(response.headers.get("content-type")).toBe("text/css;charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect(response.headers.get("content-encoding")).toBe("zstd");
  const css = await response.text();
  for (const part of [".text-fuchsia-700", ".card-title", "[data-theme=dark]", "[data-theme=silk]"])
    expect(css.includes(part)).toBe(true);
  expect(/text-lime-700|url\(["']?https?:|@import/.test(css)).toBe(false);
  await app.folder.write({ "plugins/shop/templates/list.html": LIST.replace("fuchsia", "lime") });
  await untilText(app, "/shop", "text-lime-700");
  const next = await stylesheetOf();
  expect(next).not.toBe(path);
  expect((await textOf(app, next)).includes("text-lime-700")).toBe(true);
  // A page that is open still has its own; one of another instance has what there is.
  expect((await app.fetch(path)).headers.get("cache-control")).toContain("immutable");
  expect((await app.fetch("/static/xcore-0000.css")).headers.get("cache-control")).toBe("no-cache");
  expect((await app.fetch("/static/other.css")).status).toBe(404);
  const script = /src="(\/static\/[^"]+\.js)"/.exec(await textOf(app, "/shop"))?.[1] ?? "";
  expect((await app.fetch(script)).headers.get("content-type")).toBe("text/javascript;charset=utf-8");
});

test("templates of the project override those of plugins and of xcore, and extend what they override", async () => {
  await using app = await start({
    files: {
      "templates/shop/list.html":
        '{% extends "list.html" %}{% block content %}own {{ super() }}{% endblock %}',
      "templates/layout.html":
        '{% extends "xcore/layout.html" %}{% block scripts %}<footer>ACME</footer>{% endblock %}',
      "templates/components/card.html": "<i>{{ title }}</i>",
      "templates/own.html": "{{ title }} of the project",
    },
  });
  const html = await textOf(app, "/shop");
  expect(html).toMatch(/own\s+<h1>Shop[^]*<i>Card<\/i>[^]*<footer>ACME<\/footer>/);
  expect(await textOf(app, "/shop/named/own.html")).toBe("T of the project");
});

test("a template of the project is used as it changes, and the last good one while it can't be", async () => {
  await using app = await start({ files: { "templates/own.html": "one" } });
  expect(await textOf(app, "/shop/named/own.html")).toBe("one");
  await app.folder.write({ "templates/own.html": "two", "templates/other.html": "other" });
  await untilText(app, "/shop/named/own.html", "two");
  await app.folder.write({ "templates/own.html": "three {% if %}", "templates/other.html": "changed" });
  await untilText(app, "/shop/named/other.html", "changed");
  expect(await textOf(app, "/shop/named/own.html")).toBe("two");
  expect(await Bun.file(`${app.folder.path}/logs/app.log`).text()).toContain(
    "Cannot use a template: templates/own.html:1:",
  );
  await app.folder.write({ "templates/own.html": "four" });
  await untilText(app, "/shop/named/own.html", "four");
  await app.folder.remove("templates/own.html");
  await untilText(app, "/shop/named/own.html", "template_not_found");
});

test("translations of the project that can't be read leave those of before, and every page as it is", async () => {
  const [own, core] = ["templates/shop/languages/fr.json", "templates/languages/fr.json"];
  await using app = await start({
    files: { [core]: "[1]", "templates/own.html": "{{ t('Hello') }} {{ t('Bye') }}" },
  });
  const shown = () => textOf(app, "/shop/named/own.html", { headers: { "accept-language": "fr" } });
  expect(await shown()).toBe("Hello Bye");
  await app.folder.write({
    [own]: { Hello: "Bonjour" },
    [core]: { Bye: "Adieu" },
    "templates/other.html": "one",
  });
  await untilText(app, "/shop/named/other.html", "one");
  await app.folder.write({ [own]: "{", [core]: '{ "Bye": 1 }', "templates/other.html": "two" });
  await untilText(app, "/shop/named/other.html", "two");
  expect(await shown()).toBe("Bonjour Adieu");
  const log = await app.log("app");
  for (const place of [`${core}:1:1`, `${own}:1:2`, `${core}:1:10`])
    expect(log).toContain(`Cannot use a file of translations: ${place}`);
});

test("a plugin with a template that can't be used isn't loaded, and its last good generation serves", async () => {
  await using app = await start();
  await app.folder.write({ "plugins/shop/templates/list.html": "<p>\n{{ title | uper }}" });
  await app.app.plugins.refresh(null);
  const { body } = await app.get("/system/plugins/shop");
  expect(body).toMatchObject({ state: "failed", serving: true, generation: 1 });
  expect(body.failure).toMatchObject({
    stage: "templates",
    file: "plugins/shop/templates/list.html",
    line: 2,
  });
  expect(body.failure.message).toContain('Column 12: There is no filter "uper" (did you mean "upper"?)');
  expect(await textOf(app, "/shop")).toContain("<h1>Shop");
});

test("an answer says what is wrong with a template in development alone", async () => {
  const files = { "templates/bad.html": "<p>{{ nobody }}</p>", "templates/worse.html": "{% for %}" };
  for (const debug of [true, false]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await using app = await start({ files, config: { app: { debug } } });
    const detailOf = async (path: string) => {
      const { status, body } = await app.get(path);
      return `${status} ${body.code} ${body.detail}`;
    };
    const shown = debug
      ? "templates/worse.html:1:"
      : "Cannot render the page: quote the request id to the administrator";
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await detailOf("/shop/named/worse.html")).toStartWith(`500 template_failed ${shown}`);
    if (debug)
      expect(await detailOf("/shop/named/bad.html")).toStartWith(
        '500 template_failed templates/bad.html:1:7: "nobody" isn\'t defined',
      );
    else expect(await textOf(app, "/shop/named/bad.html")).toBe("<p></p>");
    for (const name of [
      "gone.html",
      "..%2F..%2Fsecret.html",
      "%2Fetc%2Fpasswd",
      "a%00.html",
      "C:%5Cx.html",
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect(await detailOf(`/shop/named/${encodeURIComponent(name)}`)).toMatch(
        /^500 template_(not_found|failed) /,
      );
    }
    expect(await Bun.file(`${app.folder.path}/logs/app.log`).text()).toContain("templates/worse.html:1:");
  }
});

test("templates know who asks, and the theme that was chosen", async () => {
  await using app = await start({ config: { templates: { theme: "cupcake" } } });
  const admin = await app.admin();
  expect(await textOf(app, "/shop/me")).toBe("nobody false cupcake Hello");
  const headers = { authorization: `Bearer ${admin.token}`, cookie: "a=b; theme=retro" };
  expect(await textOf(app, "/shop/me", { headers })).toBe("admin@example.com true retro Hello");
  expect(await textOf(app, "/shop/me", { headers: { cookie: "theme=nothing" } })).toContain("cupcake");
  expect(await textOf(app, "/shop/dark")).toBe("set");
  expect(await textOf(app, "/shop/me")).toContain(" dark ");
  // What a plugin has set ends with it.
  await app.folder.write({ "plugins/shop/run.ts": `${SHOP}\n// changed` });
  await untilText(app, "/shop/me", "cupcake");
});

function failing(code: string): Files {
  return {
    "bad/plugin.json": { name: "bad", version: "1.0.0" },
    "bad/run.ts": `import { createRouter, templates } from "xcore";\n${code}\nexport default createRouter();`,
  };
}

test("a name that a plugin adds to its templates is refused where it can't work", async () => {
  for (const [code, problem] of [
    ['templates.global("a b", 1);', 'Cannot add the global "a b"'],
    ['templates.setTheme("purple" as never);', 'Cannot set theme "purple": expected one of light, dark'],
    ['export function setup() { templates.filter("late", String); }', 'Cannot add the filter "late"'],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await using app = await TestApp.start({ plugins: failing(code) });
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { body } = await app.get("/system/plugins/bad");
    expect(body.failure?.message).toContain(problem);
  }
});

test("xcore's own templates can all be used, and each component has an example", async () => {
  await using app = await start();
  const { core } = await app.app.templates.stock();
  core.check();
  const names = core.sources.map(({ name }) => name);
  const components = names.filter((name) => name.startsWith("components/"));
  expect(components.length).toBeGreaterThan(18);
  for (const name of components) expect(names).toContain(name.replace("components/", "examples/"));
});

const USING = {
  "shop/plugin.json": { name: "shop", version: "1.0.0" },
  "shop/run.ts": 'import { createRouter } from "xcore"; export default createRouter();',
  "shop/templates/base.html": "<b>{% block body %}{% endblock %}</b>",
  "shop/templates/row.html": "{% macro row(x) %}<i>{{ x }}</i>{% endmacro %}",
  "blog/plugin.json": { name: "blog", version: "1.0.0", dependencies: ["shop"] },
  "blog/run.ts": `import { createRouter, templates } from "xcore";
export default createRouter().get("/", () => templates.render("page.html"));`,
  "blog/templates/page.html":
    '{% extends "shop/base.html" %}{% from "shop/row.html" import row %}{% block body %}{{ row("<") }}{% endblock %}',
};

test("a plugin uses the templates of one that it depends on, and that loads with it", async () => {
  await using app = await start({
    plugins: USING,
    files: { "templates/shop/row.html": "{% macro row(x) %}own{{ x }}{% endmacro %}" },
  });
  expect(await textOf(app, "/blog")).toBe("<b>own&lt;</b>");
  await app.folder.write({ "plugins/shop/templates/base.html": "<u>{% block body %}{% endblock %}</u>" });
  await app.app.plugins.refresh(null);
  expect(await textOf(app, "/blog")).toBe("<u>own&lt;</u>");
});

test("templates of the project that can't be used are told at the start, before anybody asks for one", async () => {
  await using app = await start({ files: { "templates/own.html": "{% for %}", "templates/good.html": "x" } });
  await app.app.templates.report();
  const log = await app.log("app");
  expect(log).toContain("Cannot use a template: templates/own.html:1:");
  expect(log).not.toContain("good.html");
});

test.each([
  "../../etc/passwd",
  "/etc/passwd",
  "list.html\0",
  "shop/../../secret.html",
  "C:\\x.html",
  "./list.html",
  "linked.html",
])("no page is made of %p", async (name) => {
  await using app = await start();
  const answer = await app.fetch(`/shop/named/${encodeURIComponent(encodeURIComponent(name))}`);
  expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
    500,
    expect.stringMatching(/^template_/),
  ]);
});

test("no link leads out of the folders of templates", async () => {
  await using app = await start({
    plugins: {
      ...plugins,
      "linked/plugin.json": { name: "linked", version: "1.0.0" },
      "linked/run.ts": SHOP,
    },
    files: { "secrets/list.html": "secret", "templates/own.html": "x" },
  });
  const { path } = app.folder;
  symlinkSync(`${path}/secrets`, `${path}/plugins/linked/templates`);
  symlinkSync(`${path}/secrets/list.html`, `${path}/templates/direct.html`);
  symlinkSync(`${path}/secrets`, `${path}/templates/folder`);
  symlinkSync(`${path}/secrets/list.html`, `${path}/plugins/shop/templates/direct.html`);
  await app.folder.write({ "plugins/linked/run.ts": `${SHOP}\n` });
  await app.app.plugins.refresh(null);
  for (const asked of ["/linked", "/shop/named/direct.html", "/shop/named/folder%2Flist.html"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await textOf(app, asked)).not.toContain("secret");
  }
});
