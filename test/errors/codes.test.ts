import { expect, test } from "bun:test";
import { join } from "node:path";
import { AUTH_ERROR_CODES } from "../../src/accounts/identity/error-codes.ts";
import { CACHE_ERROR_CODES } from "../../src/cache/flights.ts";
import { MEMCACHED_ERROR_CODES } from "../../src/cache/memcached/connection.ts";
import { REDIS_ERROR_CODES } from "../../src/cache/redis/errors.ts";
import { DATABASE_ERROR_CODES } from "../../src/db/contract/error-codes.ts";
import { AppError } from "../../src/errors/errors.ts";
import { COMMAND_ERROR_CODES, createFail, type ErrorCode, HTTP_ERROR_CODES } from "../../src/errors/codes.ts";
import { TEMPLATE_ERROR_CODES } from "../../src/templates/error-codes.ts";
import { RESOURCE_ERROR_CODES } from "../../src/resources/changes/places.ts";
import { PLUGIN_ERROR_CODES } from "../../src/plugins/failure/error-codes.ts";
import { STORAGE_ERROR_CODES } from "../../src/storage/contract/error-codes.ts";

const root = join(import.meta.dir, "../..");
const page = join(root, "docs/errors.md");

/** The tables of codes, by the heading that each stands under in docs/errors.md. */
const TABLES: Readonly<Record<string, Readonly<Record<string, ErrorCode>>>> = {
  "Codes of every route": HTTP_ERROR_CODES,
  "Codes of the database": DATABASE_ERROR_CODES,
  "Codes of resources": RESOURCE_ERROR_CODES,
  "Codes of pages": TEMPLATE_ERROR_CODES,
  "Codes of the cache and of Redis": { ...CACHE_ERROR_CODES, ...REDIS_ERROR_CODES, ...MEMCACHED_ERROR_CODES },
  "Codes of files": STORAGE_ERROR_CODES,
  "Codes of accounts": AUTH_ERROR_CODES,
  "Codes of plugins": PLUGIN_ERROR_CODES,
  "Codes of the command line": COMMAND_ERROR_CODES,
};

/** A table as docs/errors.md has it. What ends a command has no status that anybody sees. */
function toMarkdown(codes: Readonly<Record<string, ErrorCode>>): string {
  const rows = Object.entries(codes).map(
    ([code, { status, meaning }]) =>
      `| \`${code}\` | ${codes === COMMAND_ERROR_CODES ? "–" : status} | ${meaning} |`,
  );
  return ["| code | status | meaning |", "|---|---|---|", ...rows].join("\n");
}

// UPDATE_DOCS=1 bun test test/errors/codes.test.ts writes the tables into the page.
test("docs/errors.md has each table of codes under its heading", async () => {
  const text = await Bun.file(page).text();
  const written = Object.entries(TABLES).reduce((whole, [heading, codes]) => {
    const section = new RegExp(`(## ${heading}\\n[^|]*)(?:\\|.*\\n)+`);
    expect(whole).toMatch(section);
    return whole.replace(section, (_, head: string) => `${head}${toMarkdown(codes)}\n`);
  }, text);
  if (process.env["UPDATE_DOCS"] === "1") await Bun.write(page, written);
  else expect(text).toBe(written);
});

test("a code stands in one table only", () => {
  const codes = Object.values(TABLES).flatMap((table) => Object.keys(table));
  expect(new Set(codes).size).toBe(codes.length);
});

test("fail() looks the status of a code up in its table", () => {
  const fail = createFail({ teapot: { status: 418, meaning: "It is one" } });
  for (const [code, status] of [
    ["teapot", 418],
    ["conflict", 409],
    ["config_invalid", 500],
  ] as const) {
    const error = fail(code, "Cannot brew", { cause: "tea", headers: { "retry-after": "1" } });
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code, status, message: "Cannot brew", cause: "tea" });
    expect(error.headers).toEqual({ "retry-after": "1" });
  }
  // @ts-expect-error -- no table has it
  expect(() => fail("kettle", "Cannot brew")).toThrow();
});

test("src/ makes every AppError with fail()", async () => {
  const offenders: string[] = [];
  for await (const file of new Bun.Glob("src/**/*.{ts,tsx}").scan(root)) {
    if (file === "src/errors/codes.ts") continue;
    const text = await Bun.file(join(root, file)).text();
    // A comment's example is a code of someone's plugin.
    const code = text.replaceAll(/^\s*(\*|\/\/).*$/gm, "");
    if (/new AppError\(|super\(\s*"\w+",\s*\d/.test(code)) offenders.push(file);
  }
  expect(offenders).toEqual([]);
});
