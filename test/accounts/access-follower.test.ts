import { expect } from "bun:test";
import { AccessFollower, type ChangedUsers } from "../../src/accounts/access-follower.ts";
import { noteAccessChange } from "../../src/accounts/people/store.ts";
import { type DialectTest, testWithCoreTables } from "../database-servers.ts";
import { Clock, openStore } from "./factor-accounts.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

async function arrange({ driver }: Pick<DialectTest, "driver">) {
  const clock = new Clock();
  const store = await openStore(driver);
  const told: (number[] | null)[] = [];
  const onChange = (users: ChangedUsers): void =>
    void told.push(users === null ? null : [...users].toSorted((a, b) => a - b));
  const follower = new AccessFollower({
    store,
    driver,
    feed: null,
    onNews() {},
    onChange,
    now: clock.now,
  });
  return {
    clock,
    store,
    follower,
    note: (...users: (number | null)[]) =>
      store.db.transaction(async (tx) => {
        for (const user of users) await noteAccessChange(tx, store.tables, user);
      }),
    /** What it is told of by the next request. */
    next: async () => {
      await follower.follow();
      return told.splice(0);
    },
  };
}

testWithCoreTables("follow() tells of each change once, and of who is named", async ({ driver }) => {
  const { note, next } = await arrange({ driver });
  await note(1);
  expect(await next()).toEqual([null]); // it starts
  expect(await next()).toEqual([]);
  await note(1);
  await note(2, 1);
  expect(await next()).toEqual([[1, 2]]);
  await note(3, null);
  expect(await next()).toEqual([null]);
  await note(4);
  expect(await next()).toEqual([[4]]);
  expect(await next()).toEqual([]);
});

testWithCoreTables("follow() takes many changes, and a long silence, for everybody's", async ({ driver }) => {
  const { clock, store, note, next } = await arrange({ driver });
  await next();
  const { db, tables } = store;
  const insert = (count: number) =>
    db.insert(tables.accessChanges).values(Array.from({ length: count }, (_, n) => ({ user_id: n })));
  for (let n = 0; n < 5; n += 1) await insert(500);
  expect(await next()).toEqual([null]);
  await note(7);
  expect(await next()).toEqual([[7]]);
  clock.ms += DAY_MS;
  await note(8);
  expect(await next()).toEqual([null]);
  await note(9);
  expect(await next()).toEqual([[9]]);
});

testWithCoreTables("what is old is deleted, but not the latest changes", async ({ driver }) => {
  const { clock, store, follower, note, next } = await arrange({ driver });
  const { db, tables } = store;
  await next();
  for (let n = 0; n < 3; n += 1) {
    await db
      .insert(tables.accessChanges)
      .values(Array.from({ length: 500 }, () => ({ user_id: 1, at: new Date(clock.ms) })));
  }
  await next();
  clock.ms += DAY_MS / 24 + 1;
  await note(2);
  await next();
  expect(await db.$count(tables.accessChanges)).toBe(1501);
  clock.ms += DAY_MS;
  await note(3);
  await next();
  await follower.settle();
  expect(await db.$count(tables.accessChanges)).toBe(1000);
  expect(await next()).toEqual([]);
  await note(4);
  expect(await next()).toEqual([[4]]);
});

testWithCoreTables(
  "requests that wait at once share a query, but none that began before them",
  async ({ driver }) => {
    const { follower, note, next } = await arrange({ driver });
    await next();
    await note(1);
    const waiting = Array.from({ length: 10 }, async () => follower.follow());
    await Promise.all(waiting);
    expect(await next()).toEqual([[1]]);
  },
);
