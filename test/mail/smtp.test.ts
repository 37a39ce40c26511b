import { expect, test } from "bun:test";
import type { Config } from "../../src/config/schema.ts";
import { MailFailure } from "../../src/mail/smtp/failures.ts";
import { Line } from "../../src/mail/smtp/line.ts";
import { Lines } from "../../src/mail/smtp/lines.ts";
import { composeMessage, toEndingStream } from "../../src/mail/smtp/message.ts";
import { type Target, toTarget } from "../../src/mail/smtp/target.ts";
import { DEFAULTS } from "./mail-host.ts";
import { MailServer, RudeServer, takeUpTo } from "./mail-server.ts";

const PATIENCE = { connectMs: 500, greetingMs: 100, silenceMs: 100 };
const ENVELOPE = { from: "noreply@example.com", to: "ada@example.com", size: 100 };

function read(settings: Partial<Config["mail"]>): Target {
  return toTarget({ ...DEFAULTS, from: "noreply@example.com", ...settings }) as Target;
}

async function failureOf(work: Promise<unknown>): Promise<MailFailure> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(MailFailure);
  return error as MailFailure;
}

const toMessage = () => toEndingStream(Buffer.from("Subject: x\r\n\r\nx"), async () => {});

test("a server that hangs, at whatever point, is given up, and nothing is taken for refused", async () => {
  await using silent = await RudeServer.start(null);
  const greeting = await failureOf(Line.open(read(silent.config), { patience: PATIENCE }));
  expect(greeting).toMatchObject({ isOfServer: true, isPermanent: false, isAnswer: false });
  expect(greeting.message).toContain("doesn't answer in time");
  await using slow = await RudeServer.start(
    "220 slow\r\n",
    takeUpTo("end", () => {}),
  );
  const line = await Line.open(read(slow.config), {
    patience: { ...PATIENCE, greetingMs: 5000, silenceMs: 500 },
  });
  const end = await failureOf(line.send(ENVELOPE, toMessage()));
  expect(end).toMatchObject({ isOfServer: true, isPermanent: false, isAnswer: false });
  expect(line.isOpen).toBe(false);
});

test("a try that is ended lets go of its connection before the server has seen the end of the mail", async () => {
  const heard: string[] = [];
  const behave = takeUpTo("end", () => expect.unreachable());
  await using server = await RudeServer.start("220 fine\r\n", (said, socket) => {
    heard.push(said);
    behave(said, socket);
  });
  const line = await Line.open(read(server.config));
  const ending = new AbortController();
  const message = toEndingStream(Buffer.from("Subject: x\r\n\r\nx"), () => {
    ending.abort();
    return new Promise(() => {});
  });
  const failure = await failureOf(line.send(ENVELOPE, message, ending.signal));
  expect(failure.message).toContain("the try has been ended");
  expect(line.isOpen).toBe(false);
  expect(heard.join("")).not.toContain("\r\n.\r\n");
});

