import { expect, setDefaultTimeout, test } from "bun:test";
import { CookieJar } from "../../accounts/browser/browser.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { DEALS, Office, rowsOf, SCRIPT, textOf } from "./office.ts";

// Each of them goes through many pages.
setDefaultTimeout(120_000);

const API = "/system/resources/crm.deals/views";
const VIEWS = `${DEALS}/~views`;

/** Where a page leads on to. */
function leadsTo(response: Response): string {
  expect(response.status).toBe(303);
  const { pathname, search } = new URL(response.headers.get("location") ?? "", response.url);
  return pathname + search;
}

/** Where an endless list goes on; null at its end. */
function more(html: string): string | null {
  return /<a [^>]*href="([^"]*after=[^"]*)" rel="next"/.exec(html)?.[1]?.replaceAll("&amp;", "&") ?? null;
}

test("a list is saved as a view, opened, saved again, renamed, begun with and deleted, by plain forms", async () => {
  await using office = await Office.open();
  await office.fill(12);
  const { jar } = office;
  const state =
    "stage=open&amount.gte=50&sort=-amount&per_page=10&_columns=title&_columns=amount&_filters=1&page=2";
  const opened = leadsTo(await jar.post(VIEWS, { state, name: " Large ones " }));
  const [view] = (await office.send("GET", API)).items;
  expect(view).toMatchObject({
    name: "Large ones",
    columns: ["title", "amount"],
    query: { stage: "open", "amount.gte": "50", sort: "-amount", per_page: "10" },
    mode: "paged",
    is_shared: false,
  });
  const html = await office.page(opened);
  expect(rowsOf(html).slice(0, 2)).toEqual([
    ["Deal 12", "120.50"],
    ["Deal 11", "110.50"],
  ]);
  expect(html).toContain(`_view=${view.id}" aria-current="true"`);
  expect(html).not.toContain("Save changes to");
  // Another list than the view's by now: it can be saved in its place.
  const other = opened.replace("amount.gte=50", "amount.gte=90");
  expect(await office.page(other)).toContain("Save changes to Large ones");
  const replaced = { act: "replace", state: other.split("?")[1] ?? "" };
  expect(leadsTo(await jar.post(`${VIEWS}/${view.id}`, { ...replaced, version: "1" }))).toBe(other);
  expect((await office.send("GET", `${API}/${view.id}`)).query["amount.gte"]).toBe("90");
  // While somebody else has done so, it isn't.
  leadsTo(await jar.post(`${VIEWS}/${view.id}`, { ...replaced, version: "1" }));
  expect(textOf(await office.page(other))).toContain("it has changed since it was read");
  leadsTo(await jar.post(VIEWS, { state, name: "Large ones" }));
  expect(textOf(await office.page(DEALS))).toContain("there is one of that name");
  const act = async (fields: Record<string, string>) =>
    leadsTo(await jar.post(`${VIEWS}/${view.id}`, fields));
  await act({ act: "rename", name: "Larger ones" });
  await act({ act: "begin" });
  const [, first] = [await office.page(VIEWS), leadsTo(await jar.get(DEALS))];
  expect(first).toContain(`_view=${view.id}`);
  // All rows are still to be had.
  expect(rowsOf(await office.page(`${DEALS}?_view=0`))).toHaveLength(12);
  await act({ act: "share" });
  expect((await office.send("GET", `${API}/${view.id}`)).is_shared).toBe(true);
  await act({ act: "unshare" });
  await act({ act: "begin-not" });
  const asked = await jar.post(`${VIEWS}/${view.id}`, { act: "delete", title: "Larger ones" });
  expect(await asked.text()).toContain("Delete the view Larger ones?");
  await act({ act: "delete", title: "Larger ones", confirmed: "yes" });
  expect((await office.send("GET", API)).items).toEqual([]);
});

