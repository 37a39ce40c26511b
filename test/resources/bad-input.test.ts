import { join } from "node:path";
import { expect } from "bun:test";
import { DIALECTS } from "../../src/db/contract/driver.ts";
import { testWithServer } from "../database-servers.ts";
import { Crm, EVERYTHING } from "./crm.ts";

const RUN = await Bun.file(join(import.meta.dir, "../../plugins/crm/run.ts")).text();
const deal = { title: "x", amount: "1", company_id: 1 };

type Case = readonly [method: string, path: string, body: unknown, status: number, says?: unknown];

const list = (query: string, status: number, says?: unknown): Case => [
  "GET",
  `?${query}`,
  undefined,
  status,
  says,
];
const filter = (text: string, status: number, says?: unknown): Case =>
  list(`filter=${encodeURIComponent(text)}`, status, says);
const at = (path: string, code: string, message?: unknown) =>
  expect.objectContaining({ path, code, ...(message !== undefined && { message }) });
const csv = (text: string, status: number, says?: unknown): Case => ["POST", "/import", text, status, says];

/** What is sent to plugins/crm as it stands, and what comes of it on every database alike. */
const CASES: readonly Case[] = [
  filter('title ~ "\u0000"', 422, at("/query/filter", "filter")),
  filter('title !~ "a\u0000b"', 422, at("/query/filter", "filter")),
  filter('title = "\u0000"', 422, at("/query/filter", "filter")),
  list("q=%00", 422, at("/query/q", "invalid", "Expected text without the character U+0000")),
  list("q=a%20%00", 422, at("/query/q", "invalid")),
  list("title.contains=%00", 422, at("/query/title.contains", "filter")),
  filter('owner.password_hash ~ "a"', 422, at("/query/filter", "filter")),
  filter("__proto__ = 1", 422, at("/query/filter", "filter")),
  filter("company.constructor.name = 1", 422, at("/query/filter", "filter")),
  filter("id = 9007199254740993", 422, at("/query/filter", "filter")),
  filter(`title ~ "${"x".repeat(3000)}"`, 200),
  filter("!".repeat(3000), 422, at("/query/filter", "filter")),
  filter(Array.from({ length: 100 }, () => 'company.name ~ "a"').join("||"), 200),
  list("per_page=0", 422, at("/query/per_page", "invalid")),
  list("x=1", 422, at("/query/x", "unknown", "Unknown")),
  list("%00=1", 422, at("/query/\u0000", "unknown", "Unknown")),
  list("sort=margin", 422, at("/query/sort", "unknown_name")),
  list("expand=contact.company.contacts", 422, at("/query/expand", "unknown_name")),
  ["GET", "/9007199254740993", undefined, 422, at("/params/id", "type")],
  ["GET", "/%00", undefined, 422, at("/params/id", "type")],
  [
    "POST",
    "",
    { ...deal, title: "a\u0000b" },
    422,
    at("/body/title", "invalid", expect.stringContaining("U+0000")),
  ],
  ["POST", "", { ...deal, title: "\ud800" }, 422, at("/body/title", "invalid")],
  ["POST", "", { ...deal, title: "\u{1f600}".repeat(200) }, 201],
  ["POST", "", { ...deal, title: "\u{1f600}".repeat(201) }, 422, at("/body/title", "too_long")],
  ["POST", "", { ...deal, amount: "1.005" }, 422, at("/body/amount", "decimal")],
  ["POST", "", { ...deal, close_on: "2026-02-30" }, 422, at("/body/close_on", "date")],
  ["PATCH", "/1", {}, 422, at("/body", "invalid")],
  ["PATCH", "/1", { stage: "won" }, 422, at("/body/stage", "read_only")],
  ["POST", "/batch", { delete: [1, 1] }, 422, at("/body/delete/1", "not_found")],
  ["POST", "/1/revert", { to: -1 }, 422, at("/body/to", "missing_reference")],
  csv(
    "title,amount,company_id\na,1,1\nb,1,1,extra\n",
    422,
    at("/lines/3", "too_many", expect.stringContaining("found 4")),
  ),
  csv("title,amount,company_id\na,1,1,, \n", 200),
  csv(
    `${Array.from({ length: 1000 }, (_, index) => `c${index}`).join(",")}\n`,
    422,
    at("/body", "file", "it has 1000 columns, and 500 are the most"),
  ),
  csv("__proto__,title\nx,a\n", 422, at("/header", "unknown_column")),
  csv("title,amount,company_id\na\u0000b,1,1\n", 422, at("/lines/2/title", "invalid")),
];

for (const dialect of DIALECTS) {
  testWithServer(dialect, `bad input is answered on every database alike (${dialect})`, 120_000, async () => {
    await using crm = await Crm.start({ dialect, run: RUN });
    const ada = await crm.user("ada@example.com", EVERYTHING);
    await crm.send(ada, "POST", "/crm/companies", { name: "Acme" });
    await crm.send(ada, "POST", "/crm/deals", deal);
    for (const [method, path, body, status, says] of CASES) {
      const isCsv = typeof body === "string";
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const response = await crm.app.fetch(`/crm/deals${path}`, {
        method,
        headers: { ...ada.headers, "content-type": isCsv ? "text/csv" : "application/json" },
        ...(body !== undefined && { body: isCsv ? body : JSON.stringify(body) }),
      });
      // oxlint-disable-next-line no-await-in-loop
      const answer = (await response.json()) as { readonly errors?: readonly unknown[] };
      const label = [method, path.slice(0, 80), isCsv ? body.slice(0, 40) : ""];
      expect([...label, response.status, (status === 422 && answer.errors) || null]).toEqual([
        ...label,
        status,
        says === undefined ? null : expect.arrayContaining([says]),
      ]);
    }
    // The version of another row is none of this one's.
    const other = await crm.send(ada, "POST", "/crm/deals", deal);
    const tag = { "if-match": other.headers.get("etag") };
    const refused = await crm.send(ada, "PATCH", "/crm/deals/1", { title: "y" }, tag);
    expect([refused.status, refused.body.code, refused.body.current.id]).toEqual([
      412,
      "precondition_failed",
      1,
    ]);
  });
}
