import { deflateRawSync } from "node:zlib";
import { expect, test } from "bun:test";
import { writeXlsx } from "hucre/xlsx";
import { readImportFile } from "../../src/resources/import/request.ts";
import { Crm, EVERYTHING, testCrm } from "./crm.ts";

type Sender = Awaited<ReturnType<Crm["user"]>>;

const XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/** Sends a file, and says what came of it. */
async function send(
  crm: Crm,
  user: Sender | null,
  path: string,
  { body, type = "text/csv" }: { body: string | Uint8Array<ArrayBuffer> | FormData; type?: string },
) {
  const response = await crm.app.fetch(`/crm/${path}`.replaceAll(" ", "%20"), {
    method: "POST",
    headers: { ...user?.headers, ...(!(body instanceof FormData) && { "content-type": type }) },
    body,
  });
  const answer = await response.json();
  const { status } = response;
  const { created, updated, unchanged, failed, errors = [] } = answer;
  const problems = errors.map(({ path: at, code }: Record<string, string>) => `${at} ${code}`);
  return { status, body: answer, counts: [created, updated, unchanged, failed], problems };
}

async function names(crm: Crm, user: Sender): Promise<string[]> {
  const { body } = await crm.send(user, "GET", "/crm/companies?fields=name&sort=id&per_page=100");
  return body.items.map(({ name }: { name: string }) => name);
}

testCrm(
  "an import makes rows of CSV, finds what they refer to by its name, and changes by a key",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    const first = await send(crm, ada, "companies/import", { body: "name,city\r\nAcme,Oslo\r\nGlobex,\r\n" });
    expect([first.status, first.counts]).toEqual([200, [2, 0, 0, 0]]);
    const csv = [
      "title;amount;company.name;close_on;stage",
      '"A ""big"" deal";1000.50;Acme;2026-03-01;won',
      "Other;-5;Globex;;",
    ].join("\n");
    const made = await send(crm, ada, "deals/import", { body: csv });
    expect([made.status, made.counts]).toEqual([200, [2, 0, 0, 0]]);
    const { body } = await crm.send(
      ada,
      "GET",
      "/crm/deals?fields=title,amount,close_on,stage,company_id&sort=id",
    );
    expect(body.items).toEqual([
      { title: 'A "big" deal', amount: "1000.50", close_on: "2026-03-01", stage: "won", company_id: 1 },
      { title: "Other", amount: "-5.00", close_on: null, stage: "open", company_id: 2 },
    ]);
    const changes = "name,city\nAcme,Oslo\nGlobex,Bergen\nInitech,Austin\n";
    expect((await send(crm, ada, "companies/import?key=name", { body: changes })).counts).toEqual([
      1, 1, 1, 0,
    ]);
    expect(await names(crm, ada)).toEqual(["Acme", "Globex", "Initech"]);
    // What was exported is imported as it was.
    const sheet = await crm.app.fetch("/crm/companies/export.csv", { headers: ada.headers });
    const again = await send(crm, ada, "companies/import?key=id", {
      body: new Uint8Array(await sheet.arrayBuffer()),
    });
    expect([again.status, again.counts]).toEqual([200, [0, 0, 3, 0]]);
  },
);

testCrm("an import with mistakes writes nothing, or what has none, and a dry run tells", async (crm) => {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  await send(crm, ada, "companies/import", { body: "name\nAcme" });
  const csv = [
    "Deal name,amount,company.name,margin",
    "good,1,Acme,",
    ",1,Acme,",
    '"two',
    'lines",a lot,Nobody,',
    "too many decimals,1.234,Acme,",
    "also good,2,Acme,",
  ].join("\n");
  const query = "map=Deal name:title&map=margin:";
  const problems = [
    "/lines/3/title required",
    "/lines/4/company_id missing_reference",
    "/lines/6/amount decimal",
  ];
  const dry = await send(crm, ada, `deals/import?dry_run=true&${query}`, { body: csv });
  expect([dry.status, dry.counts, dry.problems]).toEqual([200, [2, 0, 0, 3], problems]);
  expect(dry.body.errors[0]).toMatchObject({
    line: 3,
    column: "Deal name",
    message: 'Line 3, column "Deal name": Required, but missing',
  });
  expect(dry.body.rows).toEqual(
    [2, 3, 4, 6, 7].map((line) => ({ line, outcome: line === 2 || line === 7 ? "created" : "failed" })),
  );
  const stopped = await send(crm, ada, `deals/import?${query}`, { body: csv });
  expect([stopped.status, stopped.problems]).toEqual([422, problems]);
  expect((await crm.send(ada, "GET", "/crm/deals")).body.total).toBe(0);
  const skipped = await send(crm, ada, `deals/import?on_error=skip&${query}`, { body: csv });
  expect([skipped.status, skipped.counts, skipped.problems]).toEqual([200, [2, 0, 0, 3], problems]);
  expect((await crm.send(ada, "GET", "/crm/deals")).body.total).toBe(2);
  // What only the database, or the check, sees.
  const twice = await send(crm, ada, "companies/import", { body: "name\nnew\nAcme\nnewer\nnew" });
  expect([twice.status, twice.problems]).toEqual([422, ["/lines/3/name unique", "/lines/5/name unique"]]);
  expect(await names(crm, ada)).toEqual(["Acme"]);
  const late = await send(crm, ada, "deals/import", {
    body: "title,amount,company_id,starts_on,close_on\nx,1,1,2026-02-01,2026-01-01",
  });
  expect(late.problems).toEqual(["/lines/2/close_on check"]);
  const keys = await send(crm, ada, "companies/import?key=id", { body: "id,name\n99,x\n1,y\n1,z\n,w" });
  expect(keys.problems).toEqual(["/lines/2/id not_found", "/lines/4/id repeated"]);
});

