import { expect, test } from "bun:test";
import { TestApp } from "../setup.ts";

const manifest = { name: "shop", version: "1.0.0" };
const run = `import { createRouter, templates } from "xcore";
templates.global("shout", (text) => text + "!");
templates.filter("euros", (amount) => amount.toFixed(2) + " EUR");
export default createRouter()
  .get("/", () => templates.render("list.html", { title: "Shop <1>", items: [{ name: "<b>", price: 2 }] }))
  .get("/missing", () => templates.render("missing.html"))
  .get("/project", () => templates.render("own.html", { title: "T" }));
`;
const list = `{% extends "xcore/layout.html" %}
{% block content %}
  <h1>{{ title }}</h1>
  {% for item in items %}<p class="text-fuchsia-700">{{ item.name }} {{ item.price | euros }} {{ shout("hey") }}</p>{% endfor %}
  {% component "card" with title="Card" content="in it" %}
  <a href="{{ url_for("items/:id", id=3) }}">x</a> <img src="{{ static("logo.png") }}" alt="" />
{% endblock %}`;

const plugins = { "shop/plugin.json": manifest, "shop/run.ts": run, "shop/templates/list.html": list };

test("templates.render() answers with the plugin's template in xcore's layout", async () => {
  await using app = await TestApp.start({ plugins, files: { "templates/own.html": "<i>{{ title }}</i>" } });
  const response = await app.fetch("/shop");
  const html = await response.text();
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/html;charset=utf-8");
  expect(html).toContain("<h1>Shop &lt;1&gt;</h1>");
  expect(html).toContain("&lt;b&gt; 2.00 EUR hey!");
  expect(html).toContain('href="/shop/items/3"');
  expect(html).toContain('src="/shop/static/logo.png"');
  const [, css = ""] = /href="(\/static\/[^"]+\.css)"/.exec(html) ?? [];
  const style = await app.fetch(css);
  expect(style.headers.get("cache-control")).toContain("immutable");
  const text = await style.text();
  expect(text).toContain(".text-fuchsia-700");
  expect(text).toContain(".card-title");
  expect(await (await app.fetch("/shop/project")).text()).toBe("<i>T</i>");
});
