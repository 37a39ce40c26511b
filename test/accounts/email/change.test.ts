import { expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { confirmChange, askForChange, type EmailChangeServices } from "../../../src/accounts/email/change.ts";
import { readUndo, undoChange } from "../../../src/accounts/email/undo.ts";
import { AccountLinks } from "../../../src/accounts/links/links.ts";
import { outside } from "../../../src/db/transactions/ambient.ts";
import { insertAccount } from "../../../src/accounts/people/users.ts";
import { failureOf } from "../../db/failures.ts";
import { testWithCoreTables } from "../../database-servers.ts";
import { CookieJar, PASSWORD } from "../browser/browser.ts";
import { addPrincipal, confirmOwner, openStore, ORIGIN, readAccessChanges } from "../factor-accounts.ts";
import { Mailbox } from "./mailbox.ts";

const GONE = { code: "link_invalid", status: 410 };
/**
 * Finds who waits to add an account. SQLite has one writer: all others wait for it. MySQL's list of who waits for a lock
 * (innodb_trx) isn't renewed while it is read again and again.
 */
const WAITING = {
  sqlite: null,
  postgres: sql`select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  mysql: sql`select id from information_schema.processlist where db = database() and info like ${"insert into `users`%"}`,
} as const;
const UNLIMITED = { take: async () => () => {} };

testWithCoreTables(
  "an email that is just being changed is free for nobody else, at no moment",
  async ({ driver, dialect }) => {
    const store = await openStore(driver);
    const { db, tables } = store;
    const links = new AccountLinks(store);
    const ada = await addPrincipal(store, "ada@example.com");
    const services = { store, links, sendMail: async () => {} };
    const boundTo = "ada@example.com ";
    const token = await db.transaction((tx) =>
      links.issue(tx, {
        purpose: "change_email",
        userId: ada.user.id,
        lifetimeMs: 60_000,
        boundTo,
        data: { email: "thief@evil.example" },
      }),
    );
    const register = () =>
      db.transaction((tx) =>
        insertAccount(tx, tables, { email: "ada@example.com", fullName: null, password: null }),
      );
    let registering = Promise.resolve<unknown>(null);
    // The change waits until the other one waits for it.
    const sendMail = async () => {
      registering = outside(() => failureOf(register()));
      const waiting = WAITING[dialect];
      const isWaiting = async () => waiting === null || (await db.execute(waiting)).length > 0;
      // oxlint-disable-next-line no-await-in-loop
      while (!(await outside(isWaiting)));
    };
    await confirmChange({ ...services, sendMail }, token, ORIGIN);
    expect(await registering).toMatchObject({ code: "conflict" });
    expect(await db.$count(tables.users)).toBe(1);
  },
);

testWithCoreTables(
  "the email that is confirmed last is that of the account, if it is free",
  async ({ driver }) => {
    const store = await openStore(driver);
    const { db, tables } = store;
    const sent: { readonly to: string; readonly template: string; readonly token: string }[] = [];
    const services: EmailChangeServices = {
      store,
      links: new AccountLinks(store),
      confirmOwner,
      limits: { mailsByClient: UNLIMITED, mailsByAddress: UNLIMITED },
      domains: [],
      async sendMail({ to, template, data = {} }) {
        sent.push({ to, template, token: String(data["token"]) });
      },
    };
    const ada = await addPrincipal(store, "ada@example.com");
    const owner = { user: ada.user, sessionId: ada.sessionId, origin: ORIGIN };
    const ask = (email: string) => askForChange(services, owner, { email, current_password: "right" });
    const confirm = (token = sent.at(-1)?.token ?? "") => confirmChange(services, token, ORIGIN);

    expect(await failureOf(askForChange(services, owner, { email: "a@new.example" }))).toMatchObject({
      code: "identification_expired",
    });
    for (const email of [
      "ａda@example.com",
      "ada(comment)@new.example",
      "ada@new.example, eve@new.example",
      "ADA@example.com",
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect([email, await failureOf(ask(email))]).toMatchObject([email, { code: "validation_error" }]);
    }
    await addPrincipal(store, "bob@example.com");
    expect(await failureOf(ask("Bob@example.com"))).toMatchObject({ code: "conflict" });
    expect(sent).toEqual([]);

    // Of two, the last one counts; of two tabs, one.
    await ask("one@new.example");
    await ask("Two@new.example");
    expect(await failureOf(confirm(sent[0]?.token))).toMatchObject(GONE);
    const tabs = await Promise.allSettled([confirm(), confirm(), confirm()]);
    expect(tabs.flatMap((tab) => (tab.status === "fulfilled" ? [tab.value] : []))).toEqual([
      { email: "two@new.example" },
    ]);
    const [changed] = await db.select().from(tables.users).where(eq(tables.users.id, ada.user.id));
    expect(changed).toMatchObject({ email: "two@new.example", email_verified_at: expect.any(Date) });
    expect(sent.slice(1).map(({ to, template }) => [to, template])).toEqual([
      ["two@new.example", "change-email"],
      ["ada@example.com", "email-changed"],
    ]);
    expect(await readAccessChanges(store)).toContain(ada.user.id);
    // Its owner alone may have the one of before back.
    const taken = db.transaction((tx) =>
      insertAccount(tx, tables, { email: "ada@example.com", fullName: null, password: null }),
    );
    expect(await failureOf(taken)).toMatchObject({ code: "conflict" });
    await ask("ada@example.com");

    // Taken meanwhile; and after another password.
    await ask("three@new.example");
    const eve = await addPrincipal(store, "three@new.example");
    expect(await failureOf(confirm())).toMatchObject({ code: "conflict" });
    await db.delete(tables.users).where(eq(tables.users.id, eve.user.id));
    await db.update(tables.users).set({ password_hash: "another" }).where(eq(tables.users.id, ada.user.id));
    expect(await failureOf(confirm())).toMatchObject(GONE);
    await db.update(tables.users).set({ password_hash: null, locked_at: new Date() });
    expect(await failureOf(confirm())).toMatchObject(GONE);
    await db.update(tables.users).set({ locked_at: null });
    expect(await confirm()).toEqual({ email: "three@new.example" });
    expect(
      await failureOf(
        askForChange({ ...services, domains: ["example.com"] }, owner, { email: "a@new.example" }),
      ),
    ).toMatchObject({
      code: "email_domain_refused",
    });

    // Who had the first one takes all back; what was mailed later doesn't count any more.
    const undoing = { ...services, sessions: { endAll: async () => 0 } };
    const undos = sent.filter(({ template }) => template === "email-changed");
    expect(undos.map(({ to }) => to)).toEqual(["ada@example.com", "two@new.example"]);
    expect(await readUndo(undoing, undos[0]?.token ?? "")).toEqual({ email: "ada@example.com" });
    const undone = await Promise.allSettled(
      [1, 2].map(() => undoChange(undoing, undos[0]?.token ?? "", ORIGIN)),
    );
    expect(undone.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(await failureOf(undoChange(undoing, undos[1]?.token ?? "", ORIGIN))).toMatchObject(GONE);
    const [back] = await db.select().from(tables.users).where(eq(tables.users.id, ada.user.id));
    expect(back).toMatchObject({ email: "ada@example.com", locked_at: expect.any(Date) });
  },
);

test("somebody changes their email with a browser, and whoever had the one before undoes it", async () => {
  // Other mails would come in between.
  await using mailbox = await Mailbox.open({ security: { notices: false } });
  const { app } = mailbox;
  const ada = new CookieJar(app);
  await ada.register("ada@example.com");
  await ada.signIn("ada@example.com");
  const thief = new CookieJar(app);
  await thief.signIn("ada@example.com");
  expect((await mailbox.send("POST", "/auth/email", { email: "eve@evil.example" })).status).toBe(401);
  const wrong = { email: "eve@evil.example", current_password: "wrong password" };
  expect((await thief.send("POST", "/auth/email", wrong)).status).toBe(401);
  const asked = { email: "eve@evil.example", current_password: PASSWORD };
  expect((await thief.send("POST", "/auth/email", asked)).status).toBe(202);
  const link = await mailbox.next();
  expect(link.to).toEqual(["eve@evil.example"]);
  const page = await (await thief.get(`/auth/email/confirm?token=${link.token}`)).text();
  expect(page).toContain("eve@evil.example from then on, in the place of ada@example.com");
  expect(await (await ada.fetch("/auth/me")).json()).toMatchObject({ email: "ada@example.com" });
  const done = await thief.post("/auth/email/confirm", { token: link.token });
  expect([done.status, await done.text()]).toEqual([200, expect.stringContaining("sign in with it")]);
  // Sessions go on, with the email that there is now.
  expect(await (await ada.fetch("/auth/me")).json()).toMatchObject({ email: "eve@evil.example" });
  expect((await mailbox.logIn("ada@example.com")).status).toBe(401);
  const told = await mailbox.next();
  expect([told.to, told.parsed.subject]).toEqual([["ada@example.com"], "Your email for xcore was changed"]);

  // The thief goes on: a key, and another email after that one.
  const key = await thief.send("POST", "/auth/api_keys", { name: "kept", permissions: [] });
  const { key: secret } = (await key.json()) as { key: string };
  const further = { email: "mallory@evil.example", current_password: PASSWORD };
  expect((await thief.send("POST", "/auth/email", further)).status).toBe(202);
  const second = await mailbox.next();
  await mailbox.send("POST", "/auth/email/confirm", { token: second.token });
  const toThief = await mailbox.next();
  expect(toThief.to).toEqual(["eve@evil.example"]);

  const asks = await (await new CookieJar(app).get(`/auth/email/undo?token=${told.token}`)).text();
  expect(asks).toContain("gets the email ada@example.com back");
  const both = await Promise.all(
    [1, 2].map(() => mailbox.send("POST", "/auth/email/undo", { token: told.token })),
  );
  expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 410]);
  expect((await ada.fetch("/auth/me")).status).toBe(401);
  expect((await thief.fetch("/auth/me")).status).toBe(401);
  expect((await mailbox.send("GET", "/auth/me", undefined, { "x-api-key": secret })).status).toBe(401);
  // Nobody gets in with the password that the thief knows, nor by the links that were mailed to them.
  expect((await mailbox.logIn("ada@example.com")).status).not.toBe(200);
  for (const [path, token] of [
    ["undo", toThief.token],
    ["confirm", second.token],
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await mailbox.send("POST", `/auth/email/${path}`, { token })).toMatchObject({
      status: 410,
      body: GONE,
    });
  }
  const reset = await mailbox.next();
  expect(reset.to).toEqual(["ada@example.com"]);
  const set = { token: reset.token, new_password: "another horse battery" };
  expect((await mailbox.send("POST", "/auth/password/reset", set)).status).toBe(204);
  expect((await mailbox.logIn("ada@example.com", set.new_password)).status).toBe(200);
  const { headers } = await app.admin();
  const { text } = await mailbox.send("GET", "/admin/audit?action=user.email_*", undefined, headers);
  for (const action of ["user.email_change_asked", "user.email_changed", "user.email_change_undone"])
    expect(text).toContain(action);
  for (const { token } of [link, told, second, toThief]) expect(text).not.toContain(token);
});
