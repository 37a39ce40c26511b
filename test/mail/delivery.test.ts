import { expect, test } from "bun:test";
import { failureOf } from "../db/failures.ts";
import { TestApp } from "../setup.ts";
import { toMessage } from "./mail-host.ts";
import { MailServer, RudeServer, takeUpTo } from "./mail-server.ts";

type Row = Awaited<ReturnType<Awaited<ReturnType<TestApp["app"]["mail"]["outbox"]>>["find"]>>;

const isEnd = ({ data }: { readonly data: { readonly id?: string } }, id: string): boolean => data.id === id;

/** Resolves with what `read` finds, once that is what is waited for: it is looked at whenever mails have been written. */
async function until<T>(app: TestApp, read: () => Promise<T>, isIt: (found: T) => boolean): Promise<T> {
  for (;;) {
    const written = Promise.withResolvers<void>();
    const undo = app.app.database.onTablesWritten((writes) => {
      if (writes === null || writes.some(({ table }) => table === "mails")) written.resolve();
    });
    // oxlint-disable-next-line no-await-in-loop -- one write after the other
    const found = await read();
    // oxlint-disable-next-line no-await-in-loop
    if (!isIt(found)) await written.promise;
    undo();
    if (isIt(found)) return found;
  }
}

/** The same of one mail. */
async function untilMail(app: TestApp, id: string, isIt: (row: NonNullable<Row>) => boolean): Promise<Row> {
  const outbox = await app.app.mail.outbox();
  return until(
    app,
    () => outbox.find(id),
    (row) => row !== null && isIt(row),
  );
}

/** Sends a mail, and waits for what the event tells of its end. */
async function sendAndWait(app: TestApp, message: Parameters<typeof app.app.mail.send>[0]) {
  const { promise, resolve } = Promise.withResolvers<{ name: string; data: Record<string, unknown> }>();
  const seen: { name: string; data: Record<string, unknown> }[] = [];
  let id = "";
  const undo = app.app.hooks.on("mail.*", (event) => {
    const one = event as unknown as (typeof seen)[number];
    seen.push(one);
    if (isEnd(one, id)) resolve(one);
  });
  id = await app.app.mail.send(message);
  const known = seen.find((one) => isEnd(one, id));
  if (known !== undefined) resolve(known);
  const { name, data } = await promise;
  undo();
  return { id, name, data, row: await (await app.app.mail.outbox()).find(id) };
}

test("a mail arrives as text and HTML, with nothing of what users typed as a header, a recipient or markup", async () => {
  await using server = await MailServer.start();
  await using app = await TestApp.start({ config: { mail: server.config } });
  const title = "Hi\r\nBcc: eve@example.com\r\n\r\n\u202e<script>";
  const paragraphs = [
    "<img src=x onerror=alert(1)> & more",
    ".\r\n.\r\nMAIL FROM:<eve@example.com>\r\nRCPT TO:<eve@example.com>\rDATA\n.\n",
  ];
  const data = { title, paragraphs, action: { url: "javascript:alert(1)", label: "Go" } };
  const { id, row } = await sendAndWait(app, { to: "Ada@Example.com", template: "message", data });
  const [mail] = await server.taken(1);
  expect(server.mails).toHaveLength(1);
  expect(mail).toMatchObject({ from: "noreply@example.com", to: ["ada@example.com"] });
  const { headers, subject, text, html, messageId, from } = mail?.parsed ?? {};
  expect(subject).toBe("Hi Bcc: eve@example.com <script>");
  expect([...(headers?.keys() ?? [])].toSorted()).toEqual([
    "auto-submitted",
    "content-language",
    "content-type",
    "date",
    "from",
    "message-id",
    "mime-version",
    "subject",
    "to",
    "x-auto-response-suppress",
  ]);
  expect(from?.text).toBe('"Example" <noreply@example.com>');
  expect(messageId).toBe(`<${id}@example.com>`);
  expect(text).toContain("<img src=x onerror=alert(1)> & more");
  expect(text).toContain("MAIL FROM:<eve@example.com>");
  expect(html).toContain("&lt;img src=x onerror=alert(1)&gt; &amp; more");
  expect(html).not.toMatch(/<(?:img|script)|javascript:/);
  expect(row).toMatchObject({
    state: "sent",
    attempts: 1,
    content: null,
    response: expect.stringContaining("250"),
  });
});

