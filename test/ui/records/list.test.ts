import { expect, setDefaultTimeout, test } from "bun:test";
import { CookieJar, placeOf } from "../../accounts/browser/browser.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { COMPANIES, DEALS, Office, rowsOf, SCRIPT, textOf } from "./office.ts";

// Each of them goes through many pages.
setDefaultTimeout(120_000);

test("the list of a resource shows its rows by kind, and those that they refer to by their titles", async () => {
  await using office = await Office.open();
  await office.fill(30);
  const html = await office.page(DEALS);
  const [first = []] = rowsOf(html);
  expect(first.slice(0, 3)).toEqual(["Deal 1", "open", "10.50"]);
  expect(first).toContain("Acme");
  expect(html).toContain(`href="${COMPANIES}/1"`);
  expect(html).toMatch(/<time [^>]*datetime="2026-03-01">/);
  expect(rowsOf(html)).toHaveLength(25);
  expect(textOf(html)).toContain("30 rows");
  expect(rowsOf(await office.page(`${DEALS}?page=2`))).toHaveLength(5);
  // Below its plugin in the menu.
  expect(html).toMatch(new RegExp(`<a href="${DEALS}" [^>]*aria-current="page">`));
});

test("a list is sorted, searched, narrowed down by columns and by a condition, by plain links and forms", async () => {
  await using office = await Office.open();
  await office.fill(12);
  const titles = async (search: string) =>
    rowsOf(await office.page(`${DEALS}?${search}`)).map(([title]) => title);
  expect((await titles("sort=-amount")).slice(0, 2)).toEqual(["Deal 12", "Deal 11"]);
  expect(await titles("q=Deal+11")).toEqual(["Deal 11"]);
  expect(await titles("q=&stage=&amount.gte=100&amount.lte=115")).toEqual(["Deal 10", "Deal 11"]);
  expect(await titles("stage=won")).toEqual([]);
  expect(await titles(`filter=${encodeURIComponent('amount > 115 || title = "Deal 3"')}`)).toEqual([
    "Deal 3",
    "Deal 12",
  ]);
  const html = await office.page(`${DEALS}?_filters=1&stage=open&company_id=1&_columns=title&_columns=stage`);
  expect(html).toContain('name="stage" value="open" checked');
  expect(html).toContain('<option value="1" selected>Acme</option>');
  expect(rowsOf(html)[0]).toEqual(["Deal 1", "open"]);
  expect(html).toContain(`${DEALS}?_filters=1&amp;company_id=1&amp;_columns=title`);
  const empty = textOf(await office.page(`${DEALS}?stage=won`));
  expect(empty).toContain("Nothing fits what you look for.");
});

test("a condition that is wrong is shown with its place, and what isn't known is refused", async () => {
  await using office = await Office.open();
  const html = await office.page(`${DEALS}?_filters=1&filter=${encodeURIComponent("stage = <b>")}`, 422);
  expect(html).toContain("stage = <mark>&lt;</mark>b&gt;");
  expect(await office.page(`${DEALS}?stage=lots`, 422)).toContain("alert-error");
  expect(await office.page("/ui/records/crm/nothing", 404)).toContain("crm.nothing");
});

test("script in every field of a list stays text", async () => {
  await using office = await Office.open();
  await office.send("POST", "/crm/companies", { name: SCRIPT, city: SCRIPT, notes: SCRIPT });
  await office.send("POST", "/crm/deals", { title: SCRIPT, amount: "1.00", company_id: 1 });
  const search = encodeURIComponent(SCRIPT);
  for (const path of [
    DEALS,
    `${COMPANIES}?_columns=name,city,notes`,
    `${DEALS}?_filters=1&q=${search}&title.contains=${search}`,
    `${DEALS}?_columns=${search}&sort=${search}`,
    `${DEALS}?_filters=1&filter=${search}`,
    `${DEALS}?${search}=${search}`,
    `/ui/records/crm/${search}`,
  ]) {
    const html = await (await office.jar.get(path)).text();
    expect(html).toContain("<!doctype html>");
    expect(html).not.toContain(SCRIPT);
    expect(html).not.toContain("<script>alert");
  }
});

test("who may not read a resource isn't led to it, and who isn't signed in is led to the login", async () => {
  await using office = await Office.open({ roles: [] });
  expect(await office.page("/ui/records/crm/deals", 404)).not.toContain(`href="${DEALS}"`);
  const stranger = new CookieJar(office.app);
  expect(placeOf(await stranger.get(DEALS), DEALS)).toBe("/auth/login?next=%2Fui%2Frecords%2Fcrm%2Fdeals");
});

/** Whether an address asks for rows by these words. */
function asksFor(q: string): (url: URL) => boolean {
  return (url) => url.searchParams.get("q") === q;
}

testInBrowser(
  "a list in a browser: searched while typing, by phone and without a script",
  async (browser) => {
    await using office = await Office.open();
    await office.fill(30);
    await using checked = await CheckedPage.open(browser, office.app, { user: office.jar, path: DEALS });
    const { page } = checked;
    await checked.check();
    // Whoever types on while the server takes its time sees what they typed last.
    const late = Promise.withResolvers<void>();
    await page.route(asksFor("D"), async (route) => {
      await late.promise;
      await route.continue();
    });
    for (const q of ["D", "Deal 1"]) {
      const asked = page.waitForRequest((request) => asksFor(q)(new URL(request.url())));
      await page.getByRole("searchbox").fill(q);
      await asked;
    }
    await page.getByRole("searchbox").fill("Deal 17");
    await page.getByRole("link", { name: "Deal 1", exact: true }).waitFor({ state: "detached" });
    late.resolve();
    expect(await page.locator("tbody tr").count()).toBe(1);
    expect(new URL(page.url()).searchParams.get("q")).toBe("Deal 17");
    await checked.check();
    await page.getByRole("link", { name: "Filters" }).click();
    await page.getByRole("checkbox", { name: "open" }).check();
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByRole("link", { name: /Remove Stage/ }).waitFor();
    await checked.check();

    await using phone = await CheckedPage.open(browser, office.app, {
      user: office.jar,
      path: DEALS,
      viewport: { width: 390, height: 800 },
      javaScriptEnabled: false,
    });
    await phone.page.getByRole("link", { name: "Amount", exact: true }).click();
    expect(new URL(phone.page.url()).searchParams.get("sort")).toBe("amount");
  },
);
