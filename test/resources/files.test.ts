import { expect, test } from "bun:test";
import type { TestUser } from "../setup.ts";
import { makePng } from "../storage/pictures.ts";
import { type Answer, Crm, setupTables, testCrm } from "./crm.ts";

const RUN = `
  import { eq, sql } from "drizzle-orm";
  import { createRouter, db, resource, storage } from "xcore";
  import { file, id, references, table, users, varchar } from "xcore/schema";
  export const papers = table("crm_papers", {
    id: id(),
    title: varchar(50).notNull().unique(),
    owner_id: references(() => users.id),
    contract: file({ types: ["application/pdf", "text/csv"], maxSize: "10kb" }),
    photo: file({ types: ["image/*"] }),
    secret: file(),
  });
  export default createRouter()
    .use(resource(papers, {
      permission: "papers",
      history: true,
      rows: ({ user, can }) => (can("papers:all") ? undefined : eq(papers.owner_id, user.id)),
      create: { owner_id: ({ user }) => user.id },
      fields: { secret: { read: "papers:all" } },
    }))
    .get("/bytes/:id", async ({ params }) => new Response(await storage.bytes({ id: params.id })))
    .post("/forget/:id", ({ params }) => db.delete(papers).where(eq(papers.id, Number(params.id))));
  ${setupTables([
    (key) => {
      const file = key.startsWith("bigserial") ? "uuid" : "char(36)";
      return `create table crm_papers (id ${key}, title varchar(50) not null unique, owner_id bigint, contract ${file}, photo ${file}, secret ${file})`;
    },
  ])}
`;
const PDF = "%PDF-1.7\n%%EOF\n";
const WRITE = ["papers:read", "papers:write", "papers:delete"];

