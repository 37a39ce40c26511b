import { eq, inArray, isNotNull } from "drizzle-orm";
import { expect, test } from "bun:test";
import { testOnDialect, testWithCoreTables } from "../database-servers.ts";
import { failureOf } from "../db/failures.ts";
import { TestApp } from "../setup.ts";
import { MailHost, toMessage } from "./mail-host.ts";
import { MailServer } from "./mail-server.ts";

test("mail is listed, shown, sent again and cancelled over HTTP, without what it says", async () => {
  await using server = await MailServer.start({}, [554]);
  await using app = await TestApp.start({ config: { mail: server.config } });
  const { headers } = await app.admin();
  const post = async (path: string) => {
    const response = await app.fetch(`/system/mails/${path}`, { method: "POST", headers });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const secret = {
    ...toMessage("ada@example.com", "Your link"),
    data: { title: "Your link", paragraphs: ["s3cr3t"], action: null },
  };
  let id = "";
  const failed = await app.after("mail.failed", async () => (id = await app.app.mail.send(secret)));
  expect(failed.data).toMatchObject({
    id,
    plugin: "core",
    template: "message",
    to: "ada@example.com",
    subject: "Your link",
  });
  const { items, total } = (await app.getAsAdmin("/system/mails?state=failed&to=ADA@example.com&plugin=core"))
    .body;
  expect(total).toBe(1);
  expect(items[0]).toMatchObject({
    id,
    state: "failed",
    attempts: 1,
    can_resend: true,
    error: expect.stringContaining("554"),
  });
  expect((await app.getAsAdmin("/system/mails?state=sent")).body.items).toEqual([]);
  expect((await app.getAsAdmin("/system/mails?nope=1")).status).toBe(422);
  expect(await post(`${id}/cancel`)).toMatchObject({ status: 409, body: { code: "mail_not_waiting" } });
  const sent = app.after("mail.sent", () => {});
  expect(await post(`${id}/resend`)).toMatchObject({ status: 200, body: { id } });
  await sent;
  const shown = (await app.getAsAdmin(`/system/mails/${id}`)).body;
  expect(shown).toMatchObject({
    state: "sent",
    can_resend: false,
    error: null,
    response: expect.stringContaining("250"),
  });
  expect(JSON.stringify([items, shown])).not.toContain("s3cr3t");
  expect(await post(`${id}/resend`)).toMatchObject({ status: 409, body: { code: "mail_not_kept" } });
  expect((await post(`${Bun.randomUUIDv7()}/resend`)).status).toBe(404);
  const { body } = await app.getAsAdmin("/admin/audit?action=mail.*&sort=id");
  expect(body.items.map(({ action }: { action: string }) => action)).toEqual(["mail.resent"]);
  const nobody = await app.createUser("bob@example.com");
  expect((await app.fetch("/system/mails", { headers: nobody.headers })).status).toBe(403);
  const { items: pages } = (await app.getAsAdmin("/system/mails")).body;
  expect(pages).toHaveLength(1);
});

testWithCoreTables(
  "mail is written down with its job, or not at all; cancelled, sent once, and forgotten in time",
  async ({ driver }) => {
    await using server = await MailServer.start();
    await using writer = await MailHost.create(driver, {}, { isWorker: false });
    const { mail, desk, host } = writer;
    const { db, tables } = host.store;
    const undone = db.transaction(async (tx) => {
      await mail.sendMany([toMessage("a@example.com"), toMessage("b@example.com")], { tx });
      throw new Error("undone");
    });
    expect(String(await failureOf(undone))).toContain("undone");
    expect(await db.$count(tables.mails)).toBe(0);
    expect(await db.$count(tables.jobs)).toBe(0);
    const messages = Array.from({ length: 230 }, (_, index) => toMessage(`user-${index}@example.com`));
    const ids = await db.transaction((tx) => mail.sendMany(messages, { tx }));
    expect(new Set(ids).size).toBe(230);
    const [first = "", second = ""] = ids;
    await desk.cancel(first);
    await desk.cancel(second);
    expect(await failureOf(desk.cancel(first))).toMatchObject({ code: "mail_not_waiting" });
    await desk.resend(second); // by another job: that of before finds that it isn't its any more
    expect(await desk.list({ state: "waiting" }, { per_page: 5 })).toMatchObject({ total: 229 });
    await using sender = await MailHost.create(driver, server.config, { concurrency: 8 });
    let done = 0;
    const all = Promise.withResolvers<void>();
    sender.host.hooks.on("mail.sent", () => {
      done += 1;
      if (done === 229) all.resolve();
    });
    sender.mail.start();
    await all.promise;
    expect(new Set(server.mails.map(({ parsed }) => parsed.messageId)).size).toBe(229);
    expect(server.mails).toHaveLength(229);
    expect(await desk.read(first)).toMatchObject({ state: "cancelled" });
    expect(await desk.read(second)).toMatchObject({ state: "sent" });
    const outbox = await mail.outbox();
    await outbox.purge(new Date(Date.now() - 60_000));
    expect(await db.$count(tables.mails)).toBe(230);
    await outbox.purge(new Date(Date.now() + 60_000));
    expect(await db.$count(tables.mails)).toBe(0);
  },
);

testWithCoreTables(
  "what a job has left is found: it waits for another, or nobody knows whether it was sent",
  async ({ driver }) => {
    await using writer = await MailHost.create(driver, {}, { isWorker: false });
    const { mail, host } = writer;
    const { db, tables } = host.store;
    const [waiting = "", sending = ""] = await mail.sendMany([
      toMessage("a@example.com"),
      toMessage("b@example.com"),
    ]);
    const outbox = await mail.outbox();
    expect(await outbox.claim((await outbox.find(sending))!, null)).toBe("claimed");
    expect(await outbox.claim((await outbox.find(sending))!, null)).toBe("gone");
    // Of many at once, on whichever instance, a recipient gets as many as it may.
    const ids = await mail.sendMany(Array.from({ length: 6 }, () => toMessage("c@example.com")));
    const rows = await Promise.all(ids.map(async (id) => (await outbox.find(id))!));
    const claims = await Promise.all(rows.map((row) => outbox.claim(row, 2)));
    expect(claims.toSorted()).toEqual(["claimed", "claimed", "full", "full", "full", "full"]);
    await db.delete(tables.mails).where(inArray(tables.mails.id, ids));
    await db.delete(tables.jobs);
    const old = new Date(Date.now() - 2 * 3_600_000);
    await db.update(tables.mails).set({ created_at: old });
    await db.update(tables.mails).set({ claimed_at: old }).where(eq(tables.mails.id, sending));
    await using server = await MailServer.start();
    await using sender = await MailHost.create(driver, server.config);
    const sent = sender.host.next("mail.sent");
    sender.mail.start();
    expect(await sent).toMatchObject({ id: waiting });
    expect(await outbox.find(sending)).toMatchObject({
      state: "unknown",
      error: expect.stringContaining("nothing has been heard"),
    });
    expect(server.mails.map(({ to }) => to)).toEqual([["a@example.com"]]);
  },
);

testOnDialect(
  "sqlite",
  "of two instances that hand mails to one recipient over at once, one has its own wait",
  async ({ driver }) => {
    const waiting: (() => void)[] = [];
    await using server = await MailServer.start({
      onMailFrom(_address, _session, done) {
        waiting.push(() => done());
        if (waiting.length === 2) for (const goOn of waiting) goOn();
        else if (waiting.length > 2) done();
      },
    });
    const config = { ...server.config, recipient_per_hour: 1 };
    await using one = await MailHost.create(driver, config, { concurrency: 1 });
    await using other = await MailHost.create(driver, config, { concurrency: 1 });
    await one.mail.sendMany([toMessage("ada@example.com"), toMessage("ada@example.com")]);
    const waits = Promise.withResolvers<void>();
    const { mails } = one.host.store.tables;
    const isDue = isNotNull(mails.due_at);
    const look = async (): Promise<void> => {
      if ((await one.host.store.db.$count(mails, isDue)) > 0) waits.resolve();
    };
    const undo = driver.onTablesWritten(() => void look());
    const sent = Promise.race([one, other].map(({ host }) => host.next("mail.sent")));
    one.mail.start();
    other.mail.start();
    await Promise.all([waits.promise, sent]);
    undo();
    const rows = await one.host.store.db.select().from(mails).orderBy(mails.state);
    expect(rows.map(({ state, attempts }) => [state, attempts])).toEqual([
      ["sent", 1],
      ["waiting", 0],
    ]);
    expect(server.mails).toHaveLength(1);
  },
);
