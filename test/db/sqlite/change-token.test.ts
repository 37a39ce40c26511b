import { setImmediate } from "node:timers/promises";
import { expect, test } from "bun:test";
import { Articles, articles } from "./articles.ts";

test("changeToken() is another one after a commit of this process, and the same while there is none", async () => {
  await using opened = await Articles.open();
  const { db, driver } = opened;
  const first = driver.changeToken();
  expect(driver.changeToken()).toBe(first);
  await setImmediate();
  expect(driver.changeToken()).toBe(first);
  await db.insert(articles).values({ id: 1 });
  const second = driver.changeToken();
  expect(second).not.toBe(first);
  await db.transaction(async (tx) => {
    await tx.insert(articles).values({ id: 2 });
    expect(driver.changeToken()).toBe(second);
  });
  const third = driver.changeToken();
  expect(third).not.toBe(second);
  await db.select().from(articles);
  expect(driver.changeToken()).toBe(third);
});

test("changeToken() is another one after a commit of another process", async () => {
  await using opened = await Articles.open();
  const first = opened.driver.changeToken();
  const code =
    "new (require('bun:sqlite').Database)(process.argv[1]).run('insert into articles (id) values (1)')";
  const child = Bun.spawn([process.execPath, "-e", code, opened.file], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  expect(await child.exited).toBe(0);
  expect(opened.driver.changeToken()).not.toBe(first);
  expect(await opened.ids()).toEqual([1]);
});