testCrm("an import does what whoever sends it may do", async (crm) => {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const bob = await crm.user("bob@example.com", ["deals:read", "deals:write"]);
  const eve = await crm.user("eve@example.com", ["deals:read"]);
  await send(crm, ada, "companies/import", { body: "name\nAcme" });
  await send(crm, ada, "deals/import", { body: "title,amount,company_id\nhers,1,1" });
  const csv = "title,amount,company.name\nx,1,Acme";
  expect((await send(crm, null, "deals/import", { body: csv })).status).toBe(401);
  expect((await send(crm, eve, "deals/import", { body: csv })).status).toBe(403);
  // Companies that he can't see are none that he could name.
  expect((await send(crm, bob, "deals/import", { body: csv })).problems).toEqual([
    "/lines/2/company_id missing_reference",
  ]);
  const others = await send(crm, bob, "deals/import?key=id", { body: "id,title\n1,mine" });
  expect([others.status, others.problems]).toEqual([422, ["/lines/2/id not_found"]]);
  const refused: [header: string, problem: string][] = [
    ["margin", "/header read_only"],
    ["created_at", "/header read_only"],
    ["nope", "/header unknown_column"],
    ["owner.full_name", "/header unknown_column"],
    ["owner_id", "/lines/2/owner_id read_only"],
  ];
  for (const [header, problem] of refused) {
    const body = `title,amount,company_id,${header}\nx,1,1,1`;
    // oxlint-disable-next-line no-await-in-loop
    const answer = await send(crm, bob, "deals/import", { body });
    expect([answer.status, answer.problems[0]]).toEqual([422, problem]);
  }
});

testCrm("an import reads XLSX and JSON, with days, numbers and what is left open", async (crm) => {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const json = JSON.stringify([{ name: "Acme" }, { name: "2024", city: "Oslo" }, { name: "x", city: null }]);
  const made = await send(crm, ada, "companies/import", { body: json, type: "application/json" });
  expect(made.counts).toEqual([3, 0, 0, 0]);
  const workbook = await writeXlsx({
    sheets: [
      {
        name: "Deals",
        rows: [
          ["title", "amount", "company.name", "close_on"],
          ["=1+1", 0.1 + 0.2, 2024, new Date("2026-03-01T00:00:00Z")],
          [null, null, null, null],
          [2025, -5, "Acme", "2026-01-31"],
        ],
      },
    ],
  });
  const form = new FormData();
  form.append("file", new File([workbook as BlobPart], "deals.xlsx"));
  const sheet = await send(crm, ada, "deals/import", { body: form });
  expect([sheet.status, sheet.problems, sheet.counts]).toEqual([200, [], [2, 0, 0, 0]]);
  const { body } = await crm.send(
    ada,
    "GET",
    "/crm/deals?fields=title,amount,company_id,close_on,stage&sort=id",
  );
  expect(body.items).toEqual([
    { title: "=1+1", amount: "0.30", company_id: 2, close_on: "2026-03-01", stage: "open" },
    { title: "2025", amount: "-5.00", company_id: 1, close_on: "2026-01-31", stage: "open" },
  ]);
  // As it is exported, it is imported.
  const exported = await crm.app.fetch("/crm/deals/export.xlsx?fields=id,title,amount,close_on", {
    headers: ada.headers,
  });
  const again = await send(crm, ada, "deals/import?key=id", {
    body: new Uint8Array(await exported.arrayBuffer()),
    type: XLSX,
  });
  expect([again.problems, again.counts]).toEqual([[], [0, 0, 2, 0]]);
});

