import { expect, test } from "bun:test";
import { HostileIssuer } from "./hostile-issuer.ts";
import { comeBack, World } from "./world.ts";

const CALLBACK = "/auth/providers/evil/callback";
const HOUR = 3600;

/** A world with a hostile issuer beside the good one; returns what sends a browser there and back. */
async function start() {
  await using disposals = new AsyncDisposableStack();
  const world = disposals.use(await World.start());
  const evil = disposals.use(await HostileIssuer.start());
  await world.configure({ acme: { provisioning: true }, evil: { issuer: evil.url, provisioning: true } });
  const browser = world.browser();
  /** Begins, and comes back with what an issuer would send. @param bent over that */
  const signIn = async (bent: Record<string, string> = {}): Promise<Response> => {
    const sent = await browser.get("/auth/providers/evil/start");
    if (sent.status !== 303) return sent;
    const asked = new URL(sent.headers.get("location") ?? "").searchParams;
    evil.nonce = asked.get("nonce") ?? "";
    const answer = { code: crypto.randomUUID(), state: asked.get("state") ?? "", iss: evil.url, ...bent };
    return comeBack(browser, `${CALLBACK}?${new URLSearchParams(answer).toString()}`);
  };
  const running = disposals.move();
  return { world, evil, browser, signIn, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

test("an answer counts only as its issuer's, for this server, of now and with a signature", async () => {
  await using started = await start();
  const { world, evil, browser, signIn } = started;
  const now = Math.floor(Date.now() / 1000);
  const bent: Record<string, Record<string, unknown>> = {
    "another audience": { aud: "somebody-else" },
    "several audiences and another party": { aud: ["xcore-test", "somebody-else"], azp: "somebody-else" },
    "another issuer": { iss: world.issuer.url },
    "another nonce": { nonce: "of another way" },
    "no nonce": { nonce: undefined },
    "an hour ago": { iat: now - 2 * HOUR, exp: now - HOUR },
    "no subject": { sub: undefined },
    "an empty subject": { sub: "" },
    "a subject that is too long": { sub: "x".repeat(256) },
    "a subject with a line end": { sub: "ada\n1" },
  };
  for (const [name, claims] of Object.entries(bent)) {
    evil.claims = claims;
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect([name, (await signIn()).status]).toEqual([name, 400]);
  }
  evil.claims = {};
  const [, payload = ""] = (await evil.sign({ ...evil.toClaims(), email: "ada@example.com" })).split(".");
  const forged = [
    `${header("none")}.${payload}.`,
    `${header("RS256")}.${payload}.AAAA`,
    `${header("HS256")}.${payload}.AAAA`,
  ];
  for (const idToken of [...forged, "no token", ""]) {
    evil.idToken = idToken;
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { status } = await signIn();
    expect([idToken, status >= 400]).toEqual([idToken, true]);
  }
  // Even where the issuer says that it signs so.
  evil.metadata = { id_token_signing_alg_values_supported: ["none", "RS256"] };
  await world.configure({ acme: {}, evil: { issuer: evil.url, provisioning: true, title: "Anew" } });
  evil.idToken = forged[0] ?? "";
  expect((await signIn()).status).toBeGreaterThanOrEqual(400);
  evil.idToken = null;

  // RFC 9207: the answer of another issuer, or of none where this one names itself, costs no code.
  const before = evil.exchanged;
  expect((await signIn({ iss: world.issuer.url })).status).toBe(400);
  expect((await signIn({ iss: "" })).status).toBe(400);
  expect((await signIn({ state: "of another way" })).status).toBe(400);
  expect(evil.exchanged).toBe(before);
  // One issuer's answer is none of another's.
  const sent = await browser.get("/auth/providers/evil/start");
  const state = new URL(sent.headers.get("location") ?? "").searchParams.get("state") ?? "";
  const mixed = await comeBack(
    browser,
    `/auth/providers/acme/callback?code=1&state=${state}&iss=${world.issuer.url}`,
  );
  expect(mixed.status).toBe(400);

  expect((await world.whoIs(browser)).status).toBe(401);
  expect((await signIn()).status).toBe(303);
  expect(await world.whoIs(browser)).toMatchObject({ email: "ada@example.com" });
});

test("what a provider tells of somebody else, without end or from elsewhere isn't taken", async () => {
  await using started = await start();
  const { world, evil, browser, signIn } = started;
  evil.claims = { email: undefined, email_verified: undefined };
  evil.userinfo = { sub: "somebody-else", email: "boss@example.com", email_verified: true };
  expect((await signIn()).status).toBe(400);
  evil.userinfo = { sub: "ada-1", email: { $ne: null }, email_verified: true };
  expect((await signIn()).status).toBe(403);
  // That one email is verified says nothing of another.
  evil.claims = { email: "boss@example.com", email_verified: undefined };
  evil.userinfo = { sub: "ada-1", email: "ada@example.com", email_verified: true };
  expect((await signIn()).status).toBe(403);
  evil.claims = { email: undefined, email_verified: undefined };
  evil.userinfo = null;
  expect((await signIn()).status).toBeGreaterThanOrEqual(400);
  evil.claims = {};

  const answers: Record<string, typeof evil.answer> = {
    "without end": (path, response) => {
      if (path !== "/token") return false;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(`{"access_token":"${"x".repeat(600 * 1024)}"}`);
      return true;
    },
    "a redirect": (path, response) => {
      if (path !== "/token") return false;
      response.writeHead(307, { location: `${world.issuer.url}/token` }).end();
      return true;
    },
    "another type": (path, response) => {
      if (path !== "/token") return false;
      response.writeHead(200, { "content-type": "text/html" }).end("<p>Hello");
      return true;
    },
    "its end in the middle": (path, response) => {
      if (path !== "/token") return false;
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" }).write("{");
      response.destroy();
      return true;
    },
    "an error": (path, response) => {
      if (path !== "/token") return false;
      response.writeHead(401, { "content-type": "application/json" }).end('{"error":"invalid_client"}');
      return true;
    },
  };
  for (const [name, answer] of Object.entries(answers)) {
    evil.answer = answer;
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect([name, (await signIn()).status]).toEqual([name, 503]);
  }
  evil.answer = () => false;
  expect((await world.whoIs(browser)).status).toBe(401);
  const log = await world.app.log("app");
  expect(log).toContain("invalid_client");
  expect(log).not.toContain("an access token");

  // Discovery that names another issuer, or sends codes by HTTP to another machine.
  for (const metadata of [{ issuer: world.issuer.url }, { authorization_endpoint: "javascript:alert(1)" }]) {
    evil.metadata = metadata;
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await world.configure({ evil: { issuer: evil.url, title: JSON.stringify(metadata) } });
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect([metadata, (await signIn()).status]).toEqual([metadata, 503]);
  }
});

function header(alg: string): string {
  return Buffer.from(JSON.stringify({ alg, kid: "1" })).toString("base64url");
}
