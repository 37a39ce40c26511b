import { expect, test } from "bun:test";
import { generateOtpCode } from "../../../src/accounts/two-factor/codes.ts";
import { CookieJar, placeOf, SECURITY } from "../../accounts/browser/browser.ts";
import { plugin, TestApp } from "../../setup.ts";

const PATH = "/ui/account/second-factor";
const SCRIPT = '"><script>alert(1)</script>';

async function start(roles: readonly string[] = []) {
  const plugins = plugin("shop", '.get("/", () => "")', { permissions: { "shop:read": "Look" } });
  const app = await TestApp.start({ plugins, config: { security: SECURITY } });
  const jar = new CookieJar(app);
  const id = await jar.register("ada@example.com", roles);
  await jar.signIn("ada@example.com");
  return { app, jar, id, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

const textOf = async (answer: Promise<Response>): Promise<string> => (await answer).text();

/** Adds a device; returns its id and what gives codes, each of another time step. */
async function add(jar: CookieJar, name: string) {
  const made = await jar.post(PATH, { name });
  expect(made.headers.get("cache-control")).toBe("no-store");
  const html = await made.text();
  expect(html).toContain("<svg");
  expect(html).not.toContain(SCRIPT);
  const [, secret = ""] = /id="made-key"[^>]*value="([A-Z2-7]+)"/.exec(html) ?? [];
  const [, id = ""] = /second-factor\/(\d+)\/confirm/.exec(html) ?? [];
  return { id, code: (step: number) => generateOtpCode(secret, Date.now() + step * 30_000) };
}

test("a device is added and confirmed, gives recovery codes once, and is removed for one of them", async () => {
  await using started = await start();
  const { jar } = started;
  expect(await textOf(jar.get(PATH))).not.toContain("Recovery codes");
  const nameless = await jar.post(PATH, { name: "" });
  expect(nameless.status).toBe(422);
  const { id, code } = await add(jar, SCRIPT);
  const waiting = await textOf(jar.get(PATH));
  expect(waiting).toContain("Waits for its first code");
  expect(waiting).not.toContain(SCRIPT);
  expect(waiting).not.toContain("made-key");

  const wrong = await jar.post(`${PATH}/${id}/confirm`, { code: SCRIPT });
  expect(wrong.status).toBeGreaterThanOrEqual(400);
  expect(await wrong.text()).not.toContain(SCRIPT);
  const confirmed = await jar.post(`${PATH}/${id}/confirm`, { code: code(0) });
  expect(confirmed.headers.get("cache-control")).toBe("no-store");
  const [, codes = ""] = /id="made-codes"[^>]*>([^<]+)</.exec(await confirmed.text()) ?? [];
  expect(codes.trim().split("\n")).toHaveLength(10);

  const renewed = await textOf(jar.post(`${PATH}/recovery-codes`, { code: code(1) }));
  const [, fresh = ""] = /id="made-codes"[^>]*>([^<]+)</.exec(renewed) ?? [];
  expect(fresh).not.toBe(codes);
  const kept = await jar.post(`${PATH}/${id}/remove`, { code: "000000" });
  expect(kept.status).toBeGreaterThanOrEqual(400);
  const removed = await jar.post(`${PATH}/${id}/remove`, { code: fresh.trim().split("\n")[0] ?? "" });
  expect(placeOf(removed, PATH)).toBe(PATH);
  const list = await textOf(jar.get(PATH));
  expect(list).toContain("The device is removed.");
  expect(list).toContain("A first device");
});

test("a second device gives no other recovery codes, and nobody touches the devices of others", async () => {
  await using started = await start();
  const { app, jar } = started;
  const first = await add(jar, "Phone");
  await jar.post(`${PATH}/${first.id}/confirm`, { code: first.code(0) });
  const second = await add(jar, "Tablet");
  const confirmed = await jar.post(`${PATH}/${second.id}/confirm`, { code: second.code(0) });
  expect(placeOf(confirmed, PATH)).toBe(PATH);

  const bob = new CookieJar(app);
  await bob.register("bob@example.com", ["admin"]);
  await bob.signIn("bob@example.com");
  expect((await bob.post(`${PATH}/${first.id}/remove`, { code: "" })).status).toBe(404);
  const forged = await jar.post(PATH, { name: "x" }, { headers: { "sec-fetch-site": "cross-site" } });
  expect(forged.status).toBe(403);
});

test("who owes a second factor is led to where it is added", async () => {
  await using started = await start();
  const { app, jar, id } = started;
  const { headers } = await app.admin();
  const send = (method: string, path: string, body: object) =>
    app.fetch(path, {
      method,
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const made = await send("POST", "/admin/roles", { name: "clerk", requires_otp: true });
  const role = (await made.json()) as { id: number };
  await send("PUT", `/admin/roles/${role.id}/permissions`, { permissions: ["users:read"] });
  await send("POST", `/admin/users/${id}/roles/${role.id}`, {});
  const refused = await jar.get("/ui/users");
  expect(refused.status).toBe(403);
  expect((await refused.text()).includes(`btn-primary" href="${PATH}"`)).toBe(true);
  expect((await jar.get(PATH)).status).toBe(200);
});
