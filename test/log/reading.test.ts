import { expect, test } from "bun:test";
import { appendFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { followLog, readLog } from "../../src/log/reading.ts";
import { TestFolder } from "../setup.ts";

const toLine = (n: number, more: object = {}): string =>
  `${JSON.stringify({ level: n % 10 === 0 ? "error" : "info", time: new Date(n * 1000).toISOString(), msg: `line ${n} é`, ...more })}\n`;

async function write(lines: readonly string[]) {
  const folder = await TestFolder.create();
  const path = join(folder.path, "app.log");
  await writeFile(path, lines.join(""));
  return { path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

test("readLog() gives each line once, from the end of a file that is longer than a piece", async () => {
  await using log = await write(Array.from({ length: 5000 }, (_, n) => toLine(n)));
  const seen: string[] = [];
  let before: number | undefined;
  do {
    // oxlint-disable-next-line no-await-in-loop -- each page says where the next one begins
    const page = await readLog(log.path, {}, { limit: 333, before });
    seen.push(...page.items.map(({ msg }) => msg));
    before = page.before ?? undefined;
  } while (before !== undefined);
  expect(seen).toEqual(Array.from({ length: 5000 }, (_, n) => `line ${4999 - n} é`));
});

test("readLog() filters by level, text, plugin and time", async () => {
  const lines = Array.from({ length: 50 }, (_, n) => toLine(n, { plugin: n < 25 ? "shop" : null }));
  await using log = await write(lines);
  const find = async (filter: object) =>
    (await readLog(log.path, filter, { limit: 100 })).items.map(({ msg }) => msg);
  expect(await find({ level: "error" })).toEqual([
    "line 40 é",
    "line 30 é",
    "line 20 é",
    "line 10 é",
    "line 0 é",
  ]);
  expect(await find({ level: "error", plugin: "shop", from: new Date(5000).toISOString() })).toEqual([
    "line 20 é",
    "line 10 é",
  ]);
  expect(await find({ q: "LINE 41" })).toEqual(["line 41 é"]);
});

test("readLog() takes what no logger has written, and shows no secret", async () => {
  const secrets = `${JSON.stringify({ level: "warn", time: "x", msg: "m", password: "hunter2" })}\n`;
  await using log = await write([
    "half a line {\n",
    "\n",
    secrets,
    `token=hunter2 ${"x".repeat(300_000)}\n`,
    "[1]\n",
  ]);
  const { items } = await readLog(log.path, {}, { limit: 10 });
  expect(items).toHaveLength(4);
  expect(JSON.stringify(items)).not.toContain("hunter2");
  expect((await readLog(log.path, { q: "hunter2" }, { limit: 10 })).items).toEqual([]);
  expect(await readLog(`${log.path}.none`, {}, { limit: 10 })).toEqual({ items: [], before: null });
});

test("followLog() tells of lines as they are written, also after the file was rotated", async () => {
  await using log = await write([toLine(1)]);
  const ending = new AbortController();
  const lines = followLog(log.path, { level: "error" }, { signal: ending.signal, everyMs: 5 });
  const next = async (): Promise<string | undefined> => {
    for await (const line of { [Symbol.asyncIterator]: () => ({ next: () => lines.next() }) }) {
      if (line !== null) return line.msg;
    }
    return undefined;
  };
  await lines.next();
  await appendFile(log.path, toLine(2) + toLine(10).slice(0, 20));
  await lines.next();
  await appendFile(log.path, toLine(10).slice(20));
  expect(await next()).toBe("line 10 é");
  await rename(log.path, `${log.path}.1`);
  await writeFile(log.path, toLine(20));
  expect(await next()).toBe("line 20 é");
  ending.abort();
  expect(await next()).toBeUndefined();
});
