import { expect, setDefaultTimeout, test } from "bun:test";
import { placeOf } from "../../accounts/browser/browser.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { COMPANIES, DEALS, Office, SCRIPT, textOf } from "./office.ts";

// Each of them goes through many pages.
setDefaultTimeout(120_000);

const NEW = { "f-title": "Bridge", "f-amount": "12.50", "f-company_id": "1" };

test("a row is made by its form, and what is wrong with it stands at its fields", async () => {
  await using office = await Office.open();
  await office.fill(1);
  const form = await office.page(`${DEALS}/~new?company_id=1`);
  expect(form).toContain('<option value="1" selected>Acme</option>');
  expect(form).toContain('maxlength="200"');
  // What the server makes has no field.
  expect(form).not.toContain("f-stage");
  expect(form).not.toContain("f-owner_id");

  const wrong = await office.jar.post(`${DEALS}/~new`, { ...NEW, "f-amount": "much", "f-title": "" });
  const html = await wrong.text();
  expect(wrong.status).toBe(422);
  expect(html).toContain('value="much"');
  expect(textOf(html)).toContain("Expected a decimal such as &quot;12.50&quot;, of at most 15 digits");
  expect(html.match(/aria-invalid="true"/g)).toHaveLength(2);

  const made = await office.jar.post(`${DEALS}/~new`, NEW);
  expect([made.status, placeOf(made, `${DEALS}/~new`)]).toEqual([303, `${DEALS}/2`]);
  const page = await office.page(`${DEALS}/2`);
  expect(textOf(page)).toContain("Bridge is made.");
  expect(await office.send("GET", "/crm/deals/2")).toMatchObject({ title: "Bridge", amount: "12.50" });
});

test("a check of the resource is told at its field, and what only the server knows above the form", async () => {
  await using office = await Office.open();
  await office.fill(1);
  const dates = { "f-starts_on": "2026-02-02", "f-close_on": "2026-01-01" };
  const html = await (await office.jar.post(`${DEALS}/~new`, { ...NEW, ...dates })).text();
  expect(html).toContain('id="field-f-close_on-note"');
  expect(textOf(html)).toContain("must not be before the start");
  const taken = await office.jar.post(`${COMPANIES}/~new`, { "f-name": "Acme" });
  expect(taken.status).toBe(409);
  expect(await taken.text()).toContain("alert-error");
});

test("only what has been changed is sent, and two who change one row choose between their versions", async () => {
  await using office = await Office.open();
  await office.fill(1);
  const html = await office.page(`${DEALS}/1`);
  const hidden = (name: string) =>
    (new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] ?? "").replaceAll("&quot;", '"');
  const [version, original] = [hidden("version"), hidden("original")];
  const form = { "f-title": "Deal 1", "f-amount": "10.50", "f-company_id": "1", version, original };
  const same = await office.jar.post(`${DEALS}/1`, form);
  expect(same.status).toBe(303);
  expect(textOf(await office.page(`${DEALS}/1`))).toContain("Nothing has changed.");

  await office.send("PATCH", "/crm/deals/1", { title: "Theirs", amount: "99.00" });
  const mine = { "f-title": "Mine", "f-close_on": "2026-05-05" };
  const conflict = await office.jar.post(`${DEALS}/1`, { ...form, ...mine });
  const asked = await conflict.text();
  expect(conflict.status).toBe(412);
  expect(asked).toContain("Somebody else has changed it meanwhile");
  expect(asked).toContain('name="c-title" value="mine" checked');
  expect(asked).toContain('name="c-amount" value="theirs" checked');
  // They haven't touched it: there is nothing to choose.
  expect(asked).not.toContain("c-close_on");
  const now = (name: string) =>
    (new RegExp(`name="${name}" value="([^"]*)"`).exec(asked)?.[1] ?? "").replaceAll("&quot;", '"');
  const chosen = {
    "c-title": "mine",
    "c-amount": "theirs",
    version: now("version"),
    original: now("original"),
  };
  const saved = await office.jar.post(`${DEALS}/1`, { ...form, ...mine, ...chosen });
  expect(saved.status).toBe(303);
  const row = { title: "Mine", amount: "99.00", close_on: "2026-05-05" };
  expect(await office.send("GET", "/crm/deals/1")).toMatchObject(row);
});

