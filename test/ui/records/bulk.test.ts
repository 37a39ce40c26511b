import { expect, setDefaultTimeout, test } from "bun:test";
import { CookieJar } from "../../accounts/browser/browser.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { COMPANIES, DEALS, Office, SCRIPT, textOf } from "./office.ts";

// Each of them goes through many pages.
setDefaultTimeout(120_000);

const CHOSEN = `${DEALS}/~chosen`;
const EDIT = `${DEALS}/~edit`;
const idsOf = (...ids: number[]): string[][] => ids.map((id) => ["id", String(id)]);

test("rows that are chosen get the same values by a plain form, and what isn't checked stays", async () => {
  await using office = await Office.open();
  await office.fill(4);
  await office.send("POST", "/crm/companies", { name: "Other" });
  const { jar } = office;
  const back = `${DEALS}?sort=title`;
  const form = await jar.post(CHOSEN, [["act", "edit"], ["back", back], ...idsOf(1, 3)]);
  const html = await form.text();
  expect(textOf(html)).toContain("Change 2 rows");
  expect([...html.matchAll(/name="id" value="(\d+)"/g)].map(([, id]) => id)).toEqual(["1", "3"]);
  // Steps are taken one by one, and the key is nobody's to set.
  for (const name of ["f-stage", "f-id"]) expect(html).not.toContain(`name="${name}"`);
  const sent = [
    ["back", back],
    ["_set", "amount"],
    ["_set", "company_id"],
    ["f-amount", "7.00"],
    ["f-company_id", "2"],
    ["f-title", "ignored"],
    ...idsOf(1, 3, 3),
  ];
  const done = await jar.post(EDIT, sent);
  expect([done.status, done.headers.get("location")]).toEqual([303, expect.stringContaining("sort=title")]);
  expect(textOf(await office.page(back))).toContain("2 rows are changed.");
  const { items } = await office.send("GET", "/crm/deals?sort=id&fields=title,amount,company_id");
  expect(items.map((row: object) => Object.values(row))).toEqual([
    ["Deal 1", "7.00", 2],
    ["Deal 2", "20.50", 1],
    ["Deal 3", "7.00", 2],
    ["Deal 4", "40.50", 1],
  ]);
  const none = await jar.post(EDIT, [["f-amount", "9"], ...idsOf(1)]);
  expect([none.status, textOf(await none.text())]).toEqual([
    422,
    expect.stringContaining("Choose what to change first."),
  ]);
  // A value may be taken away, where that may be nothing.
  await jar.post(EDIT, [["_set", "close_on"], ["f-close_on", ""], ...idsOf(1)]);
  expect((await office.send("GET", "/crm/deals/1")).close_on).toBe(null);
});

test("rows that stand in the way are named with their reasons, and the others are changed without them", async () => {
  await using office = await Office.open();
  await office.fill(4);
  const { jar } = office;
  await office.send("PATCH", "/crm/deals/2", { title: SCRIPT, starts_on: "2026-02-01" });
  await office.send("DELETE", "/crm/deals/3");
  const set = [
    ["_set", "close_on"],
    ["f-close_on", "2026-01-15"],
    ["back", DEALS],
  ];
  const refused = await jar.post(EDIT, [...set, ...idsOf(1, 2, 3, 4)]);
  const html = await refused.text();
  expect(refused.status).toBe(422);
  expect(html).not.toContain(SCRIPT);
  const words = textOf(html);
  expect(words).toContain("2 rows can&#x27;t be changed so");
  expect(words).toContain("Close on: must not be before the start");
  expect(words).toContain("Cannot find deal");
  expect(words).toContain("Go on with the others (2)");
  const closes = async () =>
    (await office.send("GET", "/crm/deals?sort=id")).items.map(
      (row: Record<string, unknown>) => row["close_on"],
    );
  expect(await closes()).toEqual(["2026-03-01", "2026-03-02", "2026-03-04"]);
  const fields = [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)]
    .map(([, name = "", value = ""]) => [name, value])
    .filter(([name]) => name !== "csrf_token");
  expect((await jar.post(EDIT, fields)).status).toBe(303);
  expect(await closes()).toEqual(["2026-01-15", "2026-03-02", "2026-01-15"]);
  // What is no value of the column is of all of them.
  const wrong = await jar.post(EDIT, [
    ["_set", "amount"],
    ["f-amount", "much"],
    ["back", DEALS],
    ...idsOf(1, 2),
  ]);
  expect([wrong.status, textOf(await wrong.text())]).toEqual([422, expect.stringContaining("2 rows can")]);
  // Companies that deals refer to can't go; the others can.
  await office.send("POST", "/crm/companies", { name: "Idle" });
  const kept = await jar.post(`${COMPANIES}/~chosen`, [
    ["act", "delete"],
    ["confirmed", "yes"],
    ...idsOf(1, 2),
  ]);
  const said = textOf(await kept.text());
  expect([said, said]).toEqual([
    expect.stringContaining("Acme"),
    expect.stringContaining("Go on with the others (1)"),
  ]);
  expect((await office.send("GET", "/crm/companies")).total).toBe(2);
});

