import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import type { CookieJar } from "../browser/browser.ts";
import { placeOf } from "../browser/browser.ts";
import { comeBack, World } from "./world.ts";

const ADA = { sub: "ada-1", email: "ada@example.com", email_verified: true };
const APP = "com.example.app:/signed-in";
const VERIFIER = "of the app, and of nobody else".replaceAll(/\W/g, "-").padEnd(43, "x");

/** A world with an app; returns what its browser does, and what it asks itself. */
async function start() {
  const world = await World.start({ provisioning: true });
  await world.configure({ acme: { provisioning: true } }, [APP, "https://spa.example.com/cb?x=1"]);
  const toStart = (bent: Record<string, string> = {}): string => {
    const code_challenge = createHash("sha256").update(VERIFIER).digest("base64url");
    const asked = { redirect_uri: APP, code_challenge, state: "of the app", ...bent };
    return `/auth/providers/acme/start?${new URLSearchParams(asked).toString()}`;
  };
  const lead = async (browser: CookieJar, bent: Record<string, string> = {}): Promise<URL> => {
    const answer = await comeBack(browser, await world.lead(browser, toStart(bent)));
    return new URL(answer.headers.get("location") ?? "", world.app.url);
  };
  const post = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const headers = { "content-type": "application/json" };
    const answer = await world.app.fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    return { ...((await answer.json()) as object), status: answer.status };
  };
  const exchange = (code: string | null, code_verifier = VERIFIER) =>
    post("/auth/providers/token", { code, code_verifier });
  return { world, toStart, lead, post, exchange, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

test("an app gets tokens for its user, by a code that is worth nothing to others", async () => {
  await using started = await start();
  const { world, toStart, lead, exchange } = started;
  world.issuer.person = ADA;
  const browser = world.browser();
  const back = await lead(browser);
  expect([back.protocol, back.pathname, back.searchParams.get("state")]).toEqual([
    "com.example.app:",
    "/signed-in",
    "of the app",
  ]);
  // The browser itself is signed in to nothing.
  expect((await world.whoIs(browser)).status).toBe(401);
  const code = back.searchParams.get("code");
  expect(await exchange(code, "x".repeat(43))).toMatchObject({ status: 400, code: "sign_in_invalid" });
  const tokens = await exchange(code);
  expect(tokens).toMatchObject({ status: 200, token_type: "bearer", refresh_token: expect.any(String) });
  const headers = { authorization: `Bearer ${String(tokens["access_token"])}` };
  expect(await (await world.app.fetch("/auth/me", { headers })).json()).toMatchObject({ email: ADA.email });
  expect(await exchange(code)).toMatchObject({ status: 400, code: "sign_in_invalid" });
  expect(await exchange("of nobody")).toMatchObject({ status: 400 });
  const kept = await lead(browser, { redirect_uri: "https://spa.example.com/cb?x=1" });
  expect(kept.href).toStartWith("https://spa.example.com/cb?x=1&code=");

  for (const redirect_uri of [
    "https://evil.example/",
    `${APP}/..`,
    "https://spa.example.com/cb",
    "javascript:alert(1)",
    "",
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const refused = await world.app.fetch(toStart({ redirect_uri }), { redirect: "manual" });
    // oxlint-disable-next-line no-await-in-loop -- as above
    expect([redirect_uri, refused.status, await refused.json()]).toMatchObject([
      redirect_uri,
      422,
      { code: "validation_error" },
    ]);
  }
  const plain = await world.app.fetch(`/auth/providers/acme/start?redirect_uri=${APP}`, {
    redirect: "manual",
  });
  expect(plain.status).toBe(422);
});

test("an app is asked for the second factor, and its user to link an account first", async () => {
  await using started = await start();
  const { world, lead, post, exchange } = started;
  world.issuer.person = ADA;
  const browser = world.browser();
  await browser.register(ADA.email);
  await browser.signIn(ADA.email);
  const codeOf = await browser.enrol();
  const met = await lead(browser);
  expect(met.pathname).toBe("/auth/identities/link");
  const page = await (await browser.get(met.pathname)).text();
  const [, csrf_token = ""] = /name="csrf_token" value="([^"]*)"/.exec(page) ?? [];
  const linked = await browser.post(met.pathname, { csrf_token });
  // On from there, the app's way begins anew.
  const again = placeOf(linked, met.pathname);
  expect(again).toStartWith("/auth/providers/acme/start?redirect_uri=com.example.app");
  const answer = await comeBack(browser, await world.lead(browser, again));
  const code = new URL(answer.headers.get("location") ?? "").searchParams.get("code");
  const asked = await exchange(code);
  expect(asked).toMatchObject({ status: 200, otp_required: true });
  const otp_token = String(asked["otp_token"]);
  const tokens = await post("/auth/login/otp", { otp_token, code: codeOf(1) });
  expect(tokens).toMatchObject({ status: 200, token_type: "bearer" });
  expect(await post("/auth/login/otp", { otp_token, code: codeOf(2) })).toMatchObject({ status: 401 });
  expect(await exchange(code)).toMatchObject({ status: 400 });
});

test("what a browser has to keep on its way is never more than it keeps", async () => {
  await using world = await World.start();
  const redirect_uri = `com.example.app:/${"a".repeat(490)}`;
  await world.configure({ acme: {} }, [redirect_uri]);
  const asked = {
    redirect_uri,
    code_challenge: "x".repeat(43),
    state: "\u00e9".repeat(255),
    invitation: "i".repeat(256),
  };
  for (const query of [new URLSearchParams(asked), new URLSearchParams({ next: `/${"n".repeat(2047)}` })]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const sent = await world.app.fetch(`/auth/providers/acme/start?${query.toString()}`, {
      redirect: "manual",
    });
    expect([sent.status, (sent.headers.get("set-cookie")?.length ?? 0) < 4096]).toEqual([303, true]);
  }
});