test("an import reads CSV as programs of all kinds write it", async () => {
  await using crm = await Crm.start();
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const files: [file: string | Uint8Array<ArrayBuffer>, type: string][] = [
    ["\u{feff}name;city\r\nbom;Oslo\r\n", "text/csv"],
    ["name\tcity\rold mac\tOslo\r", "text/tab-separated-values"],
    ['city,name\n"a,\r\nb","quoted ""q"""', "text/csv; charset=utf-8"],
    [encode("name,city\nlatin \u{e9},Oslo", "latin1"), "text/csv"],
    [encode("name,city\nlatin2 \u{e9},Oslo", "latin1"), "text/csv; charset=iso-8859-1"],
    [encode("\u{feff}name,city\nutf16 \u{e9},Oslo", "utf16le"), "text/csv"],
    ["name,city\n\n'=1+1,Oslo\n\n", "text/csv"],
    ["name,city\nutf8 \u{e9},Oslo", "text/csv; charset=iso-8859-1"], // as its bytes tell
    ["name,city\n\u001b$BF|\u001b(B,Oslo", "text/csv; charset=iso-2022-jp"],
  ];
  for (const [body, type] of files) {
    // oxlint-disable-next-line no-await-in-loop
    const { status, counts, problems } = await send(crm, ada, "companies/import", { body, type });
    expect([status, problems, counts]).toEqual([200, [], [1, 0, 0, 0]]);
  }
  expect(await names(crm, ada)).toEqual([
    "bom",
    "old mac",
    'quoted "q"',
    "latin \u{e9}",
    "latin2 \u{e9}",
    "utf16 \u{e9}",
    "=1+1",
    "utf8 \u{e9}",
    "\u{65e5}",
  ]);
  const [body, type] = ["name,city\nquS,Oslo", "text/csv; charset=klingon"];
  const unknown = await send(crm, ada, "companies/import", { body, type });
  expect([unknown.status, JSON.stringify(unknown.body)]).toEqual([422, expect.stringContaining("klingon")]);
  expect(await names(crm, ada)).toHaveLength(files.length);
});

test("a file whose type and ending nobody knows is none of any format", async () => {
  for (const [name, type] of [
    ["x.constructor", "constructor"],
    ["x.toString", "__proto__"],
  ] as const) {
    const body = new FormData();
    body.append("file", new File(["name\nx"], name, { type }));
    const request = new Request("http://own.example", { method: "POST", body });
    // oxlint-disable-next-line no-await-in-loop
    expect(await readImportFile(request).catch((error: unknown) => error)).toMatchObject({ status: 415 });
  }
});

function encode(text: string, encoding: BufferEncoding): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, encoding));
}

