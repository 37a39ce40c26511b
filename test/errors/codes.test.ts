import { expect, test } from "bun:test";
import { join } from "node:path";
import { AUTH_ERROR_CODES } from "../../src/accounts/people/error-codes.ts";
import { DATABASE_ERROR_CODES } from "../../src/db/contract/error-codes.ts";
import { HTTP_ERROR_CODES } from "../../src/errors/codes.ts";
import { PLUGIN_ERROR_CODES } from "../../src/plugins/admin/error-codes.ts";

const root = join(import.meta.dir, "../..");
const tables = [HTTP_ERROR_CODES, AUTH_ERROR_CODES, DATABASE_ERROR_CODES, PLUGIN_ERROR_CODES];
const rows = [
  ...(await Bun.file(join(root, "docs/errors.md")).text()).matchAll(/^\| `(\w+)` \| (\d+|–) \| (.+) \|$/gm),
];
const documented = new Map(rows.map(([, code = "", status, meaning]) => [code, { status, meaning }]));

test("docs/errors.md says of each code what its table says", () => {
  for (const table of tables) {
    for (const [code, { status, meaning }] of Object.entries(table)) {
      expect({ code, ...documented.get(code) }).toEqual({ code, status: String(status), meaning });
    }
  }
});

test("docs/errors.md lists each code once", () => {
  expect(rows.length).toBe(documented.size);
});

test("a code stands in one table only", () => {
  const codes = tables.flatMap((table) => Object.keys(table));
  expect(new Set(codes).size).toBe(codes.length);
});

test("every AppError in src/ has a documented code", async () => {
  const used = new Map<string, string>();
  for await (const file of new Bun.Glob("src/**/*.{ts,tsx}").scan(root)) {
    const text = await Bun.file(join(root, file)).text();
    // A comment's example is a code of someone's plugin.
    const code = text.replaceAll(/^\s*(\*|\/\/).*$/gm, "");
    for (const [, name = ""] of code.matchAll(/new AppError\(\s*["'`](\w+)["'`]/g)) used.set(name, file);
    if (/extends AppError/.test(code)) {
      for (const [, name = ""] of code.matchAll(/super\(\s*["'`](\w+)["'`]/g)) used.set(name, file);
    }
  }
  expect(used.size).toBeGreaterThan(8);
  expect([...used].filter(([name]) => !documented.has(name))).toEqual([]);
});
