import { expect } from "bun:test";
import { setupTables } from "../../resources/crm.ts";
import { CheckedPage } from "../checked-page.ts";
import { COMPANIES, DEALS, Office } from "../records/office.ts";
import { download } from "./hands.ts";
import { tellStories } from "./stories.ts";

/** A company with three deals, of which one is won. */
async function addDeals(office: Office, company: string): Promise<number[]> {
  const { id: company_id } = await office.send("POST", "/crm/companies", { name: company });
  const ids: number[] = [];
  for (const [title, amount] of [
    ["Small", "10.00"],
    ["Middling", "200.00"],
    ["Large", "3000.00"],
  ] as const) {
    const { id } = await office.send("POST", "/crm/deals", {
      title: `${title} of ${company}`,
      amount,
      company_id,
    });
    ids.push(id);
  }
  return ids;
}

/** A table of papers, each with a file. */
const PAPERS = {
  "office/plugin.json": { name: "office", version: "1.0.0" },
  "office/run.ts": `import { sql } from "drizzle-orm";
import { createRouter, db, resource } from "xcore";
import { file, id, table, varchar } from "xcore/schema";
const papers = table("office_papers", {
  id: id(),
  title: varchar(50).notNull(),
  contract: file({ types: ["application/pdf"], maxSize: "10kb" }),
});
export default createRouter().use(resource(papers));
${setupTables([(key) => `create table office_papers (id ${key}, title varchar(50) not null, contract char(36))`])}`,
};

tellStories(() => Office.open({ files: PAPERS }), {
  "rows are listed, searched, narrowed down by a column, and exported as they are shown": async ({
    hand,
    browser,
    stage: office,
    toName,
    check,
  }) => {
    const company = toName("Acme");
    await addDeals(office, company);
    await addDeals(office, toName("Other"));
    await using checked = await CheckedPage.open(browser, office.app, { user: office.jar });
    const { page } = checked;
    await hand.goTo(page, "Deals");
    await hand.press(page.getByRole("link", { name: "Filters" }));
    await hand.write(page.getByRole("spinbutton", { name: "Amount from" }), "100");
    await hand.press(page.getByRole("button", { name: "Apply" }));
    await page.getByRole("list", { name: "Narrowed down by" }).waitFor();
    const rows = page.getByText(/^\d+ rows$/);
    expect(await rows.textContent()).not.toBe("2 rows");
    await hand.write(page.getByRole("searchbox", { name: "Search", exact: true }), company);
    await page.getByText("2 rows", { exact: true }).waitFor();
    expect(await page.getByRole("rowheader").allTextContents()).toEqual([
      `Middling of ${company}`,
      `Large of ${company}`,
    ]);
    await check(checked);

    await hand.press(page.getByText("Export", { exact: true }));
    const file = await download(page, () => hand.press(page.getByRole("link", { name: "CSV" })));
    expect(file.name).toEndWith(".csv");
    expect(file.text.trim().split("\r\n")).toHaveLength(3);
    expect(file.text).toContain(`Large of ${company}`);
    expect(file.text).not.toContain(`Small of ${company}`);
    await hand.press(page.getByText("Export", { exact: true }));
    await hand.press(page.getByRole("link", { name: /^Remove Amount/ }));
    await page.getByText("3 rows", { exact: true }).waitFor();
    await check(checked);
  },

  "a row that is edited in two tabs asks which of the two values is to stay": async ({
    hand,
    browser,
    stage: office,
    toName,
    check,
  }) => {
    const [id = 0] = await addDeals(office, toName("Bolt"));
    const path = `${DEALS}/${id}`;
    await using checked = await CheckedPage.open(browser, office.app, { user: office.jar, path });
    const { page } = checked;
    const other = await checked.openTab(path);
    await hand.write(page.getByRole("textbox", { name: "Title" }), "Mine");
    await other.bringToFront();
    await hand.write(other.getByRole("textbox", { name: "Title" }), "Theirs");
    await hand.write(other.getByRole("textbox", { name: "Amount" }), "11.00");
    await hand.save(other);
    await other.getByText("Saved.").waitFor();

    await page.bringToFront();
    await hand.save(page);
    const dialog = page.getByRole("dialog", { name: "Somebody else has changed it meanwhile" });
    await dialog.waitFor();
    checked.forgive(/412/);
    await check(checked);
    await hand.tick(dialog.getByRole("radio", { name: "Theirs" }));
    await hand.tick(dialog.getByRole("radio", { name: "Mine" }));
    await hand.press(dialog.getByRole("button", { name: "Save the choice" }));
    await page.getByText("Saved.").waitFor();
    expect(await office.send("GET", `/crm/deals/${id}`)).toMatchObject({ title: "Mine", amount: "11.00" });
    await check(checked);
  },

  "a file is imported: its columns are told apart, it is tried, and its mistakes are left out": async ({
    hand,
    browser,
    stage: office,
    toName,
    check,
  }) => {
    const [first, second] = [toName("Cobalt"), toName("Dune")];
    const csv = `name,Where\n${first},Oslo\n,Rome\n${second},Ghent\n`;
    await using checked = await CheckedPage.open(browser, office.app, { user: office.jar });
    const { page } = checked;
    await hand.goTo(page, "Companies");
    await hand.press(page.getByRole("link", { name: "Import" }));
    await hand.give(page.getByLabel(/^A file/), {
      name: "companies.csv",
      mimeType: "text/csv",
      buffer: Buffer.from(csv),
    });
    await hand.press(page.getByRole("button", { name: "Go on" }));
    await hand.choose(page.getByLabel("Where"), "City");
    await hand.press(page.getByRole("button", { name: "Try it" }));
    await page.getByText("1 have mistakes").waitFor();
    await check(checked);
    const mistakes = await download(page, () =>
      hand.press(page.getByRole("button", { name: "Mistakes as CSV" })),
    );
    expect(mistakes.text).toMatch(/^3,name,/m);
    await hand.tick(page.getByRole("checkbox", { name: "Leave out" }));
    await hand.press(page.getByRole("button", { name: "Import", exact: true }));
    await page.getByText("2 made, 0 changed, 1 left out").waitFor();
    expect(new URL(page.url()).pathname).toBe(COMPANIES);
    const found = await office.send("GET", `/crm/companies?q=${second}`);
    expect(found.items).toMatchObject([{ name: second, city: "Ghent" }]);
  },

  "a file is given to a row as it is made, and got back as it was": async ({
    hand,
    browser,
    stage: office,
    toName,
    check,
  }) => {
    const title = toName("Lease");
    const pdf = `%PDF-1.7\n% ${title}\n%%EOF\n`;
    await using checked = await CheckedPage.open(browser, office.app, { user: office.jar });
    const { page } = checked;
    await hand.goTo(page, "Papers");
    await hand.press(page.getByRole("link", { name: "New" }));
    await hand.write(page.getByRole("textbox", { name: "Title" }), title);
    await hand.give(page.getByLabel("Contract"), {
      name: "lease.pdf",
      mimeType: "application/pdf",
      buffer: Buffer.from(pdf),
    });
    await check(checked);
    await hand.press(page.getByRole("button", { name: "Create" }));
    await page.getByText(`${title} is made.`).waitFor();
    await page.getByRole("heading", { level: 1, name: title }).waitFor();
    const file = await download(page, () => hand.press(page.getByRole("link", { name: "lease.pdf" })));
    expect(file).toEqual({ name: "lease.pdf", text: pdf });
    await check(checked);
  },
});
