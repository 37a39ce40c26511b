import { expect, setDefaultTimeout, test } from "bun:test";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { Office, SCRIPT, textOf } from "./office.ts";

// Each of them goes through many pages.
setDefaultTimeout(120_000);

const COMPANY = "/ui/records/crm/companies/1";
const RUN = `
  import { createRouter, resource } from "xcore";
  import { companies, contacts, deals } from "./schema.ts";
  export default createRouter()
    .use(resource(companies, {
      comments: true, history: true, attachments: { types: ["application/pdf"], maxSize: "10kb" },
    }))
    .use(resource(contacts))
    .use(resource(deals));
`;
const PDF = "%PDF-1.7\n%%EOF\n";

const pdf = (name = "offer.pdf", content = PDF): File =>
  new File([content], name, { type: "application/pdf" });

async function attach(office: Office, file: File) {
  const body = new FormData();
  body.append("file", file);
  const response = await office.jar.get(`${COMPANY}/~attachment`, { method: "POST", body });
  return { status: response.status, html: await response.text() };
}

test("comments and files stand on the page of a row, and script in them stays text", async () => {
  await using office = await Office.open({ run: RUN });
  await office.fill(0);
  expect(textOf(await office.page(COMPANY))).toContain("Activity");
  expect((await office.jar.post(`${COMPANY}/~comment`, { body: `${SCRIPT}\r\nsecond line` })).status).toBe(
    303,
  );
  expect((await attach(office, pdf(`${SCRIPT}.pdf`))).status).toBe(303);
  await office.send("PATCH", "/crm/companies/1", { city: "Lyon" });
  const html = await office.page(COMPANY);
  expect(html).not.toContain("<script>alert");
  expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;\nsecond line");
  const text = textOf(html);
  for (const part of ["changed : City", "attached", "Attachments", "made"])
    expect(text.replaceAll(": ", " : ")).toContain(part);
  expect(await office.send("GET", "/crm/companies/1/comments")).toMatchObject({
    items: [{ body: `${SCRIPT}\nsecond line` }],
  });

  const empty = await office.jar.post(`${COMPANY}/~comment`, { body: " " });
  expect([empty.status, await empty.text()]).toEqual([422, expect.stringContaining('id="comment-note"')]);
  const long = await office.jar.post(`${COMPANY}/~comment`, { body: "x".repeat(1_000_000) });
  expect(long.status).toBe(422);
  await long.body?.cancel();
  const large = await attach(office, pdf("large.pdf", PDF + "x".repeat(11_000)));
  expect(large.status).toBe(422);
  expect(textOf(large.html)).toContain("it is larger than 10240 bytes");

  const edited = await office.jar.post(`${COMPANY}/~comment/1`, { body: "calm" });
  expect(edited.status).toBe(303);
  expect(textOf(await office.page(COMPANY))).toContain("edited");
  const asked = await (await office.jar.post(`${COMPANY}/~comment/1`, { act: "delete" })).text();
  expect(textOf(asked)).toContain("Delete this comment?");
  await office.jar.post(`${COMPANY}/~comment/1`, { act: "delete", confirmed: "yes" });
  const [file] = (await office.send("GET", "/crm/companies/1/attachments")).items;
  await office.jar.post(`${COMPANY}/~attachment/${file.id}`, { confirmed: "yes" });
  expect(await office.send("GET", "/crm/companies/1/activity")).toMatchObject({ total: 2 });
  expect(textOf(await office.page(`${COMPANY}/~activity`))).toContain("changed");
  expect(await office.page("/ui/records/crm/companies/~new")).not.toContain("~comment");
});

test("who only reads sees what is said, and has no forms; another site's form says nothing", async () => {
  await using office = await Office.open({ run: RUN });
  await office.fill(0);
  await office.jar.post(`${COMPANY}/~comment`, { body: "seen" });
  const headers = { "sec-fetch-site": "cross-site" };
  expect((await office.jar.post(`${COMPANY}/~comment`, { body: "x" }, { headers })).status).toBe(403);
  await office.send("POST", "/admin/roles", { name: "reader" });
  const [reader] = (await office.send("GET", "/admin/roles?q=reader")).items;
  await office.send("PUT", `/admin/roles/${reader.id}/permissions`, { permissions: ["companies:read"] });
  await office.jar.register("bob@example.com", ["reader"]);
  await office.jar.signIn("bob@example.com");
  const html = await office.page(COMPANY);
  expect(textOf(html)).toContain("seen");
  expect(html).not.toContain("~comment");
  expect(html).not.toContain("~attachment");
  const tried = await office.jar.post(`${COMPANY}/~comment/1`, { body: "mine" });
  expect(tried.status).toBe(303);
  expect(await office.send("GET", "/crm/companies/1/comments")).toMatchObject({ items: [{ body: "seen" }] });
});

for (const javaScriptEnabled of [true, false]) {
  testInBrowser(
    `something is said, changed, attached and deleted with the keyboard, ${javaScriptEnabled ? "with" : "without"} a script`,
    async (browser) => {
      await using office = await Office.open({ run: RUN });
      await office.fill(0);
      const options = { user: office.jar, path: COMPANY, javaScriptEnabled };
      await using checked = await CheckedPage.open(browser, office.app, options);
      const { page } = checked;
      await page.getByRole("textbox", { name: "Comment" }).fill("Call them");
      await page.getByRole("button", { name: "Comment", exact: true }).press("Enter");
      await page.getByText("Your comment is there.").waitFor();
      await page.getByLabel("A file").setInputFiles({
        name: "offer.pdf",
        mimeType: "application/pdf",
        buffer: Buffer.from(PDF),
      });
      await page.getByRole("button", { name: "Attach" }).press("Enter");
      await page.getByText("The file is attached.").waitFor();
      if (javaScriptEnabled) await checked.check();
      const activity = page.getByRole("list", { name: "Activity" });
      await activity.getByText("Edit").press("Enter");
      await activity.getByRole("textbox", { name: "Comment" }).fill("Called them");
      if (javaScriptEnabled) await checked.check();
      await activity.getByRole("button", { name: "Save" }).press("Enter");
      await page.getByText("Saved.").waitFor();
      expect(await office.send("GET", "/crm/companies/1/comments")).toMatchObject({
        items: [{ body: "Called them" }],
      });
      const download = page.waitForEvent("download");
      await page.getByRole("region", { name: "Attachments" }).getByRole("link").press("Enter");
      expect((await download).suggestedFilename()).toBe("offer.pdf");
      await page.getByRole("button", { name: "Delete offer.pdf" }).press("Enter");
      await page.getByRole("heading", { name: /^Delete/ }).waitFor();
      const asked = page.getByRole(javaScriptEnabled ? "dialog" : "main");
      await asked.getByRole("button", { name: "Delete", exact: true }).press("Enter");
      await page.getByText("The file is deleted.").waitFor();
      expect(await office.send("GET", "/crm/companies/1/attachments")).toMatchObject({ total: 0 });
    },
  );
}
