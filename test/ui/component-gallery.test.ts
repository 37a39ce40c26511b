import { expect, test } from "bun:test";
import { TestApp } from "../setup.ts";

test("GET /ui/components shows each component with its parameters, use and source", async () => {
  await using app = await TestApp.start({
    files: {
      "templates/components/price.html":
        '{# What something costs. #}\n{% props amount, currency="EUR, of course", marks=["a", "b"] %}<b>{{ amount }}</b>',
    },
  });
  expect((await app.fetch("/ui/components")).status).toBe(401);
  const response = await app.fetch("/ui/components", { headers: (await app.admin()).headers });
  const html = await response.text();
  expect(response.status).toBe(200);
  expect(html).toContain('href="#component-toast"');
  for (const name of [
    "alert",
    "badge",
    "breadcrumb",
    "button",
    "card",
    "checkbox",
    "drawer",
    "dropdown",
    "input",
    "modal",
    "navbar",
    "pagination",
    "price",
    "progress",
    "select",
    "sidebar",
    "stats",
    "table",
    "tabs",
    "textarea",
    "theme",
    "timeline",
    "toast",
  ])
    expect(html).toContain(`<h2 class="card-title" id="component-${name}">${name}</h2>`);
  const [, price = ""] = /(<h2[^>]*>price<[^]*?)<\/section>/.exec(html) ?? [];
  expect(price).toContain("What something costs.");
  expect([...price.matchAll(/<code>([^<]*)<\/code>/g)].map(([, code]) => code).slice(0, 5)).toEqual([
    "amount",
    "currency",
    "&quot;EUR, of course&quot;",
    "marks",
    "[&quot;a&quot;, &quot;b&quot;]",
  ]);
  expect(price).toContain("&lt;b&gt;{{ amount }}&lt;/b&gt;");
  // Each example is shown as it works, and as it is written.
  expect(html).toContain('<div role="alert"'.replace(" role", "\n  role"));
  expect(html).toContain(
    "{% component &quot;alert&quot; with content=&quot;The backup is made.&quot; color=&quot;success&quot; %}",
  );
});
