import { expect, setDefaultTimeout, test } from "bun:test";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { COMPANIES, DEALS, Office, SCRIPT, textOf } from "./office.ts";

// Each of them goes through many pages.
setDefaultTimeout(120_000);

function plain(value: string): string {
  return value
    .replaceAll("&quot;", '"')
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}

/** The hidden fields of a form, as a browser sends them. */
function hiddenOf(html: string): Record<string, string> {
  const found = [...html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)];
  return Object.fromEntries(found.map(([, name = "", value = ""]) => [name, plain(value)]));
}

test("who makes what a field refers to comes back to what was typed, also to a row that somebody else has changed", async () => {
  await using office = await Office.open();
  await office.fill(1);
  const typed = { "f-title": SCRIPT, "f-amount": "12.50" };
  const asked = await office.jar.post(`${DEALS}/~new`, { ...typed, make: "company_id" });
  const form = await asked.text();
  expect(asked.status).toBe(200);
  expect(form).toContain(`action="${COMPANIES}/~new"`);
  expect(form).not.toContain("<script>alert");
  // Of this one nothing else is made.
  expect(form).not.toContain('name="make"');
  const kept = hiddenOf(form);
  const wrong = await office.jar.post(`${COMPANIES}/~new`, { ...kept, "f-name": "Acme" });
  expect(wrong.status).toBe(409);
  const again = hiddenOf(await wrong.text());
  const made = await office.jar.post(`${COMPANIES}/~new`, { ...again, "f-name": "Zeppelin" });
  const back = await made.text();
  expect(made.status).toBe(200);
  expect(textOf(back)).toContain("Zeppelin is made.");
  expect(back).toContain(`action="${DEALS}/~new"`);
  expect(back).toContain('<option value="2" selected>Zeppelin</option>');
  expect(back).toContain('value="12.50"');
  expect(back).not.toContain("<script>alert");

  const row = hiddenOf(await office.page(`${DEALS}/1`));
  const away = await office.jar.post(`${DEALS}/1`, { ...row, "f-title": "Mine", make: "company_id" });
  await office.send("PATCH", "/crm/deals/1", { title: "Theirs" });
  const returned = await office.jar.post(`${COMPANIES}/~new`, {
    ...hiddenOf(await away.text()),
    back: "yes",
  });
  const html = await returned.text();
  expect(html).toContain('value="Mine"');
  const saved = await office.jar.post(`${DEALS}/1`, { ...hiddenOf(html), "f-title": "Mine" });
  expect(saved.status).toBe(412);
});

test("only who may make what a field refers to is offered to, and a form that is made up leads nowhere", async () => {
  await using office = await Office.open();
  await office.fill(1);
  expect(await office.page(`${DEALS}/~new`)).toContain('name="make" value="company_id"');
  const { body: roles } = await office.app.getAsAdmin("/admin/roles");
  expect(roles.items.length).toBeGreaterThan(0);
  await office.send("POST", "/admin/roles", { name: "seller" });
  const seller = (await office.send("GET", "/admin/roles?q=seller")).items[0];
  await office.send("PUT", `/admin/roles/${seller.id}/permissions`, {
    permissions: ["deals:read", "deals:write", "companies:read"],
  });
  await office.jar.register("bob@example.com", ["seller"]);
  await office.jar.signIn("bob@example.com");
  const html = await office.page(`${DEALS}/~new`);
  expect(html).toContain(">Acme<");
  expect(html).not.toContain('name="make"');
  const refused = await office.jar.post(`${COMPANIES}/~new`, { "f-name": "Mine" });
  expect(refused.status).toBe(403);
  const outer = JSON.stringify({ resource: "crm.none", id: null, column: "x", sent: {} });
  expect((await office.jar.post(`${COMPANIES}/~new`, { outer, back: "yes" })).status).toBe(404);
  const odd = await office.jar.post(`${DEALS}/~new`, { outer: "[", back: "yes", "f-title": "" });
  expect(odd.status).toBe(422);
});

testInBrowser("what a field refers to is made in a dialog, by the keyboard alone", async (browser) => {
  await using office = await Office.open();
  await office.fill(1);
  await using checked = await CheckedPage.open(browser, office.app, {
    user: office.jar,
    path: `${DEALS}/~new`,
  });
  const { page } = checked;
  await page.getByLabel("Title").fill("Airship");
  await page.getByLabel("Amount").fill("5");
  await page.getByRole("button", { name: "New Company" }).press("Enter");
  const dialog = page.getByRole("dialog", { name: "New company" });
  await dialog.getByLabel("Name").fill("Acme");
  await checked.check();
  await page.keyboard.press("Enter");
  await dialog.getByRole("alert").waitFor();
  checked.forgive(/409/);
  await dialog.getByLabel("Name").fill("Zeppelin");
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "hidden" });
  const field = page.getByRole("combobox", { name: "Company" });
  expect(await field.evaluate((select: HTMLSelectElement) => select.selectedOptions[0]?.text)).toBe(
    "Zeppelin",
  );
  expect(await field.evaluate((select) => select === document.activeElement)).toBe(true);
  await checked.check();
  await page.keyboard.press("Control+s");
  await page.getByText("Airship is made.").waitFor();
  expect(await office.send("GET", "/crm/deals/2")).toMatchObject({ title: "Airship", company_id: 2 });
});

testInBrowser("without a script a page makes it, and leads back", async (browser) => {
  await using office = await Office.open();
  await office.fill(1);
  const options = { user: office.jar, path: `${DEALS}/~new`, javaScriptEnabled: false };
  await using checked = await CheckedPage.open(browser, office.app, options);
  const { page } = checked;
  await page.getByLabel("Title").fill("Airship");
  await page.getByRole("button", { name: "New Company" }).press("Enter");
  await page.getByLabel("Name").fill("Zeppelin");
  await page.getByRole("button", { name: "Create" }).press("Enter");
  await page.getByText("Zeppelin is made.").waitFor();
  await page.getByLabel("Amount").fill("5");
  await page.getByRole("button", { name: "Create" }).press("Enter");
  await page.getByText("Airship is made.").waitFor();
  expect(await office.send("GET", "/crm/deals/2")).toMatchObject({ title: "Airship", company_id: 2 });
});
