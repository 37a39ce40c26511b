import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { TestApp } from "./setup.ts";

const PROJECT = join(import.meta.dir, "..");
const DOCUMENT = await Bun.file(join(PROJECT, "docs/security-asvs.md")).text();

/** Requirements of levels 1 and 2 in ASVS 4.0.3: by section, the level of each, "-" for a number that isn't one. */
const SECTIONS: Readonly<Record<string, string>> = {
  "2.1": "111111111111",
  "2.2": "111",
  "2.3": "122",
  "2.4": "22222",
  "2.5": "1111112",
  "2.6": "222",
  "2.7": "111122",
  "2.8": "1222222",
  "2.9": "222",
  "2.10": "2222",
  "3.1": "1",
  "3.2": "1112",
  "3.3": "1122",
  "3.4": "11111",
  "3.5": "222",
  "3.7": "1",
  "4.1": "111-1",
  "4.2": "11",
  "4.3": "112",
  "5.1": "11111",
  "5.2": "11111111",
  "5.3": "1111111111",
  "5.4": "222",
  "5.5": "1111",
  "7.1": "1122",
  "7.2": "22",
  "7.3": "2-22",
  "7.4": "122",
  "13.1": "1-122",
  "13.2": "111-22",
  "13.3": "12",
  "13.4": "22",
  "14.1": "2222",
  "14.2": "111222",
  "14.3": "-11",
  "14.4": "1111111",
  "14.5": "1112",
};
const REQUIREMENTS = Object.entries(SECTIONS).flatMap(([section, levels]) =>
  Array.from(levels).flatMap((level, index) => (level === "-" ? [] : `${section}.${index + 1} L${level}`)),
);
const FILE = /^(?:(?:src|test|docs|templates|\.ci)\/|(?:README\.md|bun\.lock|build\.ts|package\.json)$)/;
const ROUTE = /^(?:GET|POST|PUT|PATCH|DELETE) \//;
const SETTING = /^[a-z_]+(?:\.[a-z_]+)+$/;

interface Row {
  readonly id: string;
  readonly level: string;
  readonly answer: string;
  /** What stands between backticks. */
  readonly named: readonly string[];
}

const rows: Row[] = DOCUMENT.split("\n")
  .filter((line) => /^\| \d/.test(line))
  .map((line) => {
    const [id = "", level = "", , answer = ""] = line.slice(2, -2).split(" | ");
    return { id, level, answer, named: [...answer.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name) };
  });
const answered = (answer: string): Row[] => rows.filter((row) => row.answer.startsWith(answer));

test("docs/security-asvs.md answers each requirement of levels 1 and 2 once, in order", () => {
  expect(REQUIREMENTS).toHaveLength(158);
  expect(rows.map(({ id, level }) => `${id} L${level}`)).toEqual(REQUIREMENTS);
  const unclear = rows.filter(({ answer }) => !/^(?:yes|no|no, in part|no by default|n\/a): \S/.test(answer));
  expect(unclear).toEqual([]);
});

test("each yes of docs/security-asvs.md says where, and all that is named is there", async () => {
  await using app = await TestApp.start();
  const { paths } = (await app.get("/openapi.json")).body as { paths: Record<string, object> };
  const routes = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path.replace(/(?<=.)\/$/, "")}`),
  );
  const settings = await Bun.file(join(PROJECT, "docs/configuration.md")).text();
  const isThere = (name: string): boolean | null => {
    if (FILE.test(name)) return existsSync(join(PROJECT, name));
    if (ROUTE.test(name)) return routes.includes(name);
    return SETTING.test(name) && name !== "config.json" ? settings.includes(`| \`${name}\` |`) : null;
  };
  const vague = answered("yes").filter(({ named }) => !named.some((name) => isThere(name)));
  expect(vague.map(({ id }) => id)).toEqual([]);
  const missing = rows.flatMap(({ id, named }) =>
    named.filter((name) => isThere(name) === false).map((name) => `${id}: ${name}`),
  );
  expect(missing).toEqual([]);
});
