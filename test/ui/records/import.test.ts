import { expect, setDefaultTimeout, test } from "bun:test";
import { placeOf } from "../../accounts/browser/browser.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { COMPANIES, DEALS, Office, SCRIPT, textOf } from "./office.ts";

// Each of them goes through many pages.
setDefaultTimeout(120_000);

const IMPORT = `${COMPANIES}/~import`;
const CSV = `Company,city,Remarks\nBolt,Oslo,x\n,Rome,y\n"${SCRIPT.replaceAll('"', '""')}",Bonn,z\n`;

/** Sends the form of an import, with the fields that the page has. */
function send(office: Office, fields: Record<string, string>, text: string | null = null): Promise<Response> {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  if (text !== null) body.append("file", new File([text], `${SCRIPT}.csv`, { type: "text/csv" }));
  return office.jar.get(IMPORT, { method: "POST", body });
}

test("a file is imported by its own columns, once it was tried, and its mistakes are told row by row", async () => {
  await using office = await Office.open();
  const chosen = await (await send(office, {}, CSV)).text();
  expect(chosen).not.toContain("<script>alert");
  expect(textOf(chosen)).toContain("Remarks");
  expect(chosen).toContain('<option value="city" selected>');
  const kept = { kept: Buffer.from(CSV).toString("base64"), name: "a.csv", type: "text/csv" };
  expect(chosen).toContain(`name="kept" value="${kept.kept}"`);

  const columns = { ...kept, "m-0": "name", "m-1": "city", "m-2": "" };
  const tried = await (await send(office, { ...columns, step: "try" })).text();
  expect(textOf(tried)).toContain(
    "Of 3 rows 2 would be made, 0 changed, 0 stay as they are, 1 have mistakes.",
  );
  expect(tried).not.toContain("<script>alert");
  expect((await office.send("GET", "/crm/companies")).total).toBe(0);

  const errors = await send(office, { ...columns, step: "errors" });
  expect(errors.headers.get("content-disposition")).toContain("errors.csv");
  expect((await errors.text()).split("\r\n").slice(0, 2)).toEqual([
    "line,column,code,message",
    expect.stringMatching(/^3,Company,/) as unknown as string,
  ]);

  const refused = await send(office, { ...columns, step: "run" });
  expect(refused.status).toBe(422);
  const done = await send(office, { ...columns, step: "run", on_error: "skip" });
  expect(placeOf(done, IMPORT)).toBe(COMPANIES);
  expect(textOf(await office.page(COMPANIES))).toContain("2 made, 0 changed, 1 left out");
  expect((await office.send("GET", "/crm/companies")).total).toBe(2);
});

test("what is no file, and columns that there aren't, are told on the page", async () => {
  await using office = await Office.open();
  expect((await send(office, {})).status).toBe(200);
  const broken = await send(office, {}, "a,a\n1,2\n");
  expect(broken.status).toBe(422);
  expect(textOf(await broken.text())).toContain("two columns named");
  const kept = { kept: Buffer.from(CSV).toString("base64"), name: "a.csv", type: "text/csv", step: "run" };
  const unknown = await send(office, { ...kept, "m-0": "nothing" });
  expect(unknown.status).toBe(422);
  expect(textOf(await unknown.text())).toContain("nothing");
});

test("the history of a row shows what each change was, and puts it back", async () => {
  await using office = await Office.open();
  await office.fill(1);
  await office.send("PATCH", "/crm/deals/1", { title: SCRIPT });
  const html = await office.page(`${DEALS}/1/~history`);
  expect(html).not.toContain("<script>alert");
  expect(textOf(html)).toMatch(/changed . ada@example\.com|changed &middot; ada@example\.com/);
  expect(textOf(html)).toContain("Title Deal 1");
  const [, first = ""] = /name="to" value="(\d+)"/.exec(html) ?? [];
  const asked = await office.jar.post(`${DEALS}/1/~revert`, { to: first });
  expect(textOf(await asked.text())).toContain("Put it back to what it was then?");
  await office.jar.post(`${DEALS}/1/~revert`, { to: first, confirmed: "yes" });
  expect(await office.send("GET", "/crm/deals/1")).toMatchObject({ title: "Deal 1" });
  expect(textOf(await office.page(`${DEALS}/1/~history`))).toContain("reverted");
});

test("rows are counted and summed up by a column, by what they refer to and by the time", async () => {
  await using office = await Office.open();
  await office.fill(3);
  const sums = async (search: string) => textOf(await office.page(`${DEALS}/~summary?${search}`));
  expect(await sums("")).toContain("open 3");
  expect(await sums("_value=amount&_group=company.name")).toContain("Acme 61.50");
  expect(await sums("_value=amount&_group=close_on.month&amount.gte=20")).toContain("2026-03 51.00");
  expect(await office.page(`${DEALS}/~summary?_group=company.name`)).toContain("filter=company.name");
});

test("administrators are told why somebody doesn't see a row", async () => {
  await using office = await Office.open();
  await office.fill(1);
  await office.jar.register("bob@example.com");
  const html = textOf(await office.page(`${DEALS}/1/~explain?user=bob@example.com`));
  expect(html).toContain("See it: no");
  expect(html).toContain("deals:read");
  const nobody = await office.page(`${DEALS}/1/~explain?user=${encodeURIComponent(SCRIPT)}`);
  expect(nobody).not.toContain("<script>alert");
});

testInBrowser(
  "a file is imported, and a large one by a job that its page follows; each page is in order",
  async (browser) => {
    await using office = await Office.open();
    await office.fill(2);
    await office.send("PATCH", "/crm/deals/1", { title: "Changed" });
    await using checked = await CheckedPage.open(browser, office.app, { user: office.jar, path: COMPANIES });
    const { page } = checked;
    await page.getByRole("link", { name: "Import" }).click();
    await checked.check();
    const file = {
      name: "a.csv",
      mimeType: "text/csv",
      buffer: Buffer.from("name,Where\nBolt,Oslo\n,Rome\n"),
    };
    await page.locator("input[type=file]").setInputFiles(file);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByLabel("Where").selectOption({ label: "City" });
    await page.getByRole("button", { name: "Try it" }).click();
    await page.getByText("1 have mistakes").waitFor();
    await checked.check();
    await page.getByRole("checkbox", { name: "Leave out" }).check();
    await page.getByRole("button", { name: "Import", exact: true }).click();
    await page.getByText("1 made, 0 changed, 1 left out").waitFor();

    const rows = Array.from({ length: 4000 }, (_, at) => `Large ${at},${"x".repeat(90)},${"n".repeat(1000)}`);
    await page.goto(IMPORT);
    const buffer = Buffer.from(`name,city,notes\n${rows.join("\n")}\n`);
    await page.locator("input[type=file]").setInputFiles({ ...file, buffer });
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByText("4000 made").waitFor();
    await checked.check();

    for (const path of [`${DEALS}/1/~history`, `${DEALS}/~summary`, `${DEALS}/1/~explain?user=1`]) {
      await page.goto(path);
      await checked.check();
    }
  },
);
