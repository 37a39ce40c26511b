import { expect } from "bun:test";
import { AccountLinks, type NewLink } from "../../../src/accounts/links/links.ts";
import type { CoreStore } from "../../../src/accounts/people/store.ts";
import { testWithCoreTables } from "../../database-servers.ts";
import { addPrincipal, Clock, openStore } from "../factor-accounts.ts";

const HOUR_MS = 3_600_000;
const INVALID = { code: "link_invalid", status: 410 };

testWithCoreTables("AccountLinks lets a link do one thing, once, for its time", async ({ driver }) => {
  const store = await openStore(driver);
  const { user } = await addPrincipal(store, "ada@example.com");
  const clock = new Clock();
  const links = new AccountLinks(store, clock.now);
  const token = await issue(store, links, {
    purpose: "change_email",
    userId: user.id,
    lifetimeMs: HOUR_MS,
    boundTo: "a hash",
    data: { email: "ada@new.example" },
  });
  expect(JSON.stringify(await store.db.select().from(store.tables.accountLinks))).not.toContain(token);

  const found = await links.find("change_email", token);
  expect(found).toMatchObject({ userId: user.id, data: { email: "ada@new.example" } });
  expect([found.holdsFor("a hash"), found.holdsFor("another"), found.holdsFor(null)]).toEqual([
    true,
    false,
    false,
  ]);
  for (const [purpose, other] of [
    ["reset_password", token],
    ["change_email", `${token}x`],
    ["change_email", ""],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await links.find(purpose, other).catch((error: unknown) => error)).toMatchObject(INVALID);
  }

  const failing = store.db.transaction(async (tx) => {
    await links.take(tx, "change_email", token);
    throw new Error("rolled back");
  });
  expect((await failing.catch((error: unknown) => error)) as Error).toHaveProperty("message", "rolled back");
  const takes = await Promise.allSettled(
    [1, 2, 3].map(() => store.db.transaction((tx) => links.take(tx, "change_email", token))),
  );
  expect(takes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(
    takes.filter((one) => one.status === "rejected").map(({ reason }) => reason as unknown),
  ).toMatchObject([INVALID, INVALID]);
});

testWithCoreTables("AccountLinks ends links by time, and by what follows them", async ({ driver }) => {
  const store = await openStore(driver);
  const { user } = await addPrincipal(store, "ada@example.com");
  const clock = new Clock();
  const links = new AccountLinks(store, clock.now);
  const link = { userId: user.id, lifetimeMs: HOUR_MS } as const;
  const reset = await issue(store, links, { ...link, purpose: "reset_password" });
  const verify = await issue(store, links, { ...link, purpose: "verify_email" });
  expect((await links.find("verify_email", verify)).holdsFor(null)).toBe(true);
  await store.db.transaction((tx) => links.revoke(tx, user.id, ["reset_password"]));
  expect(await links.find("reset_password", reset).catch((error: unknown) => error)).toMatchObject(INVALID);

  clock.ms += HOUR_MS;
  const late = store.db.transaction((tx) => links.take(tx, "verify_email", verify));
  expect(await late.catch((error: unknown) => error)).toMatchObject(INVALID);
  await links.purge();
  expect(await store.db.select().from(store.tables.accountLinks)).toEqual([]);
});

function issue({ db }: CoreStore, links: AccountLinks, link: NewLink): Promise<string> {
  return db.transaction((tx) => links.issue(tx, link));
}
