import { connect } from "node:net";
import { expect, test } from "bun:test";
import { readXlsx } from "hucre/xlsx";
import { writeWorkbook } from "../../src/resources/export/workbook.ts";
import { readXlsx as readForImport, SheetNumber } from "../../src/resources/import/xlsx-source.ts";
import { Crm, EVERYTHING, testCrm } from "./crm.ts";

const XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

async function fill(crm: Crm) {
  const [ada, bob] = [
    await crm.user("ada@example.com", EVERYTHING),
    await crm.user("bob@example.com", EVERYTHING),
  ];
  await crm.send(ada, "POST", "/crm/companies", { name: 'Acm\u00e9 \u{1f600}, "Inc"\nOslo' });
  const make = (user: typeof ada, values: object) =>
    crm.send(user, "POST", "/crm/deals", { title: "x", amount: "1.50", company_id: 1, ...values });
  await make(ada, { title: "=cmd|' /C calc'!A0", amount: "-5.25", close_on: "2026-03-01" });
  await make(ada, { title: "@sum", amount: "1234567890123.45", stage: "won" });
  await make(ada, { title: "'-kept", stage: "lost" });
  await make(bob, { title: "of bob" });
  return ada;
}

testCrm("an export has the rows of a list with the same query, as CSV, JSON and XLSX", async (crm) => {
  const ada = await fill(crm);
  const get = (path: string) => crm.send(ada, "GET", `/crm/deals/export.${path}`);
  const csv = await get("csv?fields=id,title,amount,close_on,contact_id&sort=-id");
  expect([csv.status, csv.headers.get("content-type"), csv.headers.get("content-disposition")]).toEqual([
    200,
    "text/csv; charset=utf-8",
    'attachment; filename="deals.csv"',
  ]);
  expect(csv.body).toBe(
    [
      "id,title,amount,close_on,contact_id",
      "3,''-kept,1.50,,",
      "2,'@sum,1234567890123.45,,",
      "1,'=cmd|' /C calc'!A0,-5.25,2026-03-01,",
      "",
    ].join("\r\n"),
  );
  const raw = await crm.app.fetch("/crm/deals/export.csv?fields=id", { headers: ada.headers });
  expect(Buffer.from(await raw.arrayBuffer()).toString("utf8")).toBe("\u{feff}id\r\n1\r\n2\r\n3\r\n");
  expect((await get('csv?fields=id&filter=stage = "won"&bom=false')).body).toBe("id\r\n2\r\n");
  expect((await get("csv?stage=open&q=sum&fields=id&bom=false")).body).toBe("id\r\n");
  const json = await get("json?stage=won&stage=lost");
  const list = await crm.send(ada, "GET", "/crm/deals?stage=won&stage=lost");
  expect(json.body).toEqual(list.body.items);
  expect((await get("json?stage=open&q=nothing")).body).toEqual([]);
  const response = await crm.app.fetch("/crm/deals/export.xlsx?fields=id,title,amount,close_on,created_at", {
    headers: ada.headers,
  });
  expect(response.headers.get("content-type")).toBe(XLSX);
  const { sheets } = await readXlsx(new Uint8Array(await response.arrayBuffer()));
  const [header, first, second] = sheets[0]?.rows ?? [];
  expect([sheets[0]?.name, header]).toEqual(["deals", ["id", "title", "amount", "close_on", "created_at"]]);
  expect(first?.slice(0, 4)).toEqual([1, "=cmd|' /C calc'!A0", -5.25, new Date("2026-03-01")]);
  expect(first?.[4]).toBeInstanceOf(Date);
  expect(second?.[2]).toBe(1234567890123.45);
  const companies = await crm.send(ada, "GET", "/crm/companies/export.csv?fields=name&bom=false");
  expect(companies.body).toBe('name\r\n"Acm\u00e9 \u{1f600}, ""Inc""\nOslo"\r\n');
});

testCrm("an export is read by who may read, and answers a wrong query with what is wrong", async (crm) => {
  const ada = await fill(crm);
  const eve = await crm.user("eve@example.com", ["companies:read"]);
  const get = async (query: string, user: typeof ada | null = ada) => {
    const { status, body } = await crm.send(user, "GET", `/crm/deals/export.${query}`);
    return [
      status,
      ...(body.errors ?? []).map(({ path, code }: Record<string, string>) => `${path} ${code}`),
    ];
  };
  expect(await get("csv", null)).toEqual([401]);
  expect(await get("csv", eve)).toEqual([403]);
  expect(await get("csv?sort=nope")).toEqual([422, "/query/sort unknown_name"]);
  expect(await get("xlsx?sort=margin")).toEqual([422, "/query/sort unknown_name"]);
  expect(await get("json?fields=margin")).toEqual([422, "/query/fields unknown_name"]);
  expect(await get("json?filter=margin > 1")).toEqual([422, "/query/filter filter"]);
  expect(await get("csv?stagee=won")).toEqual([422, "/query/stagee unknown"]);
  expect(await get("csv?page=2")).toEqual([422, "/query/page unknown"]);
  expect((await crm.send(ada, "GET", "/crm/deals/export.csv")).body).not.toContain("margin");
});

