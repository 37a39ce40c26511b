import { expect, setDefaultTimeout, test } from "bun:test";
import { crmPlugin } from "../../resources/crm.ts";
import { TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { Office, textOf } from "./office.ts";

// Each of them goes through many pages.
setDefaultTimeout(120_000);

const CONTACTS = "/ui/records/crm/contacts";
const toRun = (admin: string) => `
  import { createRouter, resource } from "xcore";
  import { companies, contacts, deals } from "./schema.ts";
  export default createRouter()
    .use(resource(companies, { admin: { show: { notes: { city: ["Paris", "Lyon"] } } } }))
    .use(resource(contacts))
    .use(resource(deals, {
      create: { owner_id: ({ user }) => user.id },
      workflow: { field: "stage", transitions: { win: { from: "open", to: "won" } } },
      admin: ${admin},
    }));
`;
const SHOW = '{ show: { margin: { stage: "won" }, close_on: { starts_on: "2026-01-01" } } }';

test("what a field is shown by and there isn't is refused with what was meant", async () => {
  for (const [admin, message] of [
    ['{ show: { margn: { stage: "won" } } } as object', 'did you mean \\"margin\\"?'],
    ['{ show: { margin: { stag: "won" } } } as object', 'did you mean \\"stage\\"?'],
    ['{ show: { margin: { stage: "wom" } } } as object', 'did you mean \\"won\\"?'],
    ["{ show: { margin: { stage: true } } } as object", "there is no"],
    ['{ show: { title: { stage: "won" } } }', "every new row must be given"],
    ["{ show: { margin: { close_on: null }, close_on: { margin: null } } }", "margin by close_on by margin"],
    ['{ templates: { form: "deels.html" } }', 'did you mean \\"deals.html\\"?'],
    ['{ templates: { form: "home.html" } }', "write templates/home.html"],
  ]) {
    const plugins = { ...(await crmPlugin(toRun(admin ?? ""))), "crm/templates/deals.html": "<p></p>" };
    // oxlint-disable-next-line no-await-in-loop -- each is an app
    await using app = await TestApp.start({ plugins });
    // oxlint-disable-next-line no-await-in-loop -- each is an app
    const { body } = await app.get("/system/plugins/crm");
    expect(JSON.stringify(body)).toContain(message ?? "");
    expect(body.state).toBe("failed");
  }
}, 120_000);

test("a field that depends on what the form doesn't have is shown by the row", async () => {
  await using office = await Office.open({ run: toRun(SHOW) });
  await office.fill(1);
  expect(await office.page("/ui/records/crm/deals/~new")).not.toContain('name="f-margin"');
  expect(await office.page("/ui/records/crm/deals/1")).not.toContain('name="f-margin"');
  await office.send("POST", "/crm/deals/1/win");
  expect(await office.page("/ui/records/crm/deals/1")).toContain('name="f-margin"');
  const { columns } = await office.send("GET", "/system/resources/crm.deals");
  const margin = columns.find(({ name }: { name: string }) => name === "margin");
  expect(margin.shown_by).toEqual([{ column: "stage", values: ["won"] }]);
});

test("words of a resource are translated by its plugin's own catalogue", async () => {
  const admin = '{ label: "Sales", form: [{ title: "Money", fields: ["amount"] }] }';
  const fr = {
    Sales: "Ventes",
    Amount: "Montant",
    Money: "Argent",
    Deal: "Affaire",
    deal: "affaire",
    Win: "Gagner",
  };
  await using office = await Office.open({
    run: toRun(admin),
    files: { "crm/templates/languages/fr.json": JSON.stringify(fr) },
  });
  await office.fill(1);
  const french = { headers: { "accept-language": "fr" } };
  const form = await (await office.jar.get("/ui/records/crm/deals/~new", french)).text();
  for (const word of ["Ventes", "Montant", "Argent", "affaire"]) expect(textOf(form)).toContain(word);
  const row = await (await office.jar.get("/ui/records/crm/deals/1", french)).text();
  expect(textOf(row)).toContain("Gagner");
  const list = textOf(await (await office.jar.get("/ui/records/crm/deals", french)).text());
  for (const word of ["Ventes", "Montant"]) expect(list).toContain(word);
  expect(textOf(await office.page("/ui/records/crm/deals/~new"))).toContain("Amount");
});

testInBrowser(
  "a field is shown while another has the value for it, and what is hidden isn't sent",
  async (browser) => {
    await using office = await Office.open({
      run: toRun("{}").replace(
        "resource(contacts)",
        "resource(contacts, { admin: { show: { email: { company_id: 1 } } } })",
      ),
    });
    await office.fill(0);
    await office.send("POST", "/crm/companies", { name: "Bolt", city: "Rome", notes: "kept" });
    const path = "/ui/records/crm/companies/2";
    await using checked = await CheckedPage.open(browser, office.app, { user: office.jar, path });
    const { page } = checked;
    const notes = page.getByLabel("Notes");
    expect(await notes.isVisible()).toBe(false);
    await page.getByLabel("City").fill("Lyon");
    await page.keyboard.press("Tab");
    await notes.waitFor();
    await checked.check();
    await notes.fill("typed");
    await page.getByLabel("City").fill("Oslo");
    await page.keyboard.press("Tab");
    await notes.waitFor({ state: "hidden" });
    await page.keyboard.press("Control+s");
    await page.getByText("Saved.").waitFor();
    expect(await office.send("GET", "/crm/companies/2")).toMatchObject({ city: "Oslo", notes: "kept" });

    await page.goto(`${CONTACTS}/~new`);
    await page.getByLabel("Name").fill("Ada");
    const email = page.getByLabel("Email");
    await page.getByRole("combobox", { name: "Company" }).selectOption({ label: "Acme" });
    await email.waitFor();
    await page.getByRole("combobox", { name: "Company" }).selectOption({ label: "Bolt" });
    await email.waitFor({ state: "hidden" });
    await page.keyboard.press("Control+s");
    await page.getByText("Ada is made.").waitFor();

    const plain = { user: office.jar, path, javaScriptEnabled: false };
    await using without = await CheckedPage.open(browser, office.app, plain);
    expect(await without.page.content()).toContain("Only where City is: Paris, Lyon");
    await without.page.getByLabel("Notes").fill("seen");
    await without.page.getByRole("button", { name: "Save" }).press("Enter");
    await without.page.getByText("Saved.").waitFor();
    expect(await office.send("GET", "/crm/companies/2")).toMatchObject({ notes: "seen" });
  },
);
