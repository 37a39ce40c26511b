import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { XCORE } from "../cli/xcore-command.ts";
import { xcore, XcoreServer } from "../cli/xcore-process.ts";
import { TestFolder } from "../setup.ts";

const GONE = /it was there before, and its file is missing or empty; put it back, .*"xcore serve --new"/;

async function makeProject(): Promise<TestFolder> {
  const folder = await TestFolder.create();
  await using server = await XcoreServer.start(folder);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
  return folder;
}

test("a start that finds no database where there was one refuses, and says what to do", async () => {
  await using folder = await makeProject();
  const file = join(folder.path, "data/app.db");
  for (const lose of [() => rename(file, `${file}.away`), () => writeFile(file, "")]) {
    /* oxlint-disable no-await-in-loop -- one after another */
    await lose();
    for (const args of [
      ["serve", "--port", "0"],
      ["db", "migrate"],
    ]) {
      const { code, stderr } = await xcore(folder, args);
      expect([code, stderr]).toEqual([1, expect.stringMatching(GONE)]);
    }
    /* oxlint-enable no-await-in-loop */
  }
  await rename(`${file}.away`, file);
  await using server = await XcoreServer.start(folder);
  expect((await server.fetch("/health")).status).toBe(200);
});

test("xcore serve --new makes an empty database in the place of one that is gone", async () => {
  await using folder = await makeProject();
  await rm(join(folder.path, "data/app.db"));
  await using server = await XcoreServer.start(folder, { args: ["serve", "--port", "0", "--new"] });
  expect((await server.fetch("/health")).status).toBe(200);
  expect(await Bun.file(join(folder.path, "data/app.db")).exists()).toBe(true);
});

test("a project that was moved knows its database, and another database is a new one", async () => {
  await using folder = await makeProject();
  await using elsewhere = await TestFolder.create();
  const moved = join(elsewhere.path, "data");
  await rename(join(folder.path, "data"), moved);
  await rm(join(moved, "app.db"));
  const { code, stderr } = await xcore(elsewhere, ["serve", "--port", "0"]);
  expect([code, stderr]).toEqual([1, expect.stringMatching(GONE)]);
  await mkdir(join(elsewhere.path, "other"));
  await using server = await XcoreServer.start(elsewhere, {
    env: { DATABASE_URL: "sqlite:other/app.db" },
  });
  expect((await server.fetch("/health")).status).toBe(200);
});

test("on a terminal, a start asks before it makes an empty database", async () => {
  const script = Bun.which("script");
  if (script === null || process.platform !== "linux") return; // no terminal to be had
  await using folder = await makeProject();
  await rm(join(folder.path, "data/app.db"));
  const serve = [...XCORE, "serve", "--port", "0"].map((word) => `'${word}'`).join(" ");
  const child = Bun.spawn([script, "-qec", serve, "/dev/null"], {
    cwd: folder.path,
    stdio: ["pipe", "pipe", "inherit"],
  });
  let shown = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const wasAsked = shown.includes("[y/N]");
    shown += chunk;
    if (!wasAsked && shown.includes("[y/N]")) void child.stdin.write("n\n");
  }
  expect(shown).toContain("Make an empty one now? [y/N]");
  expect(await child.exited).toBe(1);
  expect(await Bun.file(join(folder.path, "data/app.db")).exists()).toBe(false);
});