function number(value: number): SheetNumber {
  return new SheetNumber(value, false);
}

test("a workbook has each cell as it was given, to others and to an import", async () => {
  const texts = [
    "<a> & \"b\" 'c'",
    " at its ends ",
    "two\r\nlines\t",
    "no\u0001 \u001f\uffff character",
    "_x000D_ itself",
  ];
  const day = new Date("2026-03-01");
  const moment = new Date("2026-11-27T06:17:36.250Z");
  const rows = [texts, [1.5, -0.1, true, day, moment], [null, "", false, Number.NaN, 9_007_199_254_740_991]];
  const columns = texts.map(
    (_, at) => ({ header: `column ${at}`, dates: at === 3 ? "day" : "moment" }) as const,
  );
  // More columns than there are letters.
  const wide = Array.from(
    { length: 30 - columns.length },
    (_, at) => ({ header: `w${at}`, dates: "day" }) as const,
  );
  const pieces = (async function* () {
    yield [rows[0] ?? []];
    yield rows.slice(1);
  })();
  const sheet = { name: "deals", columns: [...columns, ...wide], pieces };
  const bytes = Buffer.concat(await Array.fromAsync(writeWorkbook(sheet)));
  const { header, pieces: read } = await readForImport({ bytes, format: "xlsx", charset: null });
  expect([header.length, header.at(-1)]).toEqual([30, "w24"]);
  const cells = (await Array.fromAsync(read)).flat().map((row) => Array.from(row.cells));
  expect(cells[0]).toEqual(texts);
  expect(cells[1]).toEqual([number(1.5), number(-0.1), true, number(46_082), expect.any(SheetNumber)]);
  expect(cells[2]).toEqual([undefined, "", false, "NaN", number(9_007_199_254_740_991)]);
  const { sheets } = await readXlsx(new Uint8Array(bytes));
  expect(sheets[0]?.rows[2]?.slice(0, 5)).toEqual([1.5, -0.1, true, day, moment]);
});

async function fillCompanies(crm: Crm, count: number, notes: string) {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  for (let from = 0; from < count; from += 1000) {
    const create = Array.from({ length: 1000 }, (_, at) => ({ name: `company ${from + at}`, notes }));
    // oxlint-disable-next-line no-await-in-loop -- one batch after another
    expect((await crm.send(ada, "POST", "/crm/companies/batch", { create })).status).toBe(200);
  }
  return ada;
}

test("an export of many rows has each once, in the order asked for", async () => {
  await using crm = await Crm.start();
  const ada = await fillCompanies(crm, 2000, "long ".repeat(1000));
  const { body } = await crm.send(ada, "GET", "/crm/companies/export.json?sort=-name&fields=name");
  const names = body.map(({ name }: { name: string }) => name);
  expect([names.length, new Set(names).size]).toEqual([2000, 2000]);
  expect(names).toEqual(names.toSorted().toReversed());
  // Values that are longer than a cursor takes.
  const long = await crm.send(ada, "GET", "/crm/companies/export.json?sort=notes&fields=id");
  expect(long.body.map(({ id }: { id: number }) => id)).toEqual(
    Array.from({ length: 2000 }, (_, at) => at + 1),
  );
}, 120_000);

test("an export reads no further than its client does", async () => {
  await using crm = await Crm.start();
  const ada = await fillCompanies(crm, 5000, "long ".repeat(2500));
  const { hostname, port } = new URL(crm.app.url);
  const socket = connect(Number(port), hostname);
  const headers = Object.entries(ada.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  let last = "";
  socket.on("data", (data) => {
    last = (last + data.toString("latin1")).slice(-20_000);
    begun.resolve();
  });
  socket.on("close", () => ended.resolve());
  socket.write(
    `GET /crm/companies/export.csv?fields=id,name,notes HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\n${headers.join("")}\r\n`,
  );
  await begun.promise;
  socket.pause();
  for (let at = 0; at < 50; at += 1) {
    // oxlint-disable-next-line no-await-in-loop -- time in which a file that nobody waits for would be whole
    await crm.send(ada, "GET", "/crm/companies?per_page=1");
  }
  await crm.send(ada, "POST", "/crm/companies", { name: "made meanwhile" });
  socket.resume();
  await ended.promise;
  expect(last).toContain("5001,made meanwhile");
}, 120_000);
