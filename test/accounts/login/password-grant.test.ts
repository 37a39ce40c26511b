import { expect } from "bun:test";
import { testOnDialect } from "../../database-servers.ts";
import { addDevice } from "../factor-accounts.ts";
import { createIdentity, type Identity, PASSWORD } from "../identity.ts";

const EMAIL = "ada@example.com";

/** Logs in as Swagger's "Authorize" does. */
function grant({ send }: Identity, fields: Record<string, string> = {}, options = {}) {
  const form = { grant_type: "password", scope: "", username: EMAIL, password: PASSWORD, ...fields };
  const headers = { authorization: `Basic ${btoa("undefined:undefined")}` };
  return send("POST", "/auth/login", new URLSearchParams(form), { headers, ...options });
}

testOnDialect(
  "sqlite",
  "a login in the form of OAuth 2 gives tokens as RFC 6749 says",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    await identity.register(EMAIL);
    const { status, body, headers } = await grant(identity, { client_id: "docs", client_secret: "" });
    expect([status, body]).toEqual([
      200,
      {
        access_token: expect.any(String),
        refresh_token: expect.any(String),
        token_type: "bearer",
        expires_in: 1800,
      },
    ]);
    expect(headers.get("content-type")).toStartWith("application/json");
    expect(headers.get("cache-control")).toBe("no-store");
    const me = await identity.send("GET", "/auth/me", undefined, { token: body.access_token });
    expect(me.body).toMatchObject({ email: EMAIL });
  },
);

testOnDialect("sqlite", "a refused login in the form of OAuth 2 says why in its form", async ({ driver }) => {
  const identity = await createIdentity(driver);
  await identity.register(EMAIL);
  const scenarios: [fields: Record<string, string>, error: string][] = [
    [{ password: "wrong" }, "invalid_grant"],
    [{ username: "nobody@example.com" }, "invalid_grant"],
    [{ password: "" }, "invalid_request"],
    [{ username: "a".repeat(321) }, "invalid_request"],
    [{ grant_type: "refresh_token" }, "unsupported_grant_type"],
    [{ grant_type: "" }, "unsupported_grant_type"],
  ];
  for (const [fields, error] of scenarios) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { status, body, headers } = await grant(identity, fields);
    expect([status, body.error, body.code]).toEqual([400, error, error]);
    expect([body.error_description, body.status]).toEqual([body.detail, 400]);
    expect(headers.get("content-type")).toBe("application/json");
  }
  const twice = new URLSearchParams({ grant_type: "password", username: EMAIL, password: PASSWORD });
  twice.append("username", "bob@example.com");
  const { status, body } = await identity.send("POST", "/auth/login", twice);
  expect([status, body.error]).toEqual([400, "invalid_request"]);

  identity.hooks.on("user.login", ({ cancel }) => cancel("Not today"), { order: "before" });
  expect((await grant(identity)).body).toMatchObject({
    error: "invalid_grant",
    error_description: "Not today",
  });
});

testOnDialect(
  "sqlite",
  "a login in the form of OAuth 2 can't pass by a second factor",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { devices, clock, store } = identity;
    await addDevice(devices, clock, await identity.register(EMAIL));
    const { status, body, text } = await grant(identity);
    expect([status, body.error, body.code]).toEqual([400, "mfa_required", "mfa_required"]);
    expect(body.error_description).toContain("POST /auth/login/otp");
    expect(text).not.toContain("token_type");
    expect(await store.db.$count(store.tables.sessions)).toBe(0);
    // Who doesn't know the password isn't told that there is one.
    expect((await grant(identity, { password: "wrong" })).body.error).toBe("invalid_grant");
  },
);

testOnDialect("sqlite", "guesses in the form of OAuth 2 count as any others", async ({ driver }) => {
  const identity = await createIdentity(driver);
  await identity.register(EMAIL);
  const statuses = new Set<number>();
  let last = await grant(identity, { password: "wrong" });
  for (let times = 0; times < 50 && last.status !== 429; times += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    last = await grant(identity, { password: "wrong" });
    statuses.add(last.status);
  }
  expect([...statuses]).toEqual([400, 429]);
  expect(last.body.error).toBe(last.body.code);
  expect(Number(last.headers.get("retry-after"))).toBeGreaterThan(0);
  expect((await identity.logIn(EMAIL)).status).toBe(429);
  const { entries } = await identity.audit();
  expect(entries.at(-1)).toMatchObject({ action: "user.login_failed" });
});