test("names of views stay text, and views of others and those with what is gone are safe to open", async () => {
  await using office = await Office.open();
  await office.fill(1);
  const made = await office.send("POST", API, { name: SCRIPT, is_shared: true, query: { q: SCRIPT } });
  const { db, tables } = office.app.app.store;
  await db.update(tables.savedViews).set({ columns: JSON.stringify(["title", "<b>gone"]) });
  for (const path of [
    `${DEALS}?_view=${made.id}&_columns=title`,
    VIEWS,
    `${DEALS}?_view=<b>&_mode=<b>&per_page=<b>`,
  ]) {
    const html = await (await office.jar.get(path)).text();
    expect(html).toContain("<!doctype html>");
    expect(html).not.toContain(SCRIPT);
    expect(html).not.toContain("<b>");
  }
  expect(textOf(await office.page(`${DEALS}?_view=${made.id}`))).toContain(
    "Of this view some isn&#x27;t there any more: &lt;b&gt;gone",
  );
  // Of somebody else, whatever is sent.
  const own = await office.send("POST", API, { name: "Mine" });
  const bob = new CookieJar(office.app);
  await bob.register("bob@example.com", ["admin"]);
  await bob.signIn("bob@example.com");
  for (const act of ["rename", "delete", "replace", "begin", "share"])
    await bob.post(`${VIEWS}/${own.id}`, { act, name: "Bob's", state: "", version: "1", confirmed: "yes" });
  expect(await office.send("GET", `${API}/${own.id}`)).toEqual(own);
  expect(await (await bob.get(`${DEALS}?_view=${own.id}`)).text()).not.toContain("Mine");
});

test("an endless list leads to more rows by plain links, and its view keeps that", async () => {
  await using office = await Office.open();
  await office.fill(12);
  const first = await office.page(`${DEALS}?_mode=endless&per_page=5&_columns=title`);
  expect(first).not.toContain('aria-label="Pages"');
  const second = await office.page(more(first) ?? "");
  expect(
    rowsOf(second)
      .map(([title]) => title)
      .slice(0, 5),
  ).toEqual([6, 7, 8, 9, 10].map((at) => `Deal ${at}`));
  const last = await office.page(more(second) ?? "");
  expect([rowsOf(last).map(([title]) => title), more(last)]).toEqual([["Deal 11", "Deal 12"], null]);
  await office.jar.post(VIEWS, { state: "_mode=endless&per_page=5", name: "Endless" });
  expect((await office.send("GET", API)).items[0]).toMatchObject({
    mode: "endless",
    query: { per_page: "5" },
  });
});

testInBrowser(
  "views and an endless list in a browser, by keyboard and phone",
  async (browser) => {
    await using office = await Office.open();
    await office.fill(30);
    await using checked = await CheckedPage.open(browser, office.app, {
      user: office.jar,
      path: `${DEALS}?sort=-amount`,
    });
    const { page } = checked;
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    await page.locator("summary", { hasText: "Views" }).focus();
    await press("Enter");
    const name = page.getByLabel("Save this list as");
    await name.focus();
    await page.keyboard.type("Largest first");
    await checked.check();
    await press("Enter");
    await page.locator("summary", { hasText: "Largest first" }).waitFor();
    await page.getByText("The view is saved.").waitFor();
    await page.locator("summary", { hasText: "Columns" }).focus();
    await press("Enter");
    await page.getByLabel("Go on as it is scrolled").focus();
    await press(" ");
    await page.getByLabel("Rows at once").selectOption("10");
    await page.getByRole("button", { name: "Show", exact: true }).focus();
    await press("Enter");
    await page.locator("summary", { hasText: "Largest first *" }).waitFor();
    // More come by themselves, as long as what is last is seen.
    for (const rows of [10, 20, 30]) {
      await page.waitForFunction((seen) => document.querySelectorAll("[data-row]").length >= seen, rows);
      await page.keyboard.press("Control+End");
    }
    await page.getByText("There are no more rows.").waitFor();
    expect(await page.locator("[data-row]").count()).toBe(30);
    await checked.check();
    await page.locator("summary", { hasText: "Largest first *" }).focus();
    await press("Enter");
    await page.getByRole("button", { name: "Save changes to Largest first" }).focus();
    await press("Enter");
    await page.getByText("The view is saved.").waitFor();
    await page
      .locator("summary")
      .filter({ hasText: /^Largest first$/ })
      .waitFor();
    await page.goto(VIEWS);
    await checked.check();
    await page.getByRole("button", { name: "Begin with it: Largest first" }).focus();
    await press("Enter");
    await page.getByText("The list begins with it").waitFor();

    await using phone = await CheckedPage.open(browser, office.app, {
      user: office.jar,
      path: DEALS,
      viewport: { width: 390, height: 800 },
    });
    await phone.page.locator("summary", { hasText: "Largest first" }).click();
    await phone.check();
    const width = () => phone.page.evaluate(() => document.documentElement.scrollWidth);
    expect(await width()).toBeLessThanOrEqual(390);
    await phone.page.goto(VIEWS);
    await phone.check();
    expect(await width()).toBeLessThanOrEqual(390);
  },
  120_000,
);
