import { InvalidArgumentError } from "commander";

/** A file of a plugin: its name, and what it holds. */
export type PluginFile = readonly [file: string, text: string];

const NAME = /^[a-z][a-z0-9_]{0,30}$/;
const DEFAULT = "items";
/** What the files import or declare themselves. */
const TAKEN = new Set([
  "create_router",
  "create_test_host",
  "expect",
  "id",
  "resource",
  "table",
  "test",
  "timestamp",
  "varchar",
]);

/** Reads what a table is called, as a command line gives it. */
export function parseTable(text: string): string {
  if (NAME.test(text)) return text;
  throw new InvalidArgumentError(
    'it must be a word of at most 31 lower-case letters, digits and underscores, such as "orders".',
  );
}

/** What the table of a plugin is called behind the plugin's name. @param given true for no name */
export function toTableWord(plugin: string, given: string | true): string {
  if (given === true) return DEFAULT;
  return given.startsWith(`${plugin}_`) ? given.slice(plugin.length + 1) : given;
}

/** The files of a plugin with a table as an API. */
export function toTableFiles(plugin: string, word: string): PluginFile[] {
  const table = toVariable(word);
  return [
    ["plugin.json", `${JSON.stringify({ name: plugin, version: "1.0.0" }, null, 2)}\n`],
    ["schema.ts", toSchema(`${plugin}_${word}`, table)],
    ["run.ts", toRun(table)],
    [`${plugin}.test.ts`, toTest(plugin, word)],
  ];
}

function toSchema(name: string, table: string): string {
  return `import { id, table, timestamp, varchar } from "xcore/schema";

export const ${table} = table("${name}", {
  id: id(),
  name: varchar(200).notNull(),
  created_at: timestamp().notNull().defaultNow(),
});
`;
}

function toRun(table: string): string {
  return `import { createRouter, resource } from "xcore";
import { ${table} } from "./schema.ts";

export default createRouter().use(
  resource(${table}, {
    search: ["name"],
    fields: { created_at: { write: false } },
  }),
);
`;
}

function toTest(plugin: string, word: string): string {
  return `import { expect, test } from "bun:test";
import { createTestHost } from "xcore/testing";

test("makes rows and lists them, for those who may", async () => {
  await using host = await createTestHost({ plugins: [import.meta.dir] });
  expect((await host.fetch("/${plugin}/${word}")).status).toBe(401);
  const { headers } = await host.createUser({ permissions: ["${word}:read", "${word}:write"] });
  const made = await host.fetch("/${plugin}/${word}", { headers, json: { name: "First" } });
  expect(made.status).toBe(201);
  const found = await host.fetch("/${plugin}/${word}?q=first", { headers });
  expect(await found.json()).toMatchObject({ items: [{ name: "First" }], total: 1 });
});
`;
}

/** What the table is called in code, where some words are taken. */
function toVariable(word: string): string {
  const variable = word.replaceAll(/_+([a-z0-9]?)/g, (_, letter: string) => letter.toUpperCase());
  return TAKEN.has(word) || !isFree(variable) ? `${variable}Table` : variable;
}

/** Whether code can declare it: not "class". */
function isFree(variable: string): boolean {
  try {
    new Bun.Transpiler({ loader: "ts" }).transformSync(`export const ${variable} = 1;`);
    return true;
  } catch {
    return false;
  }
}
