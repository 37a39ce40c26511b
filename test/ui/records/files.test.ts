import { expect, setDefaultTimeout, test } from "bun:test";
import { setupTables } from "../../resources/crm.ts";
import { makePng } from "../../storage/pictures.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { Office, SCRIPT, textOf } from "./office.ts";

// Each of them goes through many pages.
setDefaultTimeout(120_000);

const PAPERS = "/ui/records/crm/papers";
const PDF = "%PDF-1.7\n%%EOF\n";
const RUN = `
  import { sql } from "drizzle-orm";
  import { createRouter, db, resource } from "xcore";
  import { boolean, file, id, integer, references, table, varchar } from "xcore/schema";
  import { companies } from "./schema.ts";
  const papers = table("crm_papers", {
    id: id(),
    title: varchar(50).notNull(),
    pages: integer(),
    contract: file({ types: ["application/pdf"], maxSize: "10kb" }),
    photo: file({ types: ["image/*"] }),
    is_signed: boolean().notNull().default(false),
    company_id: references(() => companies.id),
  });
  export default createRouter()
    .use(resource(companies))
    .use(resource(papers, { history: true, expand: ["company"] }));
  ${setupTables([(key) => `create table crm_papers (id ${key}, title varchar(50) not null, pages integer, contract char(36), photo char(36), is_signed boolean not null default false, company_id bigint)`])}
`;

const pdf = (name = "contract.pdf", content = PDF): File =>
  new File([content], name, { type: "application/pdf" });
const large = (size: number): File =>
  new File([makePng(8, 8), new Uint8Array(size)], "large.png", { type: "image/png" });
const png = (name = "me.png"): File => new File([makePng(300, 200)], name, { type: "image/png" });

/** Sends a form as browsers do that has fields of files. */
async function sendForm(office: Office, path: string, fields: Readonly<Record<string, string | File>>) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  const response = await office.jar.get(path, { method: "POST", body });
  return { status: response.status, html: await response.text() };
}

/** The hidden fields of a form, as a browser sends them. */
function hiddenOf(html: string): Record<string, string> {
  const found = [...html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)];
  return Object.fromEntries(
    found.map(([, name = "", value = ""]) => [
      name,
      value.replaceAll("&quot;", '"').replaceAll("&amp;", "&"),
    ]),
  );
}

test("a file is sent with its form, shown, replaced and removed, and stays where none is sent", async () => {
  await using office = await Office.open({ run: RUN });
  const form = await office.page(`${PAPERS}/~new`);
  expect(form).toContain('enctype="multipart/form-data"');
  expect(form).toContain('accept="application/pdf"');
  const none = new File([], "", { type: "application/octet-stream" });
  const made = await sendForm(office, `${PAPERS}/~new`, {
    "f-title": "Sale",
    "u-contract": pdf("../../offer <b>.pdf"),
    "u-photo": none,
  });
  expect(made.status).toBe(303);
  const page = await office.page(`${PAPERS}/1`);
  expect(page).toContain('href="/crm/papers/1/contract"');
  expect(textOf(page)).toContain("offer _b_.pdf");

  const changed = { ...hiddenOf(page), "f-title": "Sold", "u-contract": none, "u-photo": png() };
  expect((await sendForm(office, `${PAPERS}/1`, changed)).status).toBe(303);
  expect(await office.send("GET", "/crm/papers/1")).toMatchObject({
    title: "Sold",
    contract: { name: "offer _b_.pdf" },
    photo: { name: "me.png" },
  });
  const second = await office.page(`${PAPERS}/1`);
  expect(second).toContain('src="/crm/papers/1/photo?thumb=64x64"');
  expect(await office.page(PAPERS)).toContain('src="/crm/papers/1/photo?thumb=64x64"');
  const replaced = { ...hiddenOf(second), "r-photo": "yes", "u-contract": pdf("new.pdf") };
  expect((await sendForm(office, `${PAPERS}/1`, replaced)).status).toBe(303);
  expect(await office.send("GET", "/crm/papers/1")).toMatchObject({
    title: "Sold",
    contract: { name: "new.pdf" },
    photo: null,
  });
});

test("what is wrong with a file stands at its field, and a good one is kept until the rest is right", async () => {
  await using office = await Office.open({ run: RUN });
  const wrong = await sendForm(office, `${PAPERS}/~new`, {
    "f-title": "x",
    "f-pages": "many",
    "u-contract": pdf("large.pdf", PDF + "x".repeat(11_000)),
    "u-photo": new File(["<svg onload='alert(1)'/>"], `${SCRIPT}.svg`, { type: "image/svg+xml" }),
  });
  expect(wrong.status).toBe(422);
  expect(wrong.html).not.toContain("<script>alert");
  expect(textOf(wrong.html)).toContain("it is larger than 10240 bytes");
  expect(textOf(wrong.html)).toContain("one of image/*");
  const { store } = office.app.app;
  expect(await store.db.$count(store.tables.storedFiles)).toBe(0);

  const half = await sendForm(office, `${PAPERS}/~new`, {
    "f-title": "x",
    "f-pages": "many",
    "u-contract": pdf(`${SCRIPT}.pdf`),
  });
  expect(half.status).toBe(422);
  expect(half.html).not.toContain("<script>alert");
  const fields = hiddenOf(half.html);
  const made = await sendForm(office, `${PAPERS}/~new`, { ...fields, "f-title": "x", "f-pages": "3" });
  expect(made.status).toBe(303);
  const row = await office.send("GET", "/crm/papers/1");
  expect(row).toMatchObject({ pages: 3, contract: { id: fields["f-contract"] } });
  // Nobody is given a file of somebody else's by its id.
  const stolen = await sendForm(office, `${PAPERS}/~new`, { "f-title": "y", "f-contract": row.contract.id });
  expect(stolen.status).toBe(422);
  expect(textOf(stolen.html)).toContain("another row has it");
});