test("a mail is in the language of the account it goes to, and one of a plugin made from its templates, which the project overrides", async () => {
  await using server = await MailServer.start();
  await using app = await TestApp.start({
    config: { mail: server.config },
    plugins: {
      "shop/plugin.json": { name: "shop", version: "1.0.0" },
      "shop/run.ts": `import { createRouter, db, mail } from "xcore";
export default createRouter().post("/:to/:ends", ({ params: { to, ends } }) => db.transaction(async (tx) => {
  await mail.send({ to, template: "order", data: { number: 7 } }, { tx });
  if (ends === "rollback") throw new Error("no");
  return "ok";
}));`,
      "shop/templates/mail/order.html": `{% extends "mail/layout.html" %}
{% block subject %}{{ t("Order {number}", number=number) }}{% endblock %}
{% block text %}{{ origin }}{{ url_for("orders/:id", id=number) }}{% endblock %}
{% block html %}<p>{{ to }}</p>{% endblock %}`,
      "shop/templates/languages/fr.json": { "Order {number}": "Commande {number}" },
    },
    files: {
      "templates/shop/mail/order.html": `{% extends "mail/order.html" %}{% block html %}{{ super() }}<p>Overridden</p>{% endblock %}`,
      "templates/mail/test.html": `{% extends "mail/layout.html" %}{% block subject %}Ours{% endblock %}{% block text %}Of the project{% endblock %}`,
    },
  });
  const { id } = await app.createUser("bob@example.com");
  const { users } = app.app.store.tables;
  await app.app.store.db.update(users).set({ language: "fr" });
  expect(id).toBeNumber();
  const post = (path: string) => app.fetch(`/shop/${path}`, { method: "POST" });
  expect((await post("bob@example.com/rollback")).status).toBe(500);
  expect((await post("bob@example.com/commit")).status).toBe(200);
  await app.app.mail.send({ to: "else@example.com", template: "test" });
  await server.taken(2);
  const [bob, other] = server.mails.toSorted((a, b) => a.to.join().localeCompare(b.to.join()));
  expect(bob?.parsed.subject).toBe("Commande 7");
  expect(bob?.parsed.text).toContain("http://127.0.0.1:8000/shop/orders/7");
  expect(bob?.parsed.text).toContain("Envoyé par xcore.");
  expect(bob?.parsed.html).toMatch(/<p>bob@example.com<\/p>[^]*<p>Overridden<\/p>/);
  expect(other?.parsed.subject).toBe("Ours");
  const rows = await (await app.app.mail.outbox()).listAll();
  expect(rows.map(({ plugin, language }) => [plugin, language])).toEqual([
    ["shop", "fr"],
    ["core", "en"],
  ]);
});

test("what is no single address, no template, and no message is refused, and nothing is written down", async () => {
  await using app = await TestApp.start();
  const { mail } = app.app;
  const addresses = [
    "",
    "ada",
    "ada@",
    "@example.com",
    "a@example.com,b@example.com",
    "a@example.com;b@example.com",
    "a@example.com b@example.com",
    "Ada <ada@example.com>",
    "ada@example.com\r\nBcc: eve@example.com",
    "ada@example.com\n",
    "ada@exam\u0000ple.com",
    " ada@example.com",
    '"a b"@example.com',
    "ada(comment)@example.com",
    "ada@[127.0.0.1]",
    "ada@example..com",
    "\uff41da@example.com",
    "ada@ex\uff41mple.com",
    `${"a".repeat(65)}@example.com`,
    `${"\u00e9".repeat(33)}@example.com`,
    `a@${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}.${"e".repeat(60)}.${"f".repeat(20)}`,
    null,
    7,
    ["a@example.com"],
    { address: "a@example.com" },
  ];
  for (const to of addresses) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await failureOf(mail.send({ ...toMessage(""), to: to as string }))).toMatchObject({
      code: "validation_error",
    });
  }
  const message = toMessage("ada@example.com");
  const wrong: [unknown, string][] = [
    [{ ...message, template: "../ui/shell" }, '"template"'],
    [{ ...message, data: [] }, '"data"'],
    [{ ...message, cc: "eve@example.com" }, '"cc"'],
    [{ ...message, language: "fr\r\nX: y" }, '"language"'],
    [{ ...message, expiresIn: -1 }, '"expiresIn"'],
    [null, "expected"],
  ];
  for (const [one, reason] of wrong) {
    // oxlint-disable-next-line no-await-in-loop
    expect(String(await failureOf(mail.send(one as typeof message)))).toContain(reason);
  }
  expect(await failureOf(mail.send({ ...message, template: "none" }))).toMatchObject({
    code: "template_not_found",
  });
  expect(await failureOf(mail.sendMany([message, { ...message, to: "no" }]))).toMatchObject({
    code: "validation_error",
  });
  expect(await (await mail.outbox()).listAll()).toEqual([]);
  // Beyond ASCII, as it is, the domain as DNS knows it.
  await mail.send(toMessage("jos\u00e9@b\u00fccher.example"));
  expect(await (await mail.outbox()).listAll()).toMatchObject([
    { recipient: "jos\u00e9@xn--bcher-kva.example" },
  ]);
});