test("what is wrong with a server is said with what to do", async () => {
  await using closed = await MailServer.start();
  const { port } = closed;
  await closed[Symbol.asyncDispose]();
  const refused = await failureOf(Line.open(read({ url: `smtp://127.0.0.1:${port}` })));
  expect(refused).toMatchObject({
    isOfServer: true,
    advice: expect.stringContaining("nothing listens there"),
  });

  await using plain = await MailServer.start();
  // Not a name of this machine: TLS is asked of it.
  const elsewhere = `smtp://0.0.0.0:${plain.port}`;
  expect(await failureOf(Line.open(read({ url: elsewhere })))).toMatchObject({
    isOfServer: true,
    message: expect.stringContaining("No TLS"),
    advice: expect.stringContaining("mail.require_tls"),
  });
  const open = await Line.open(read({ url: elsewhere, require_tls: false }));
  expect(open.isSecure).toBe(false);
  await open.quit();

  await using unknown = await MailServer.start({ disabledCommands: [] });
  const selfSigned = `smtp://0.0.0.0:${unknown.port}`;
  expect(await failureOf(Line.open(read({ url: selfSigned })))).toMatchObject({
    message: expect.stringContaining("certificate"),
    advice: expect.stringContaining("NODE_EXTRA_CA_CERTS"),
  });
  const trusting = await Line.open(read({ url: selfSigned, require_tls: false }));
  expect(trusting.isSecure).toBe(true);
  await trusting.quit();

  await using strict = await MailServer.start({
    authOptional: false,
    allowInsecureAuth: true,
    onAuth({ username, password }, _session, done) {
      if (username === "us@er" && password === "p:w/d") done(null, { user: username });
      else done(new Error("Invalid login"));
    },
  });
  const at = `127.0.0.1:${strict.port}`;
  const wrong = await failureOf(Line.open(read({ url: `smtp://us%40er:s3cr3t@${at}` })));
  expect(wrong).toMatchObject({
    isOfServer: true,
    isPermanent: false,
    message: expect.stringContaining("refuses the login"),
  });
  expect(`${wrong.message} ${wrong.advice}`).not.toContain("s3cr3t");
  const line = await Line.open(read({ url: `smtp://us%40er:p%3Aw%2Fd@${at}` }));
  expect(await line.send(ENVELOPE, toMessage())).toContain("250");
  await line.quit();
  const nobody = await Line.open(read({ url: `smtp://${at}` }));
  expect(await failureOf(nobody.send(ENVELOPE, toMessage()))).toMatchObject({
    isPermanent: true,
    isAnswer: true,
  });
});

test("a connection is used for several mails, and one that was closed meanwhile is replaced", async () => {
  let connections = 0;
  await using server = await MailServer.start({
    onConnect: (_session, done) => ((connections += 1), done()),
  });
  const lines = new Lines();
  const target = read(server.config);
  const send = () =>
    lines.send(target, ENVELOPE, {
      message: toMessage,
      isBegun: () => false,
      signal: new AbortController().signal,
    });
  await send();
  await send();
  expect(connections).toBe(1);
  server.dropClients();
  await send();
  await server.taken(3);
  expect(connections).toBe(2);
  lines.close();
});

test("a mail as it goes over the wire has short lines of one end, whatever stands in it", async () => {
  const message = await composeMessage({
    id: "id",
    from: { name: 'A "B"\r\nX: y', address: "noreply@example.com" },
    to: "ada@example.com",
    subject: "\u00e9".repeat(200),
    text: `.\r.\n.\r\n${"x".repeat(5000)}`,
    html: `<p>${"y".repeat(5000)}</p>`,
    language: "fr",
  });
  const lines = message.toString("latin1").split("\r\n");
  expect(lines.every((line) => line.length <= 998 && !/[\r\n]/.test(line))).toBe(true);
  expect(lines.filter((line) => /^x:/i.test(line))).toEqual([]);
});

test("toTarget() takes TLS as the rule, but for this machine", () => {
  expect(read({ url: "smtp://mail.example.com" })).toMatchObject({
    port: 587,
    isSecure: false,
    requiresTls: true,
    login: null,
  });
  expect(read({ url: "smtps://mail.example.com" })).toMatchObject({
    port: 465,
    isSecure: true,
    requiresTls: true,
  });
  for (const host of ["localhost:25", "127.0.0.1:25", "[::1]:25"])
    expect(read({ url: `smtp://${host}` })).toMatchObject({ requiresTls: false, port: 25 });
  expect(read({ url: "smtp://localhost.example.com" }).requiresTls).toBe(true);
  expect(read({ url: "smtp://a", from: "A B <a@example.com>" }).from).toEqual({
    name: "A B",
    address: "a@example.com",
  });
  expect(toTarget(DEFAULTS)).toBeNull();
  expect(() => read({ url: "smtp://a", from: null })).toThrow("mail.from");
});