test("two who change a file at once choose between them by their names", async () => {
  await using office = await Office.open({ run: RUN });
  await sendForm(office, `${PAPERS}/~new`, { "f-title": "x", "u-contract": pdf("first.pdf") });
  const fields = hiddenOf(await office.page(`${PAPERS}/1`));
  await sendForm(office, `${PAPERS}/1`, { ...fields, "f-title": "x", "u-contract": pdf("theirs.pdf") });
  const asked = await sendForm(office, `${PAPERS}/1`, {
    ...fields,
    "f-title": "x",
    "u-contract": pdf("mine.pdf"),
  });
  expect(asked.status).toBe(412);
  const [, dialog = ""] = /<dialog id="conflict"([^]*?)<\/dialog>/.exec(asked.html) ?? [];
  expect(textOf(dialog)).toContain("mine.pdf theirs.pdf");
  const chosen = { ...hiddenOf(asked.html), "f-title": "x", "c-contract": "mine" };
  expect((await sendForm(office, `${PAPERS}/1`, chosen)).status).toBe(303);
  expect((await office.send("GET", "/crm/papers/1")).contract.name).toBe("mine.pdf");
});

test("looking for a relation without a script keeps the file, and what somebody else has saved meanwhile", async () => {
  await using office = await Office.open({ run: RUN });
  await sendForm(office, `${PAPERS}/~new`, { "f-title": "x", "f-is_signed": "true" });
  const fields = hiddenOf(await office.page(`${PAPERS}/1`));
  await office.send("PATCH", "/crm/papers/1", { pages: 7 });
  const looked = await sendForm(office, `${PAPERS}/1`, {
    ...fields,
    "f-title": "y",
    "u-contract": pdf(),
    search: "company_id",
  });
  expect(looked.status).toBe(200);
  expect(textOf(looked.html)).toContain("contract.pdf");
  const saved = await sendForm(office, `${PAPERS}/1`, {
    ...hiddenOf(looked.html),
    "f-title": "y",
    "f-pages": "",
  });
  expect(saved.status).toBe(412);
  expect(await office.send("GET", "/crm/papers/1")).toMatchObject({ title: "x", pages: 7 });
});

test("a form takes files as large as storage does, also where other bodies have to be smaller", async () => {
  const config = { server: { body_limit: "20kb" }, storage: { max_size: "100kb" } };
  await using office = await Office.open({ run: RUN, config });
  const made = await sendForm(office, `${PAPERS}/~new`, { "f-title": "x", "u-photo": large(60_000) });
  expect(made.status).toBe(303);
  const refused = await sendForm(office, `${PAPERS}/~new`, { "f-title": "x", "u-photo": large(50_000_000) });
  expect(refused.status).toBe(413);
});

for (const javaScriptEnabled of [true, false]) {
  testInBrowser(
    `files are chosen, seen and taken away with the keyboard, ${javaScriptEnabled ? "with" : "without"} a script`,
    async (browser) => {
      await using office = await Office.open({ run: RUN });
      const options = { user: office.jar, path: `${PAPERS}/~new`, javaScriptEnabled };
      await using checked = await CheckedPage.open(browser, office.app, options);
      const { page } = checked;
      const choose = async (label: string, file: File): Promise<void> => {
        const buffer = Buffer.from(await file.arrayBuffer());
        const field = page.getByLabel(label, { exact: true });
        await field.setInputFiles({ name: file.name, mimeType: file.type, buffer });
      };
      await page.getByLabel("Title").fill("Album");
      await choose("Photo", png());
      if (javaScriptEnabled) {
        await choose("Contract", pdf("large.pdf", PDF + "x".repeat(11_000)));
        const field = page.locator("#field-f-contract");
        const message = await field.evaluate((input: HTMLInputElement) => input.validationMessage);
        expect(message).toContain("too large");
        await choose("Contract", pdf());
      }
      await page.getByRole("button", { name: "Create" }).press("Enter");
      await page.getByText("Album is made.").waitFor();
      const picture = page.locator('img[src*="thumb="]').first();
      await picture.waitFor();
      if (javaScriptEnabled) await checked.check();
      await page.getByRole("checkbox", { name: "Remove Photo" }).press("Space");
      await page.getByRole("button", { name: "Save" }).press("Enter");
      await page.getByText("Saved.").waitFor();
      expect(await picture.count()).toBe(0);
    },
  );
}
