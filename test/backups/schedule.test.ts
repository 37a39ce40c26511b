import { mkdir, readdir, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { readBackupState } from "../../src/backups/schedule.ts";
import { testWithProgram } from "../programs.ts";
import { TestApp, TestFolder } from "../setup.ts";
import { Bucket } from "../storage/bucket.ts";

const NAMED = (day: number) => `scheduled-2026-01-0${day}T02-30-00-000Z.tar.gz`;
const ALIEN = ["scheduled-mine.tar.gz", "xcore-2026-01-01T02-30-00-000Z.tar.gz"];

async function run(app: TestApp): Promise<string | null> {
  return (await app.app.tasks.run("core:backup")).ended;
}

testWithProgram(
  "rclone",
  "backups by schedule are checked, copied to a bucket, and the oldest go in both places, but for what isn't theirs",
  async (rclone) => {
    await using folder = await TestFolder.create();
    await using bucket = await Bucket.serve(rclone, folder.path);
    const s3 = { ...bucket.settings(), prefix: "nightly/" };
    const env = { DATA_KEY: "a secret of config.json" };
    await using app = await TestApp.start({
      config: { backups: { schedule: "30 2 29 2 *", keep: 2, s3 } },
      files: { "config.json": { app: { name: "${DATA_KEY}" } } },
      env,
    });
    const backups = join(app.folder.path, "data/backups");
    const nightly = join(folder.path, "files/nightly");
    for (const place of [backups, nightly]) {
      // oxlint-disable-next-line no-await-in-loop -- two
      await mkdir(place, { recursive: true });
      // oxlint-disable-next-line no-await-in-loop
      for (const name of [NAMED(1), NAMED(2), NAMED(3), ...ALIEN]) await writeFile(join(place, name), "old");
    }
    await writeFile(join(folder.path, "elsewhere"), "not to be touched");
    await symlink(join(folder.path, "elsewhere"), join(backups, NAMED(4)));

    expect(await run(app)).toBeNull();
    for (const [place, links] of [
      [backups, [NAMED(4)]],
      [nightly, []],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop
      const names = (await readdir(place)).toSorted((a, b) => (a < b ? -1 : 1));
      const [made = ""] = names.filter((name) => name > NAMED(5) && /^scheduled-\d/.test(name));
      expect(made).toMatch(/^scheduled-\d{4}-.*Z\.tar\.gz$/);
      expect(names).toEqual([NAMED(3), ...links, made, ...ALIEN].toSorted((a, b) => (a < b ? -1 : 1)));
      // oxlint-disable-next-line no-await-in-loop
      if (place === backups) expect((await stat(join(place, made))).mode & 0o777).toBe(0o600);
    }
    const [local = "", remote = ""] = await Promise.all(
      [backups, nightly].map(async (place) => {
        const [name = ""] = (await readdir(place)).filter(
          (one) => one > NAMED(5) && /^scheduled-\d/.test(one),
        );
        return (await readFile(join(place, name))).toString("latin1");
      }),
    );
    expect(remote === local && local.length > 1000).toBe(true);
    expect((await app.getAsAdmin("/health")).body.checks.backups).toBe("ok");

    // A bucket that is away is told, and what was there stays; the one on the disk is good.
    bucket.kill();
    expect(await run(app)).toMatch(
      /Cannot copy the backup to the bucket "\S+" at http\S+: .+; it is in \S+\/scheduled-\S+\.tar\.gz/,
    );
    expect((await app.getAsAdmin("/health")).body).toMatchObject({
      status: "degraded",
      checks: { backups: "failing" },
    });
    expect(await readBackupState(app.app.store)).toMatchObject({
      failure: expect.stringContaining("Cannot copy the backup to the bucket"),
    });
    const log = await app.log("app");
    expect(log).toContain("task failed");
    expect(log + (await readdir(backups)).join("\n")).not.toMatch(/a secret of/);
    expect(await readdir(nightly)).toHaveLength(4);
    expect(await readFile(join(folder.path, "elsewhere"), "utf8")).toBe("not to be touched");
  },
  120_000,
);

test("a backup that can't be made takes none of those before away, and a bad schedule keeps a server from starting", async () => {
  await using app = await TestApp.start({ config: { backups: { schedule: "0 3 * * *", keep: 1 } } });
  const backups = join(app.folder.path, "data/backups");
  expect(await run(app)).toBeNull();
  const before = await readdir(backups);
  expect(before).toHaveLength(1);
  await rename(join(app.folder.path, "data/app.db"), join(app.folder.path, "data/away.db"));
  const failure = await run(app).catch(String);
  expect(failure).toContain("Cannot back up");
  await rename(join(app.folder.path, "data/away.db"), join(app.folder.path, "data/app.db"));
  expect(await readdir(backups)).toEqual(before);

  const started = TestApp.start({ config: { backups: { schedule: "61 25 * * *" } } });
  expect(started).rejects.toMatchObject({ code: "config_invalid" });
  await started.catch(() => {});
});
