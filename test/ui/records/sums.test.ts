import { expect, setDefaultTimeout, test } from "bun:test";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { DEALS, Office, SCRIPT, textOf } from "./office.ts";

// Each of them goes through many pages.
setDefaultTimeout(120_000);

const SUMS = `${DEALS}/~summary`;

test("sums stand beside each other, each with a table, kept in the address", async () => {
  await using office = await Office.open();
  await office.fill(4);
  await office.send("POST", "/crm/companies", { name: SCRIPT });
  await office.send("POST", "/crm/deals", { title: "x", amount: "-5.00", company_id: 2 });
  const html = await office.page(
    `${SUMS}?_group=company.name&_value=amount&_panel=stage|&_panel=nothing|nothing&_panel=stage|&_panel=close_on.month|amount`,
  );
  expect(html).not.toContain(SCRIPT);
  const words = textOf(html);
  for (const one of ["Amount: Company", "number of rows: Stage", "Amount: Close on (by month)"])
    expect(words).toContain(one);
  expect(html.match(/data-panel/g)).toHaveLength(3);
  expect(html).toContain('data-label="Acme" data-figure="102.00"');
  expect(html).toContain('data-figure="-5.00"');
  // Another one is kept by a link, and taken away by one.
  const keep =
    /href="([^"]*)"[^>]*>(?:(?!<\/a>)[^])*Keep beside/.exec(html)?.[1]?.replaceAll("&amp;", "&") ?? "";
  expect(new URL(keep, office.app.url).searchParams.getAll("_panel")).toEqual([
    "stage|",
    "close_on.month|amount",
    "company.name|amount",
  ]);
  const fuller = await office.page(keep.replace("_group=company.name", "_group=stage"));
  expect(fuller.match(/data-panel/g)).toHaveLength(4);
  const remove = /href="([^"]*)" aria-label="Remove number of rows: Stage"/.exec(html)?.[1] ?? "";
  expect(remove).not.toContain("stage");
  const many = [...Array(20).keys()].map((at) => `_panel=${at % 2 ? "stage" : "close_on.year"}|${at}`);
  expect((await office.page(`${SUMS}?${many.join("&")}`)).match(/data-panel/g)).toHaveLength(2);
  // Of rows as they are narrowed down in the list, whose links lead back there.
  const won = await office.page(`${SUMS}?stage=won&_panel=stage|`);
  expect(textOf(won)).toContain("Nothing is here yet.");
  expect(won).not.toContain("sums.js");
});

testInBrowser(
  "charts of sums are drawn of their tables, on a phone too, and the tables do without",
  async (browser) => {
    await using office = await Office.open();
    await office.fill(4);
    await office.send("POST", "/crm/companies", { name: SCRIPT });
    await office.send("POST", "/crm/deals", {
      title: "x",
      amount: "-5.00",
      company_id: 2,
      close_on: "2026-05-01",
    });
    const path = `${SUMS}?_group=company.name&_value=amount&_panel=close_on.month|amount`;
    for (const width of [1280, 390]) {
      await using checked = await CheckedPage.open(browser, office.app, {
        user: office.jar,
        path,
        viewport: { width, height: 800 },
      });
      const { page } = checked;
      await page.locator('[data-drawn="2"]').first().waitFor();
      expect(await page.locator("[data-sums] canvas").count()).toBe(2);
      await checked.check();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      // Something is drawn, in the colour of the theme.
      const inks = await page.evaluate(() =>
        [...document.querySelectorAll("canvas")].map((canvas) => {
          const data = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
          return new Set(data).size;
        }),
      );
      for (const ink of inks) expect(ink).toBeGreaterThan(3);
    }
    await using plain = await CheckedPage.open(browser, office.app, {
      user: office.jar,
      path,
      javaScriptEnabled: false,
    });
    await plain.page.getByRole("link", { name: "Keep beside" }).focus();
    await plain.page.keyboard.press("Enter");
    await plain.page.waitForURL(/company\.name%7Camount/);
    await plain.page.getByLabel("By what").selectOption("stage");
    await plain.page.getByRole("button", { name: "Show" }).press("Enter");
    await plain.page.getByRole("region", { name: "Figures of Amount: Stage" }).getByText("97.00").waitFor();
    expect(await plain.page.locator("canvas").count()).toBe(0);
  },
);