test("the form of a new row has the defaults of its table", async () => {
  const run = `
    import { createRouter, resource } from "xcore";
    import { boolean, decimal, enumOf, id, integer, table, timestamp, varchar } from "xcore/schema";
    const goods = table("crm_goods", {
      id: id(),
      kind: enumOf(["book", "toy"]).notNull().default("toy"),
      price: decimal(15, 2).notNull().default("9.90"),
      stock: integer().default(0),
      is_new: boolean().notNull().default(true),
      code: varchar(20),
      made_at: timestamp().notNull().defaultNow(),
    });
    export default createRouter().use(resource(goods, { admin: { show: { code: { kind: "toy" } } } }));`;
  await using office = await Office.open({ run });
  const path = "/ui/records/crm/goods";
  const html = await office.page(`${path}/~new`);
  expect(html).toContain('<option value="toy" selected>toy</option>');
  expect(html).not.toMatch(/name="f-kind"[^>]*><option value="">/);
  expect(html).toMatch(/name="f-price"[^>]* value="9.90"/);
  expect(html).toMatch(/name="f-stock"[^>]* value="0"/);
  expect(html).toMatch(/type="checkbox" name="f-is_new" value="true" [^>]*checked/);
  expect(html).toMatch(/name="f-made_at"[^>]* value=""/);
  const { columns } = await office.send("GET", "/system/resources/crm.goods");
  const usual = Object.fromEntries(
    columns.map((one: { name: string; default: unknown }) => [one.name, one.default]),
  );
  expect(usual).toMatchObject({
    id: null,
    kind: "toy",
    price: "9.90",
    stock: 0,
    is_new: true,
    made_at: null,
  });
});

test("steps of the workflow are buttons while they may be taken, and deleting asks first and names who refers", async () => {
  await using office = await Office.open();
  await office.fill(1);
  expect(textOf(await office.page(`${DEALS}/1`))).toContain("Win");
  await office.jar.post(`${DEALS}/1/~step`, { step: "win" });
  const won = textOf(await office.page(`${DEALS}/1`));
  expect(won).toContain("It is won now.");
  expect(won).toContain("Reopen");
  const again = await office.jar.post(`${DEALS}/1/~step`, { step: "win" });
  expect(again.status).toBe(303);
  expect(textOf(await office.page(`${DEALS}/1`))).toContain("won");

  const asked = await office.jar.post(`${COMPANIES}/1/~delete`, { title: "Acme" });
  expect(textOf(await asked.text())).toContain("Delete Acme?");
  await office.jar.post(`${COMPANIES}/1/~delete`, { title: "Acme", confirmed: "yes" });
  expect(textOf(await office.page(`${COMPANIES}/1`))).toContain("crm.deals");
  const gone = await office.jar.post(`${DEALS}/1/~delete`, { confirmed: "yes" });
  expect(placeOf(gone, DEALS)).toBe(DEALS);
  expect((await office.jar.get(`${DEALS}/1`)).status).toBe(404);
});

test("a language is chosen without leaving the page, whatever its own data are called", async () => {
  await using office = await Office.open();
  await office.fill(1);
  for (const here of [`${DEALS}/1`, `${DEALS}?stage=open&sort=-amount`, "/ui/users?role=admin"]) {
    // oxlint-disable-next-line no-await-in-loop -- one page after the other
    const html = await office.page(here);
    expect(html).toContain(`name="next" value="${here.replaceAll("&", "&amp;")}"`);
  }
  const refused = await office.jar.post(`${DEALS}/~new`, {});
  expect(await refused.text()).toContain(`name="next" value="${DEALS}"`);
});

test("rows of other resources that belong to a row are listed with it", async () => {
  await using office = await Office.open();
  await office.fill(0);
  for (const name of ["Ada", SCRIPT, "Cy", "Di", "Eve", "Flo"])
    await office.send("POST", "/crm/contacts", { name, company_id: 1 });
  const html = await office.page(`${COMPANIES}/1`);
  expect(textOf(html)).toContain("Contacts (6)");
  expect(html).toContain('href="/ui/records/crm/contacts?company_id=1"');
  expect(html).toContain('href="/ui/records/crm/contacts/~new?company_id=1"');
  expect(html).not.toContain("<script>alert");
});

test("chosen rows are deleted once that is confirmed, and exported; a list is exported as it is narrowed down", async () => {
  await using office = await Office.open();
  await office.fill(5);
  const body = new URLSearchParams({ act: "csv", back: `${DEALS}?_columns=title` });
  for (const id of ["2", "4"]) body.append("id", id);
  const chosen = await office.jar.get(`${DEALS}/~chosen`, { method: "POST", body });
  const file = await office.jar.get(placeOf(chosen, DEALS));
  expect(file.headers.get("content-disposition")).toContain("attachment");
  expect((await file.text()).replace("\uFEFF", "")).toBe("title\r\nDeal 2\r\nDeal 4\r\n");
  body.set("act", "delete");
  const asked = await (await office.jar.get(`${DEALS}/~chosen`, { method: "POST", body })).text();
  expect(textOf(asked)).toContain("Delete 2 rows?");
  expect(asked.match(/name="id"/g)).toHaveLength(2);
  body.set("confirmed", "yes");
  await office.jar.get(`${DEALS}/~chosen`, { method: "POST", body });
  expect((await office.send("GET", "/crm/deals")).total).toBe(3);
  const json = await office.jar.get(`${DEALS}/~export/json?amount.gte=50&_columns=title&page=1`);
  expect(await json.json()).toEqual([{ title: "Deal 5" }]);
  const away = await office.jar.post(`${DEALS}/~chosen`, { act: "csv", back: "https://evil.example" });
  expect(placeOf(away, DEALS)).toBe(DEALS);
});

