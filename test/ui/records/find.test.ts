import { expect, setDefaultTimeout, test } from "bun:test";
import { CookieJar } from "../../accounts/browser/browser.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { Office, SCRIPT } from "./office.ts";

// Each of them goes through many pages.
setDefaultTimeout(120_000);

interface Found {
  readonly label: string;
  readonly hint: string;
  readonly path: string;
}

async function find(jar: CookieJar, q: string): Promise<readonly Found[]> {
  const answer = await jar.send("GET", `/ui/find?${new URLSearchParams({ q })}`, undefined);
  const body = (await answer.json()) as { items: readonly Found[] };
  expect({ q, status: answer.status, body }).toMatchObject({ status: 200 });
  return body.items;
}

test("rows are found by the words that they are searched for by, a few of each resource", async () => {
  await using office = await Office.open();
  await office.fill(8);
  const company = { label: "Acme", hint: "company", path: "/ui/records/crm/companies/1" };
  const all = await find(office.jar, "acme");
  expect(all[0]).toEqual(company);
  // Deals are searched for by the name of their company too.
  expect(all.filter(({ hint }) => hint === "deal")).toHaveLength(5);
  expect((await find(office.jar, "deals acme")).every(({ hint }) => hint === "deal")).toBe(true);
  expect(await find(office.jar, "Deal 3")).toMatchObject([
    { label: "Deal 3", path: "/ui/records/crm/deals/3" },
  ]);
  expect(await find(office.jar, "ada@")).toEqual([
    { label: "ada@example.com", hint: "", path: expect.stringMatching(/^\/ui\/users\/\d+$/) },
  ]);
  for (const words of ["nothing goes by that", "%_", SCRIPT, "' OR 1=1 --", '""', "**", "x".repeat(200)]) {
    expect(await find(office.jar, words)).toEqual([]);
  }
  const long = await office.jar.send("GET", `/ui/find?q=${"x".repeat(201)}`, undefined);
  expect(long.status).toBe(422);
});

test("what somebody may make is begun from the palette of any page", async () => {
  await using office = await Office.open();
  const action = 'href="/ui/records/crm/deals/~new"';
  expect(await office.page("/ui")).toContain(action);
  const reader = new CookieJar(office.app);
  await reader.register("bob@example.com");
  await reader.signIn("bob@example.com");
  await office.send("POST", "/admin/roles", { name: "readers", permissions: ["deals:read"] });
  const { items } = await office.send("GET", "/admin/users?q=bob");
  const roles = await office.send("GET", "/admin/roles?per_page=100");
  const role = roles.items.find((one: { name: string }) => one.name === "readers");
  await office.send("POST", `/admin/users/${items[0].id}/roles/${role.id}`);
  const html = await (await reader.get("/ui")).text();
  expect(html).toContain('href="/ui/records/crm/deals"');
  expect(html).not.toContain("~new");
});

test("nothing is found that whoever looks for it may not read", async () => {
  await using office = await Office.open();
  await office.fill(3);
  const { app } = office;
  const stranger = new CookieJar(app);
  await stranger.register("bob@example.com");
  await stranger.signIn("bob@example.com");
  expect(await find(stranger, "acme")).toEqual([]);
  expect(await find(stranger, "ada@")).toEqual([]);
  const nobody = await app.fetch("/ui/find?q=acme");
  expect(nobody.status).toBe(401);
  // Deals of others are there only to who may read all: the rows are those of the list.
  await office.send("POST", "/admin/roles", { name: "sales", permissions: ["deals:read"] });
  const { items } = await office.send("GET", "/admin/users?q=bob");
  const roles = await office.send("GET", "/admin/roles?per_page=100");
  const role = roles.items.find((one: { name: string }) => one.name === "sales");
  await office.send("POST", `/admin/users/${items[0].id}/roles/${role.id}`);
  await stranger.signIn("bob@example.com");
  expect((await stranger.send("GET", "/crm/deals", undefined)).status).toBe(200);
  expect(await find(stranger, "Deal 1")).toEqual([]);
});

testInBrowser("a row is gone to by the keyboard alone", async (browser) => {
  await using office = await Office.open();
  await office.fill(3);
  await office.send("POST", "/crm/companies", { name: `${SCRIPT} Zebra`, city: "Paris" });
  await using checked = await CheckedPage.open(browser, office.app, { user: office.jar });
  const { page } = checked;
  await page.keyboard.press("Control+k");
  await page.keyboard.type("zebra");
  await page.locator('#palette [aria-selected="true"]', { hasText: SCRIPT }).waitFor();
  await checked.check();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("acm");
  await page.locator('#palette [aria-selected="true"]', { hasText: "Acme" }).waitFor();
  // An answer that comes late leaves whoever has gone on meanwhile where they are.
  const late = Promise.withResolvers<void>();
  await page.route(/\/ui\/find\?q=acme$/, async (route) => {
    await late.promise;
    await route.continue();
  });
  await page.keyboard.type("e");
  await page.keyboard.press("ArrowDown");
  await page.locator('#palette [aria-selected="true"]', { hasText: "Deal" }).waitFor();
  await page.evaluate(() => document.querySelector("[data-found]")?.setAttribute("data-early", ""));
  late.resolve();
  await page.locator("[data-early]").waitFor({ state: "detached" });
  await page.locator('#palette [aria-selected="true"]', { hasText: "Deal" }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL("**/ui/records/crm/deals/*");
  await checked.check();
});
