import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { placeOf } from "../browser/browser.ts";
import { HostileIssuer } from "./hostile-issuer.ts";
import { comeBack, World } from "./world.ts";

const ADA = { sub: "ada-1", email: "ada@example.com", email_verified: true };
const EVENTS = { "http://schemas.openid.net/event/backchannel-logout": {} };

test("a session ends here with that of the provider, which a browser is offered to end too", async () => {
  await using world = await World.start({ title: "Acme", provisioning: true });
  const { issuer, app } = world;
  issuer.person = ADA;
  const [browser, phone] = [world.browser(), world.browser()];
  const jar = new Map<string, string>();
  const sent = await browser.get("/auth/providers/acme/start");
  const back = new URL(await issuer.follow(sent.headers.get("location") ?? "", jar));
  await comeBack(browser, back.pathname + back.search);
  await world.signIn(phone);
  expect((await world.whoIs(browser)).status).toBe(200);

  // Signing out of the provider, in the browser that it knows, ends what that has begun.
  const page = await fetch(`${issuer.url}/session/end`, { headers: { cookie: toCookie(jar) } });
  const [, xsrf = ""] = /name="xsrf" value="([^"]*)"/.exec(await page.text()) ?? [];
  for (const set of page.headers.getSetCookie()) {
    const [, name = "", value = ""] = /^([^=]*)=([^;]*)/.exec(set) ?? [];
    jar.set(name, value);
  }
  await app.after("user.logout", () =>
    fetch(`${issuer.url}/session/end/confirm`, {
      method: "POST",
      redirect: "manual",
      headers: { cookie: toCookie(jar) },
      body: new URLSearchParams({ xsrf, logout: "yes" }),
    }),
  );
  expect((await world.whoIs(browser)).status).toBe(401);
  expect((await world.whoIs(phone)).status).toBe(200);
  expect(await world.audited("session.ended_by_provider")).toMatchObject([
    { after: { provider: "acme", ended: 1 } },
  ]);

  const out = await phone.post("/auth/logout", {});
  const text = await out.text();
  expect([out.status, text]).toEqual([200, expect.stringContaining("Sign out of Acme")]);
  const [, link = ""] = /href="(http[^"]*session\/end[^"]*)"/.exec(text) ?? [];
  const url = new URL(link.replaceAll("&amp;", "&"));
  expect(url.searchParams.get("id_token_hint")?.split(".")).toHaveLength(3);
  expect(url.searchParams.get("post_logout_redirect_uri")).toBe(`${app.url}/auth/login`);
  expect((await world.whoIs(phone)).status).toBe(401);
  // Who has signed in with a password is led to the login, as ever.
  await phone.register("eve@example.com");
  await phone.signIn("eve@example.com");
  expect(placeOf(await phone.post("/auth/logout", {}), "/auth/logout")).toBe("/auth/login");
});

test("a logout token counts once, as its provider's, for this server", async () => {
  await using world = await World.start();
  await using evil = await HostileIssuer.start();
  await world.configure({ acme: {}, evil: { issuer: evil.url, provisioning: true } });
  const signIn = async (sid: string) => {
    const browser = world.browser();
    const sent = await browser.get("/auth/providers/evil/start");
    const asked = new URL(sent.headers.get("location") ?? "").searchParams;
    evil.nonce = asked.get("nonce") ?? "";
    evil.claims = { sid };
    const answer = { code: "1", state: asked.get("state") ?? "", iss: evil.url };
    await comeBack(browser, `/auth/providers/evil/callback?${new URLSearchParams(answer).toString()}`);
    return browser;
  };
  const send = (logout_token: string, provider = "evil") =>
    world.app.fetch(`/auth/providers/${provider}/backchannel_logout`, {
      method: "POST",
      body: new URLSearchParams({ logout_token }),
    });
  const toToken = (bent: Record<string, unknown> = {}, header = {}) =>
    evil.sign({ ...evil.toClaims(), jti: crypto.randomUUID(), events: EVENTS, sid: "one", ...bent }, header);
  const [one, two] = [await signIn("one"), await signIn("two")];
  const now = Math.floor(Date.now() / 1000);
  await using other = await HostileIssuer.start();
  const bent: Record<string, string> = {
    "another audience": await toToken({ aud: "somebody-else" }),
    "another issuer": await toToken({ iss: world.issuer.url }),
    "of long ago": await toToken({ iat: now - 900, exp: undefined }),
    expired: await toToken({ iat: now - 200, exp: now - 100 }),
    "an ID token": await toToken({ nonce: "a nonce" }),
    "no event": await toToken({ events: undefined }),
    "another event": await toToken({ events: { "urn:else": {} } }),
    "no id": await toToken({ jti: undefined }),
    nobody: await toToken({ sid: undefined, sub: undefined }),
    "no text": await toToken({ sid: { $ne: null } }),
    "another key": await other.sign({ ...evil.toClaims(), jti: "1", events: EVENTS, sid: "one" }),
    "no signature": `${Buffer.from('{"alg":"none"}').toString("base64url")}.${(await toToken()).split(".")[1] ?? ""}.`,
    "no token": "a.b.c",
  };
  for (const [name, token] of Object.entries(bent)) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const answer = await send(token);
    // oxlint-disable-next-line no-await-in-loop -- as above
    expect([name, answer.status, await answer.json()]).toMatchObject([
      name,
      400,
      { code: "logout_token_invalid" },
    ]);
  }
  const good = await toToken();
  expect((await send(good, "acme")).status).toBe(400);
  expect((await world.whoIs(one)).status).toBe(200);
  // What couldn't be done isn't used up: the provider sends it again.
  const { db } = world.app.app.store;
  await db.execute(
    sql`create trigger broken before insert on audit_log begin select raise(abort, 'broken'); end`,
  );
  expect((await send(good)).status).toBe(500);
  await db.execute(sql`drop trigger broken`);
  expect((await world.whoIs(one)).status).toBe(200);
  // Sent twice at once it counts once.
  const [ended, again] = (await Promise.all([send(good), send(good)])).toSorted(
    (a, b) => a.status - b.status,
  ) as [Response, Response];
  expect(again.status).toBe(400);
  expect([ended.status, ended.headers.get("cache-control"), await ended.json()]).toEqual([
    200,
    "no-store",
    { ended: 1 },
  ]);
  expect([(await world.whoIs(one)).status, (await world.whoIs(two)).status]).toEqual([401, 200]);
  expect((await send(good)).status).toBe(400);
  expect(await (await send(await toToken({ sub: "somebody", sid: "two" }))).json()).toEqual({ ended: 0 });
  // Of somebody, all.
  const three = await signIn("three");
  expect(await (await send(await toToken({ sid: undefined }))).json()).toEqual({ ended: 2 });
  expect([(await world.whoIs(two)).status, (await world.whoIs(three)).status]).toEqual([401, 401]);
});

function toCookie(jar: ReadonlyMap<string, string>): string {
  return [...jar].map((pair) => pair.join("=")).join("; ");
}