test("who may not change rows isn't asked what to, and changes none", async () => {
  await using office = await Office.open();
  await office.fill(2);
  const role = await office.send("POST", "/admin/roles", { name: "reader" });
  await office.send("PUT", `/admin/roles/${role.id}/permissions`, {
    permissions: ["deals:read", "deals:all"],
  });
  const bob = new CookieJar(office.app);
  await bob.register("bob@example.com", ["reader"]);
  await bob.signIn("bob@example.com");
  expect(await (await bob.get(DEALS)).text()).not.toContain('value="edit"');
  const sent = [["_set", "amount"], ["f-amount", "1"], ["back", DEALS], ...idsOf(1, 2)];
  const answer = await bob.post(EDIT, sent);
  expect(answer.status).toBe(303);
  expect(textOf(await (await bob.get(DEALS)).text())).toContain("deals:write");
  expect((await office.send("GET", "/crm/deals/1")).amount).toBe("10.50");
  const nobody = await bob.post(EDIT, { back: "https://example.com/" });
  expect(nobody.headers.get("location")).not.toContain("example.com");
});

testInBrowser("rows are changed together in a browser, by keyboard and phone", async (browser) => {
  await using office = await Office.open();
  await office.fill(5);
  await using checked = await CheckedPage.open(browser, office.app, { user: office.jar, path: DEALS });
  const { page } = checked;
  await page.getByLabel("Choose Deal 2").focus();
  await page.keyboard.press(" ");
  await page.getByLabel("Choose Deal 4").focus();
  await page.keyboard.press(" ");
  await page.getByLabel("With what is chosen").selectOption("edit");
  await page.getByRole("button", { name: "Do" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Change 2 rows" }).waitFor();
  await checked.check();
  // What is typed into is meant to be set.
  await page.getByLabel("Amount", { exact: true }).focus();
  await page.keyboard.type("99.00");
  expect(await page.getByLabel("Change Amount").isChecked()).toBe(true);
  await page.keyboard.press("Control+s");
  await page.getByText("2 rows are changed.").waitFor();
  await checked.check();
  const { items } = await office.send("GET", "/crm/deals?amount=99.00&sort=id&fields=id");
  expect(items).toEqual([{ id: 2 }, { id: 4 }]);

  await using phone = await CheckedPage.open(browser, office.app, {
    user: office.jar,
    path: DEALS,
    viewport: { width: 390, height: 800 },
    javaScriptEnabled: false,
  });
  await phone.page.getByLabel("Choose Deal 1").check();
  await phone.page.getByLabel("With what is chosen").selectOption("edit");
  await phone.page.getByRole("button", { name: "Do" }).click();
  await phone.page.getByLabel("Change Amount").check();
  await phone.page.getByLabel("Amount", { exact: true }).fill("5.00");
  await phone.page.getByRole("button", { name: "Change 1 rows" }).click();
  await phone.page.getByText("1 rows are changed.").waitFor();
});