/** A form of fields and files. */
function toForm(fields: Readonly<Record<string, string | File>>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

const pdf = (name = "contract.pdf", content = PDF): File =>
  new File([content], name, { type: "application/pdf" });

const later = (hours: number): Date => new Date(Date.now() + hours * 3_600_000);

async function sendForm(
  { app }: Crm,
  user: TestUser | null,
  [method, path]: readonly [method: string, path: string],
  fields: Parameters<typeof toForm>[0],
): Promise<Answer> {
  const response = await app.fetch(path, { method, headers: user?.headers ?? {}, body: toForm(fields) });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

function onPapers(name: string, run: (crm: Crm) => Promise<void>): void {
  test(name, async () => {
    await using crm = await Crm.start({ run: RUN });
    await run(crm);
  });
}

testCrm(
  "a file comes with its row, is shown by it, and is served to whoever may see it",
  async (crm) => {
    const ada = await crm.user("ada@example.com", WRITE);
    const bob = await crm.user("bob@example.com", WRITE);
    const made = await sendForm(crm, ada, ["POST", "/crm/papers"], { title: "Sale", contract: pdf() });
    expect(made).toMatchObject({
      status: 201,
      body: {
        title: "Sale",
        photo: null,
        contract: {
          name: "contract.pdf",
          type: "application/pdf",
          size: PDF.length,
          url: "/crm/papers/1/contract",
        },
      },
    });
    const listed = await crm.send(ada, "GET", "/crm/papers");
    expect(listed.body.items).toEqual([made.body]);
    expect((await crm.send(ada, "GET", "/crm/papers/1?fields=contract")).body).toEqual({
      contract: made.body.contract,
    });
    const read = await crm.send(ada, "GET", made.body.contract.url);
    expect([read.status, read.body]).toEqual([200, PDF]);
    expect(read.headers.get("content-disposition")).toBe('attachment; filename="contract.pdf"');
    expect((await crm.send(bob, "GET", made.body.contract.url)).status).toBe(404);
    expect((await crm.send(null, "GET", made.body.contract.url)).status).toBe(401);
    expect((await crm.send(ada, "GET", "/crm/papers/1/photo")).status).toBe(404);

    const changed = await sendForm(crm, ada, ["PATCH", "/crm/papers/1"], {
      contract: pdf("new.pdf", `${PDF}2`),
      photo: new File([makePng(300, 100)], "me.png", { type: "image/png" }),
    });
    expect(changed.body).toMatchObject({ contract: { name: "new.pdf" }, photo: { type: "image/png" } });
    const thumb = await crm.send(ada, "GET", "/crm/papers/1/photo?thumb=64x64");
    expect([thumb.status, thumb.headers.get("content-type")]).toEqual([200, "image/webp"]);
    expect((await crm.send(ada, "GET", "/crm/papers/1/photo?thumb=63x64")).status).toBe(422);
    const cleared = await crm.send(ada, "PATCH", "/crm/papers/1", { photo: null });
    expect([cleared.status, cleared.body.photo, cleared.body.contract.name]).toEqual([200, null, "new.pdf"]);
  },
  RUN,
);

testCrm(
  "a file that was uploaded before is given to a row by its id: once, and by who has uploaded it",
  async (crm) => {
    const ada = await crm.user("ada@example.com", WRITE);
    const bob = await crm.user("bob@example.com", WRITE);
    const upload = await sendForm(crm, ada, ["POST", "/crm/papers/files"], {
      field: "contract",
      file: pdf(),
    });
    expect(upload).toMatchObject({ status: 201, body: { name: "contract.pdf", type: "application/pdf" } });
    const { id } = upload.body;
    const stolen = await crm.send(bob, "POST", "/crm/papers", { title: "Mine", contract: id });
    expect([stolen.status, stolen.body.errors]).toEqual([
      422,
      [{ path: "/body/contract", code: "missing_reference", message: expect.stringContaining(id) }],
    ]);
    // Nor for another column, which takes others.
    expect((await crm.send(ada, "POST", "/crm/papers", { title: "Photo", photo: id })).status).toBe(422);
    const made = await crm.send(ada, "POST", "/crm/papers", { title: "Sale", contract: id });
    expect([made.status, made.body.contract.id]).toEqual([201, id]);
    expect((await crm.send(ada, "POST", "/crm/papers", { title: "Again", contract: id })).status).toBe(422);
    // It stays the row's when it comes back to it.
    const path = `/crm/papers/${made.body.id}`;
    await crm.send(ada, "PATCH", path, { contract: null });
    const history = await crm.send(ada, "GET", `${path}/history`);
    const reverted = await crm.send(ada, "POST", `${path}/revert`, { to: history.body.items[1].id });
    expect([reverted.status, reverted.body.contract?.id]).toEqual([200, id]);
    const listed = await crm.send(ada, "GET", `/crm/papers?filter=contract = "${id}"`);
    expect(listed.body.total).toBe(1);
    const unknown = { title: "No", contract: Bun.randomUUIDv7() };
    expect((await crm.send(ada, "POST", "/crm/papers", unknown)).status).toBe(422);
    const batch = await crm.send(ada, "POST", "/crm/papers/batch", { create: [unknown] });
    expect(batch.body.errors[0].path).toBe("/body/create/0/contract");
  },
  RUN,
);

testCrm(
  "files whose row is gone, and uploads that no row came for, go after a day",
  async (crm) => {
    const ada = await crm.user("ada@example.com", WRITE);
    await sendForm(crm, ada, ["POST", "/crm/papers"], { title: "Gone", contract: pdf() });
    const kept = await sendForm(crm, ada, ["POST", "/crm/papers"], { title: "Kept", contract: pdf() });
    await sendForm(crm, ada, ["POST", "/crm/papers/files"], { field: "contract", file: pdf() });
    const { store, storage } = crm.app.app;
    const count = () => store.db.$count(store.tables.storedFiles);
    const cleaner = await storage.cleaner();
    expect([await count(), await cleaner.clean()]).toEqual([3, { files: 0, contents: 0 }]);
    await crm.send(ada, "POST", "/crm/forget/1");
    expect(await cleaner.clean(later(1))).toEqual({ files: 0, contents: 0 });
    expect(await cleaner.clean(later(26))).toEqual({ files: 2, contents: 0 });
    expect(await count()).toBe(1);
    expect((await crm.send(ada, "GET", kept.body.contract.url)).body).toBe(PDF);
  },
  RUN,
);

onPapers("a file that its column doesn't take is refused, and nothing of it stays", async (crm) => {
  const ada = await crm.user("ada@example.com", WRITE);
  const refused: [field: string, file: File, code: string][] = [
    ["contract", new File([makePng(1, 1)], "x.pdf", { type: "application/pdf" }), "file_type"],
    ["contract", new File([PDF], "x.png", { type: "image/png" }), "file_type"],
    ["contract", new File(["hello"], "x.txt", { type: "text/plain" }), "file_type"],
    ["contract", new File(["a,b\0"], "x.csv", { type: "text/csv" }), "file_type"],
    ["contract", pdf("large.pdf", PDF + "x".repeat(11_000)), "file_size"],
    ["photo", new File(["<svg onload='alert(1)'/>"], "x.svg", { type: "image/svg+xml" }), "file_type"],
    ["photo", new File(["<script>alert(1)</script>"], "x.png", { type: "image/png" }), "file_type"],
  ];
  for (const [field, file, code] of refused) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const answer = await sendForm(crm, ada, ["POST", "/crm/papers"], { title: "x", [field]: file });
    expect([file.name, answer.status, answer.body.errors?.[0]?.path, answer.body.errors?.[0]?.code]).toEqual([
      file.name,
      422,
      `/body/${field}`,
      code,
    ]);
  }
  const { store } = crm.app.app;
  expect(await store.db.$count(store.tables.storedFiles)).toBe(0);
  // What is wrong with the row is found later.
  const csv = new File(["a;b\n"], "x.csv", { type: "application/vnd.ms-excel" });
  const first = await sendForm(crm, ada, ["POST", "/crm/papers"], { title: "same", contract: csv });
  expect([first.status, first.body.contract.type]).toEqual([201, "text/csv"]);
  expect((await sendForm(crm, ada, ["POST", "/crm/papers"], { title: "same", contract: csv })).status).toBe(
    409,
  );
  expect(await store.db.$count(store.tables.storedFiles)).toBe(1);
});

onPapers("a field that may not be seen or set keeps its file to itself", async (crm) => {
  const chief = await crm.user("chief@example.com", [...WRITE, "papers:all"]);
  const ada = await crm.user("ada@example.com", WRITE);
  const made = await sendForm(crm, ada, ["POST", "/crm/papers"], { title: "x", secret: pdf() });
  expect([made.status, made.body.secret]).toEqual([201, undefined]);
  expect((await crm.send(ada, "GET", "/crm/papers/1/secret")).status).toBe(404);
  expect((await crm.send(chief, "GET", "/crm/papers/1/secret")).status).toBe(200);
});

onPapers("POST …/link gives a link for who doesn't sign in, which is over after its time", async (crm) => {
  const ada = await crm.user("ada@example.com", WRITE);
  await sendForm(crm, ada, ["POST", "/crm/papers"], { title: "x", contract: pdf() });
  const { status, body } = await crm.send(ada, "POST", "/crm/papers/1/contract/link?expires_in=60");
  expect([status, body]).toEqual([
    200,
    { url: expect.stringContaining("/system/files/"), expires_at: expect.any(String) },
  ]);
  expect((await crm.send(null, "GET", body.url)).body).toBe(PDF);
  expect((await crm.send(null, "POST", "/crm/papers/1/contract/link")).status).toBe(401);
});

onPapers(
  "an empty field of files in a form is none, and a retry with an idempotency-key keeps one",
  async (crm) => {
    const ada = await crm.user("ada@example.com", WRITE);
    const made = await sendForm(crm, ada, ["POST", "/crm/papers"], {
      title: "x",
      contract: new File([], "", { type: "application/octet-stream" }),
    });
    expect([made.status, made.body.contract]).toEqual([201, null]);
    const body =
      '--b\r\ncontent-disposition: form-data; name="title"\r\n\r\ny\r\n--b\r\n' +
      'content-disposition: form-data; name="contract"; filename="c.pdf"\r\ncontent-type: application/pdf\r\n\r\n' +
      `${PDF}\r\n--b--\r\n`;
    const headers = {
      ...ada.headers,
      "idempotency-key": "once",
      "content-type": "multipart/form-data; boundary=b",
    };
    const send = () => crm.app.fetch("/crm/papers", { method: "POST", headers, body });
    const [first, second] = [await send(), await send()];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(await second.json()).toEqual(await first.json());
    const { store } = crm.app.app;
    expect(await store.db.$count(store.tables.storedFiles)).toBe(1);
  },
);

onPapers("a resource with files is described with what they take, and documented", async (crm) => {
  const { body } = await crm.app.getAsAdmin("/system/resources/crm.papers");
  expect(body.columns.find(({ name }: { name: string }) => name === "contract")).toMatchObject({
    kind: "file",
    types: ["application/pdf", "text/csv"],
    max_size: 10_240,
  });
  const { body: api } = await crm.app.get("/openapi.json");
  expect(Object.keys(api.paths["/crm/papers"].post.requestBody.content)).toContain("multipart/form-data");
  expect(api.paths["/crm/papers/{id}/contract"].get.responses["200"].content).toHaveProperty(
    "application/octet-stream",
  );
});
