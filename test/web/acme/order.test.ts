import { expect, test } from "bun:test";
import { makeKey, orderCertificate, OrderError } from "../../../src/web/acme/order.ts";

const DAY_MS = 86_400_000;
const endless = (): Response =>
  new Response(
    new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1_000_000).fill(32)) }),
  );
const limited = (after: string) => (): Response =>
  Response.json({ detail: "too many" }, { status: 429, headers: { "retry-after": after } });

const nothing = async (): Promise<void> => {};

/** What comes of asking an authority that answers everything with this. */
async function ask(answer: () => Response): Promise<OrderError> {
  using authority = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  const settings = {
    domains: ["erp.example.com"],
    email: "admin@example.com",
    directory: new URL("/directory", authority.url).href,
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
  ["a page", () => new Response("<html>Captive portal</html>", { headers: { "content-type": "text/html" } })],
  ["null", () => Response.json(null)],
  ["numbers", () => Response.json({ newNonce: 1, newAccount: 2, newOrder: 3 })],
  ["nothing", () => new Response(null, { status: 204 })],
])("%s of an authority is an error with a reason in one line", async (_, answer) => {
  const { message, retryAfterMs } = await ask(answer);
  expect(message).toMatch(/^[^\n]{3,1000}$/);
  expect(retryAfterMs).toBe(0);
});