test("script in every field of a form stays text, and another site's form does nothing", async () => {
  await using office = await Office.open();
  await office.send("POST", "/crm/companies", { name: SCRIPT, city: SCRIPT, notes: SCRIPT });
  await office.send("POST", "/crm/deals", { title: SCRIPT, amount: "1.00", company_id: 1 });
  for (const path of [
    `${COMPANIES}/1`,
    `${DEALS}/1`,
    `${DEALS}/1/~cell/title`,
    `${DEALS}/~choices/company_id`,
  ]) {
    const html = await office.page(path);
    expect(html).not.toContain(SCRIPT);
    expect(html).not.toContain("<script>alert");
  }
  const sent = {
    "f-title": SCRIPT,
    "f-amount": SCRIPT,
    "w-company_id": SCRIPT,
    search: "company_id",
    original: "[",
  };
  for (const path of [`${DEALS}/~new`, `${DEALS}/1`])
    expect(await (await office.jar.post(path, sent)).text()).not.toContain("<script>alert");
  const away = await office.jar.post(
    `${DEALS}/1`,
    { "f-title": "x" },
    { headers: { "sec-fetch-site": "cross-site" } },
  );
  expect(away.status).toBe(403);
});

testInBrowser(
  "a deal is found, edited in two tabs and in its list, by the keyboard alone",
  async (browser) => {
    await using office = await Office.open();
    await office.fill(3);
    await using first = await CheckedPage.open(browser, office.app, { user: office.jar, path: DEALS });
    await using second = await CheckedPage.open(browser, office.app, {
      user: office.jar,
      path: `${DEALS}/2`,
    });
    const { page } = first;
    // A day is the same everywhere, and has no hour.
    expect(await page.locator('time[datetime="2026-03-01"]').first().textContent()).toBe("1 Mar 2026");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("e");
    await page.waitForURL(`**${DEALS}/2`);
    await first.check();
    await page.getByLabel("Title").fill("Mine");

    await second.page.getByLabel("Title").fill("Theirs");
    await second.page.keyboard.press("Control+s");
    await second.page.getByText("Saved.").waitFor();

    await page.keyboard.press("Control+s");
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("radio", { name: "Mine" }).waitFor();
    first.forgive(/412/);
    await first.check();
    await dialog.getByRole("radio", { name: "Mine" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("Saved.").waitFor();
    expect(await office.send("GET", "/crm/deals/2")).toMatchObject({ title: "Mine" });
    await page.goto(DEALS);

    const change = page.getByRole("link", { name: "Change Amount of Mine" });
    await change.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("textbox", { name: "Amount" }).waitFor();
    await first.check();
    await page.keyboard.press("Control+a");
    await page.keyboard.type("lots");
    await page.keyboard.press("Enter");
    await page.getByText("Expected a decimal").waitFor();
    first.forgive(/422/);
    await page.keyboard.press("Control+a");
    await page.keyboard.type("77.70");
    await page.keyboard.press("Enter");
    await page.getByText("77.70").waitFor();
    expect(await office.send("GET", "/crm/deals/2")).toMatchObject({ amount: "77.70" });
    await first.check();
  },
);

testInBrowser(
  "the rows that a deal may refer to are looked for while typing, and leaving asks",
  async (browser) => {
    await using office = await Office.open();
    await office.fill(1);
    for (const name of ["Zeppelin", "Bolt"]) await office.send("POST", "/crm/companies", { name });
    await using checked = await CheckedPage.open(browser, office.app, {
      user: office.jar,
      path: `${DEALS}/~new`,
    });
    const { page } = checked;
    await page.getByLabel("Title").fill("Airship");
    await page.getByLabel("Amount").fill("5");
    await page.getByRole("searchbox", { name: "Search Company" }).fill("zep");
    await page.getByRole("option", { name: "Bolt" }).waitFor({ state: "detached" });
    await page.getByRole("combobox", { name: "Company" }).selectOption({ label: "Zeppelin" });
    await checked.check();
    const asked = page.waitForEvent("dialog");
    const left = page.getByRole("link", { name: "Cancel" }).click();
    const dialog = await asked;
    expect(dialog.type()).toBe("beforeunload");
    await dialog.dismiss();
    await left;
    await page.keyboard.press("Control+s");
    await page.getByText("Airship is made.").waitFor();
    expect(await office.send("GET", "/crm/deals/2")).toMatchObject({ title: "Airship", company_id: 2 });
  },
);
