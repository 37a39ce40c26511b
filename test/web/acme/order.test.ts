import { expect, test } from "bun:test";
import { pino } from "pino";
import { Acme } from "../../../src/web/acme/acme.ts";
import { makeKey, orderCertificate, OrderError } from "../../../src/web/acme/order.ts";
import { TestFolder } from "../../setup.ts";
import { makeIssued } from "../listening/certificates.ts";
import { type Script, ScriptedAuthority } from "./scripted-authority.ts";

const DOMAINS = ["erp.example.com"];
const DAY_MS = 86_400_000;
const endless = (): Response =>
  new Response(
    new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1_000_000).fill(32)) }),
  );
const page = (): Response =>
  new Response("<html>Captive portal</html>", { headers: { "content-type": "text/html" } });
const limited = (after: string) => (): Response =>
  Response.json({ detail: "too many" }, { status: 429, headers: { "retry-after": after } });

const nothing = async (): Promise<void> => {};

/** What comes of asking an authority that answers everything with this. */
async function ask(answer: () => Response): Promise<OrderError> {
  using authority = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  return await failureAt(new URL("/directory", authority.url).href);
}

async function failureAt(directory: string): Promise<OrderError> {
  const settings = {
    domains: ["erp.example.com"],
    email: "admin@example.com",
    directory,
    external_account: null,
  };
  const options = { settings, accountKey: await makeKey(), addChallenge: nothing, removeChallenge: nothing };
  const error: unknown = await orderCertificate(options).catch((thrown: unknown) => thrown);
  if (!(error instanceof OrderError)) throw new TypeError("There is a certificate");
  return error;
}

test.each([
  ["120", 120_000],
  ["9999999999999999", 7 * DAY_MS],
  ["9".repeat(30), 7 * DAY_MS],
  ["Fri, 31 Dec 9999 23:59:59 GMT", 7 * DAY_MS],
  ["-1", 3_600_000],
  ["soon", 3_600_000],
])("an authority that says %j is asked again after %d ms, and within a week", async (after, expected) => {
  expect((await ask(limited(after))).retryAfterMs).toBe(expected);
});

test.each([
  ["an answer without end", endless],
  ["a page", page],
  ["null", () => Response.json(null)],
  ["numbers", () => Response.json({ newNonce: 1, newAccount: 2, newOrder: 3 })],
  ["nothing", () => new Response(null, { status: 204 })],
])("%s of an authority is an error with a reason in one line", async (_, answer) => {
  const { message, retryAfterMs } = await ask(answer);
  expect(message).toMatch(/^[^\n]{3,1000}$/);
  expect(retryAfterMs).toBe(0);
});

test("an authority that can't be reached, or cuts an answer off, is an error that says why", async () => {
  expect((await failureAt("http://127.0.0.1:1/directory")).message).toContain("ECONNREFUSED");
  using cut = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{") },
  });
  const { message } = await failureAt(`http://127.0.0.1:${cut.port}/directory`);
  expect(message).toMatch(/abort|reset|hang up|closed|no data/i);
});

test("an authority whose answers lead nowhere isn't asked without end", async () => {
  using authority = new ScriptedAuthority({ answers: { "/account": page } });
  expect((await failureAt(authority.directory)).message).toBe(
    "the authority doesn't answer as ACME says (RFC 8555)",
  );
  expect(authority.requests).toBeLessThan(100);
});

test("who wants another try while one is under way gets it as soon as that has failed", async () => {
  let [tries, failures] = [0, 0];
  const again = Promise.withResolvers<void>();
  await using folder = await TestFolder.create();
  using authority = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch() {
      tries += 1;
      if (tries === 1) acme.retry();
      return Response.json({ detail: "no" }, { status: 403 });
    },
  });
  const directory = new URL("/directory", authority.url).href;
  const settings = { domains: DOMAINS, email: "a@example.com", directory, external_account: null };
  const see = (text = ""): void => {
    if (text.startsWith("no certificate for ") && ++failures === 2) again.resolve();
  };
  const log = pino({ hooks: { logMethod: ([, text]) => see(text) } }, { write() {} });
  const acme = await Acme.open({ settings, folder: folder.path, log, instances: null });
  acme.start();
  await again.promise; // its end too: all that ask share one axios
  acme.stop();
});

test("what an authority issues takes the place of a certificate only where it can be used", async () => {
  const [good, issued] = [await makeIssued({ names: DOMAINS, days: 90, left: 10 }), { names: DOMAINS }];
  const run = async (script: Script): Promise<{ said: string; kept: string }> => {
    using authority = new ScriptedAuthority(script);
    await using folder = await TestFolder.create({ "certificate.pem": good });
    const said = Promise.withResolvers<string>();
    const log = pino(
      { hooks: { logMethod: ([, text]) => /no cert|there is/.test(text ?? "") && said.resolve(text ?? "") } },
      { write() {} },
    );
    const settings = {
      domains: DOMAINS,
      email: "a@example.com",
      directory: authority.directory,
      external_account: null,
    };
    const acme = await Acme.open({ settings, folder: folder.path, log, instances: null });
    acme.start();
    const text = await said.promise;
    acme.stop();
    return { said: text, kept: await Bun.file(acme.file).text() };
  };
  const results = await Promise.all(
    [{ names: ["other.example.com"] }, { answers: { "/certificate": page } }, issued].map(run),
  );
  expect(results.map(({ kept }) => kept === good)).toEqual([true, true, false]);
  expect(results[0]?.said).toContain("the authority has issued one for other.example.com instead");
  expect(results[1]?.said).toContain("is no certificate of the key that it was sent");
  expect(results[2]?.said).toStartWith("there is a certificate until ");
});