test("without a server, the log says what would have been sent, and its links are shown where it is debugged alone", async () => {
  for (const debug of [false, true]) {
    const printed: string[] = [];
    const shown = Promise.withResolvers<void>();
    const print = (text: string): void => {
      printed.push(text);
      shown.resolve();
    };
    // oxlint-disable-next-line no-await-in-loop -- one app after the other
    await using app = await TestApp.start({ config: { app: { debug } }, print });
    const data = {
      title: "Hello",
      paragraphs: [],
      action: { url: "https://a.example/reset/s3cr3t", label: "Go" },
    };
    // oxlint-disable-next-line no-await-in-loop
    const id = await app.app.mail.send({ to: "ada@example.com", template: "message", data });
    // oxlint-disable-next-line no-await-in-loop
    const row = await untilMail(app, id, ({ state }) => state !== "waiting");
    expect(row).toMatchObject({ state: "logged" });
    // What it says is sealed.
    expect(row?.content).not.toContain("s3cr3t");
    // oxlint-disable-next-line no-await-in-loop
    const log = await app.log("app");
    expect(log).toContain("this mail would have been sent");
    expect(log).toContain("ada@example.com");
    expect(log).not.toContain("s3cr3t");
    if (debug) await shown.promise; // oxlint-disable-line no-await-in-loop
    expect(printed.join()).toEqual(debug ? expect.stringContaining("https://a.example/reset/s3cr3t") : "");
  }
});

test("what is refused for good isn't tried again, what is refused for now is, as the same mail", async () => {
  await using server = await MailServer.start({}, [550, 451]);
  await using app = await TestApp.start({ config: { mail: server.config } });
  const refused = await sendAndWait(app, toMessage("one@example.com"));
  expect(refused).toMatchObject({
    name: "mail.failed",
    data: { message: expect.stringContaining("550"), may_be_sent: false },
    row: { state: "failed", attempts: 1, error: expect.stringContaining("Not today") },
  });
  const id = await app.app.mail.send(toMessage("two@example.com"));
  const waiting = await untilMail(app, id, ({ due_at: due }) => due !== null);
  expect(waiting).toMatchObject({ state: "waiting", attempts: 1, error: expect.stringContaining("451") });
  expect((waiting?.due_at?.getTime() ?? 0) - Date.now()).toBeGreaterThan(5000);
  const { headers } = await app.admin();
  await app.after("mail.sent", () => app.fetch(`/system/mails/${id}/resend`, { method: "POST", headers }));
  expect(server.mails.map(({ parsed }) => parsed.messageId)).toEqual([`<${id}@example.com>`]);
});

test("one that may have been taken isn't sent again, one that can't have been waits", async () => {
  for (const at of ["DATA", "content", "end"] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one server after the other
    await using server = await RudeServer.start(
      "220 rude\r\n",
      takeUpTo(at, (socket) => socket.destroy()),
    );
    // oxlint-disable-next-line no-await-in-loop
    await using app = await TestApp.start({ config: { mail: server.config } });
    if (at === "DATA") {
      // oxlint-disable-next-line no-await-in-loop
      const id = await app.app.mail.send(toMessage("ada@example.com"));
      // oxlint-disable-next-line no-await-in-loop
      const row = await untilMail(app, id, ({ attempts }) => attempts > 0);
      expect(row).toMatchObject({ state: "waiting", error: expect.stringContaining("failed") });
      continue;
    }
    // oxlint-disable-next-line no-await-in-loop
    const { name, data, row } = await sendAndWait(app, toMessage("ada@example.com"));
    expect({ name, ...data }).toMatchObject({ name: "mail.failed", may_be_sent: true });
    expect(row).toMatchObject({ state: "unknown", attempts: 1 });
    expect(server.connections).toBe(1);
  }
});

test("an address gets so many mails an hour, and one that has expired none", async () => {
  await using server = await MailServer.start();
  await using app = await TestApp.start({ config: { mail: { ...server.config, recipient_per_hour: 2 } } });
  const { mail } = app.app;
  const expired = await sendAndWait(app, { ...toMessage("late@example.com"), expiresIn: 0.001 });
  expect(expired.row).toMatchObject({ state: "failed", error: expect.stringContaining("expired") });
  const ids = await mail.sendMany(Array.from({ length: 5 }, () => toMessage("ada@example.com")));
  await mail.send(toMessage("bob@example.com"));
  const outbox = await mail.outbox();
  const read = async () => Promise.all(ids.map((id) => outbox.find(id)));
  // Those that are on their way at once are looked at again in a second.
  const isSettled = (rows: Awaited<ReturnType<typeof read>>): boolean =>
    rows.filter((row) => (row?.due_at?.getTime() ?? 0) > Date.now() + 60_000).length === 3;
  await until(app, read, isSettled);
  await server.taken(3);
  expect(server.mails.filter(({ to }) => to.includes("ada@example.com"))).toHaveLength(2);
  const waiting = (await read()).filter((row) => row?.state === "waiting");
  expect(waiting).toHaveLength(3);
  expect(waiting[0]).toMatchObject({
    attempts: 0,
    error: expect.stringContaining("mail.recipient_per_hour"),
  });
  // Whoever has filled it up doesn't keep the owner of an account from getting it back.
  const data = { token: "x", account: "ada@example.com", minutes: 30 };
  const link = await sendAndWait(app, { to: "ada@example.com", template: "reset-password", data });
  expect(link.row?.state).toBe("sent");
});
