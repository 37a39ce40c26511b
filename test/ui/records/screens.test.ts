import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { ICONS } from "../../../src/resources/definition/screens.ts";
import { crmPlugin } from "../../resources/crm.ts";
import { TestApp } from "../../setup.ts";
import { DEALS, Office, rowsOf, textOf } from "./office.ts";

// Each of them goes through many pages.
setDefaultTimeout(120_000);

const PROJECT = join(import.meta.dir, "../../..");
const toRun = (admin: string) => `
  import { createRouter, resource } from "xcore";
  import { companies, contacts, deals } from "./schema.ts";
  export default createRouter()
    .use(resource(companies, { admin: { menu: false } }))
    .use(resource(contacts))
    .use(resource(deals, { expand: ["company"], create: { owner_id: ({ user }) => user.id }, admin: ${admin} }));
`;
const ADMIN = `{
  label: "Sales", icon: "money", title: "title", list: ["amount", "title"],
  form: [["title"], { title: "Money", fields: ["amount", "margin"] }],
  templates: { list: "deals.html" },
}`;
const TEMPLATE = `{% extends "xcore/ui/records/list.html" %}
{% block actions %}<b id="own">{{ about.name }}</b>{% endblock %}`;

test("a resource arranges its screens, and replaces them by templates of its plugin", async () => {
  await using office = await Office.open({
    run: toRun(ADMIN),
    files: { "crm/templates/deals.html": TEMPLATE },
  });
  await office.fill(1);
  const list = await office.page(DEALS);
  expect(list).toContain('<b id="own">crm.deals</b>');
  expect(list).toContain("<title>Sales</title>");
  expect(rowsOf(list)).toEqual([["10.50", "Deal 1"]]);
  expect(list).not.toContain('href="/ui/records/crm/companies"');
  expect(list).toContain('href="/ui/records/crm/contacts"');
  const form = await office.page(`${DEALS}/1`);
  expect([...form.matchAll(/name="f-(\w+)"/g)].map(([, name]) => name)).toEqual([
    "title",
    "amount",
    "margin",
  ]);
  expect(textOf(form)).toContain("Money");
  // What a new row must be given has its field, named or not.
  expect(await office.page(`${DEALS}/~new`)).toContain('name="f-company_id"');
  expect(await office.send("GET", "/system/resources/crm.deals")).toMatchObject({
    label: "Sales",
    icon: "money",
    list: ["amount", "title"],
    form: [
      { title: null, fields: ["title"] },
      { title: "Money", fields: ["amount", "margin"] },
    ],
    templates: { list: "deals.html" },
  });
});

test("what a resource names and there isn't is refused with what was meant", async () => {
  for (const [admin, message] of [
    ['{ list: ["titel"] } as object', 'did you mean \\"title\\"?'],
    ['{ from: [["title"]] } as object', 'did you mean \\"form\\"?'],
    ['{ form: [{ fields: ["amont"] }] } as object', 'did you mean \\"amount\\"?'],
    ['{ icon: "mony" } as object', 'did you mean \\"money\\"?'],
    ['{ templates: { list: "../x" } } as object', "expected such as"],
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- each is an app
    await using app = await TestApp.start({ plugins: await crmPlugin(toRun(admin ?? "")) });
    // oxlint-disable-next-line no-await-in-loop -- each is an app
    const { body } = await app.get("/system/plugins/crm");
    expect(JSON.stringify(body)).toContain(message ?? "");
    expect(body.state).toBe("failed");
  }
}, 120_000);

test("each picture that may be named is one of the component", async () => {
  const icons = await Bun.file(join(PROJECT, "templates/components/icon.html")).text();
  expect(ICONS.filter((name) => !icons.includes(`"${name}":`))).toEqual([]);
});