/** A file of ZIP: what it says of a part's size may be wrong. */
function zip(
  parts: Readonly<Record<string, { text: string | Uint8Array; size?: number }>>,
): Uint8Array<ArrayBuffer> {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, { text, size }] of Object.entries(parts)) {
    const bytes = Buffer.from(text as string);
    const packed = deflateRawSync(bytes);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(8, 4);
    fields.writeUInt32LE(Bun.hash.crc32(bytes), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(size ?? bytes.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\u0003\u0004"), fields, Buffer.from(name), packed]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    central.push(
      Buffer.concat([Buffer.from("PK\u0001\u0002\u0014\u0000"), fields, place, Buffer.from(name)]),
    );
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006");
  end.writeUInt16LE(central.length, 8);
  end.writeUInt16LE(central.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return new Uint8Array(Buffer.concat([...locals, directory, end]));
}

/** A workbook of one sheet. */
function workbookOf(
  sheet: string,
  others: Parameters<typeof zip>[0] = {},
  size?: number,
): Uint8Array<ArrayBuffer> {
  return zip({
    "xl/_rels/workbook.xml.rels": {
      text: '<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>',
    },
    "xl/workbook.xml": { text: '<workbook><sheets><sheet name="a" r:id="rId1"/></sheets></workbook>' },
    "xl/worksheets/sheet1.xml": { text: sheet, ...(size !== undefined && { size }) },
    ...others,
  });
}

const cell = (place: string, text: string) => `<c r="${place}" t="inlineStr"><is><t>${text}</t></is></c>`;
const sheetOf = (rows: string) => `<worksheet><sheetData>${rows}</sheetData></worksheet>`;

test("an import refuses files that would take too much, and those that are none, with the reason", async () => {
  await using crm = await Crm.start();
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const good = sheetOf(`<row r="1">${cell("A1", "name")}</row><row r="2">${cell("A2", "Acme")}</row>`);
  expect((await send(crm, ada, "companies/import", { body: workbookOf(good), type: XLSX })).status).toBe(200);
  const wide = Array.from({ length: 1000 }, (_, at) => `c${at}`).join(",");
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, at) => [`x/${at}`, { text: "" }]));
  const files: [file: string | Uint8Array<ArrayBuffer>, reason: string][] = [
    ["", "it is empty"],
    ["\n\n", "it is empty"],
    [`name,${wide}\n`, "it has 1001 columns, and 500 are the most"],
    ["name,name\n", 'it has two columns named "name"'],
    ['name\n"never closed', "isn't closed"],
    [`name\n"${"never closed ".repeat(200_000)}`, "the row at line 2 is too long"],
    ["PK\u0003\u0004 no archive", "it isn't a workbook of XLSX"],
    [zip({ "a.txt": { text: "a" } }), "it has no xl/_rels/workbook.xml.rels"],
    [workbookOf(good, {}, 300 * 1024 ** 2), "unpacked it would be larger than 256 MB"],
    [workbookOf(good + " ".repeat(5_000_000), {}, good.length), "it is damaged"],
    [workbookOf(good, many), "it has more than 1000 parts"],
    [workbookOf(sheetOf(`<row r="1">${cell("XFD1", "name")}</row>`)), "row 1 has more than 500 columns"],
    [workbookOf(sheetOf(`<row r="1">${cell("A1", "x".repeat(3_000_000))}</row>`)), "more than a million"],
    [workbookOf(`<!DOCTYPE a [<!ENTITY a "aaaa">]>${good}`), "no part of a workbook has a DOCTYPE"],
    [workbookOf(good.slice(0, -20)), "it is damaged"],
    [workbookOf(sheetOf("")), "its first sheet is empty"],
  ];
  for (const [body, reason] of files) {
    // oxlint-disable-next-line no-await-in-loop
    const answer = await send(crm, ada, "companies/import", { body });
    expect([reason, answer.status, answer.body.errors?.[0]?.code]).toEqual([reason, 422, "file"]);
    expect(answer.body.detail).toContain(reason);
  }
  const broken = `name\n${`${"x".repeat(201)}\n`.repeat(20_500)}`;
  const skipped = await send(crm, ada, "companies/import?on_error=skip", { body: broken });
  expect([skipped.status, skipped.problems]).toEqual([422, ["/body file"]]);
  const json = async (body: string) =>
    (await send(crm, ada, "companies/import", { body, type: "application/json" })).body.code;
  expect(await json("[".repeat(100_000) + "]".repeat(100_000))).toBe("nested_too_deep");
  expect(await json('[{"name":')).toBe("parse_error");
  expect([await json("{}"), await json("[1]")]).toEqual(["validation_error", "validation_error"]);
  expect((await send(crm, ada, "companies/import", { body: "x", type: "image/png" })).status).toBe(415);
  const query = await Promise.all(
    ["key=city", "key=nope", "map=x", "map=nope:name", "on_error=never", "dryrun=true"].map((one) =>
      send(crm, ada, `companies/import?${one}`, { body: "name\nx" }),
    ),
  );
  expect(query.map(({ status, problems }) => [status, problems[0]])).toEqual([
    [422, "/query/key unknown_name"],
    [422, "/query/key unknown_name"],
    [422, "/query/map invalid"],
    [422, "/query/map unknown_name"],
    [422, "/query/on_error invalid"],
    [422, "/query/dryrun unknown"],
  ]);
  expect(await names(crm, ada)).toEqual(["Acme"]);
}, 120_000);

const HOOKS = `
  import { createRouter, hooks, resource } from "xcore";
  import { companies } from "./schema.ts";
  const told = [];
  hooks.on("crm.company.creating", ({ data, cancel }) => {
    if (data.values.name === "refused") cancel("Not this one");
    data.values.city = "by a hook";
  }, { order: "before" });
  hooks.on("crm.company.*", ({ name, data: { before, after } }) => {
    if (name.endsWith("ed")) told.push([name, (after ?? before).name]);
  });
  export default createRouter().use(resource(companies)).get("/told", () => told);
`;

testCrm(
  "handlers are asked of each row of an import, and told of it once it is committed",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    const run = (query: string) =>
      send(crm, ada, `companies/import${query}`, { body: "name\na\nrefused\nb" });
    expect((await run("")).problems).toEqual(["/lines/3 refused"]);
    expect((await run("?dry_run=true")).counts).toEqual([2, 0, 0, 1]);
    expect((await crm.send(null, "GET", "/crm/told")).body).toEqual([]);
    expect((await run("?on_error=skip")).counts).toEqual([2, 0, 0, 1]);
    expect((await crm.send(null, "GET", "/crm/told")).body).toEqual([
      ["crm.company.created", "a"],
      ["crm.company.created", "b"],
    ]);
    expect((await crm.send(ada, "GET", "/crm/companies")).body.items[0].city).toBe("by a hook");
  },
  HOOKS,
);
