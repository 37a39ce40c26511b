import { expect, test } from "bun:test";
import { findRefusal, toClaimed } from "../../../src/accounts/federation/claims.ts";
import { OidcClient } from "../../../src/accounts/federation/oidc.ts";
import { findProvider, isServed } from "../../../src/accounts/federation/providers.ts";
import type { ProviderSettings } from "../../../src/config/schema.ts";
import { failureOf } from "../../db/failures.ts";
import { silent } from "../factor-accounts.ts";
import { HostileIssuer } from "./hostile-issuer.ts";

const toProvider = (settings: Partial<ProviderSettings>) =>
  findProvider({ redirect_uris: [], providers: { acme: { client_id: "xcore", ...settings } } }, "acme");

test("findProvider() knows what presets are, and settings over them", () => {
  expect(toProvider({ preset: "google" })).toMatchObject({
    title: "Google",
    issuer: "https://accounts.google.com",
    scopes: ["openid", "email", "profile"],
    sessionMs: 86_400_000,
  });
  expect(toProvider({ preset: "microsoft", tenant: "acme.example" })).toMatchObject({
    issuer: "https://login.microsoftonline.com/acme.example/v2.0",
    trustsEmail: false,
  });
  expect(toProvider({ preset: "github", session_hours: null })).toMatchObject({
    kind: "github",
    sessionMs: null,
  });
  expect(toProvider({ preset: "gitlab", issuer: "https://git.example", title: "Git" })).toMatchObject({
    title: "Git",
    issuer: "https://git.example",
  });
  for (const id of ["nobody", "__proto__", "constructor"])
    expect(() => findProvider({ redirect_uris: [], providers: {} }, id)).toThrow(
      expect.objectContaining({ code: "not_found" }),
    );
});

test("isServed() tells whether a provider is still there, by its issuer and not by its name", () => {
  const auth = {
    redirect_uris: [],
    providers: {
      acme: { client_id: "xcore", issuer: "https://sso.example/main/" },
      google: { client_id: "xcore", preset: "google" as const },
      microsoft: { client_id: "xcore", preset: "microsoft" as const, tenant: "acme.example" },
    },
  };
  const tenant = "https://login.microsoftonline.com/8d2f/v2.0";
  const cases: [provider: string, issuer: string, isThere: boolean][] = [
    ["acme", "https://sso.example/main/", true],
    ["before", "https://sso.example/main", true],
    ["acme", "https://sso.before.example", false],
    ["google", "https://accounts.google.com", true],
    ["google", "https://sso.before.example", false],
    ["microsoft", tenant, true],
    ["entra", tenant, false],
    ["microsoft", "https://accounts.google.com/", true],
    ["microsoft", "https://sso.before.example", false],
  ];
  const found = cases.map(([provider, issuer]) => [provider, issuer, isServed(auth, { provider, issuer })]);
  expect(found).toEqual(cases);
});

test("findRefusal() keeps to domains and tenants, as the provider vouches for them", () => {
  const google = toProvider({ preset: "google", allowed_domains: ["Example.com"] });
  const own = { sub: "1", email: "ada@example.com", email_verified: true };
  const refusalOf = (provider: typeof google, claims: Record<string, unknown>): boolean =>
    findRefusal(provider, toClaimed(provider, provider.issuer, claims), claims) !== null;
  expect(refusalOf(google, { ...own, hd: "example.com" })).toBe(false);
  // Anybody makes an account at Google with an address of another's domain.
  expect(refusalOf(google, own)).toBe(true);
  expect(refusalOf(google, { ...own, hd: "other.example" })).toBe(true);
  expect(refusalOf(google, { ...own, hd: "example.com", email: "ada@example.com.evil.example" })).toBe(true);
  const any = toProvider({ issuer: "https://a.example", allowed_domains: ["example.com"] });
  expect(refusalOf(any, own)).toBe(false);
  expect(refusalOf(any, { ...own, email_verified: false })).toBe(true);
  expect(refusalOf(any, { ...own, email: "ada@sub.example.com" })).toBe(true);
  const microsoft = toProvider({ preset: "microsoft", tenant: "organizations", allowed_tenants: ["t-1"] });
  expect(refusalOf(microsoft, { sub: "1", tid: "t-1" })).toBe(false);
  expect(
    [{ sub: "1", tid: "t-2" }, { sub: "1" }, { sub: "1", tid: ["t-1"] }].map((claims) =>
      refusalOf(microsoft, claims),
    ),
  ).toEqual([true, true, true]);
  // What it says of emails counts where the settings say so.
  const unverified = { sub: "1", email: "ada@example.com" };
  expect(toClaimed(microsoft, "i", unverified).isVerified).toBe(false);
  const trusting = toProvider({ preset: "microsoft", tenant: "t-1", trust_email: true });
  expect(toClaimed(trusting, "i", unverified).isVerified).toBe(true);
  expect(toClaimed(trusting, "i", { sub: "1", email: "\uff41da@example.com" })).toMatchObject({
    email: null,
    isVerified: false,
  });
});

test("toClaimed() reads a claim by its name, or by a path", () => {
  const rules = [
    { claim: "realm_access.roles", value: "boss", role: "admin" },
    { claim: "https://acme.example/team", value: "books", role: "accountant" },
    { claim: "a.b.c", value: "d", role: "deep" },
  ];
  const provider = toProvider({ issuer: "https://a.example", roles: rules });
  const rolesOf = (claims: object) => toClaimed(provider, "i", { sub: "1", ...claims }).roles;
  expect(rolesOf({ realm_access: { roles: ["boss"] }, "https://acme.example/team": "books" })).toEqual([
    "accountant",
    "admin",
  ]);
  expect(rolesOf({ a: { b: { c: ["d"] } } })).toEqual(["deep"]);
  for (const claims of [
    { realm_access: null },
    { realm_access: "roles" },
    { a: [{ b: { c: "d" } }] },
    { a: { b: 1 } },
  ])
    expect(rolesOf(claims)).toEqual([]);
});

test("what was discovered of a provider counts while it is down, and is asked for anew by the hour", async () => {
  await using issuer = await HostileIssuer.start();
  let now = 0;
  let asked = 0;
  let isDown = false;
  issuer.answer = (path, response) => {
    if (path.startsWith("/.well-known/")) asked += 1;
    if (isDown) response.writeHead(503).end();
    return isDown;
  };
  const provider = toProvider({ issuer: issuer.url });
  const client = new OidcClient(provider, silent, () => now);
  const way = {
    redirectUri: "http://127.0.0.1/",
    state: "s",
    nonce: "n",
    verifier: "v".repeat(43),
    isFresh: false,
  };
  const place = async (): Promise<string> => (await client.authorize(way)).pathname;
  await Promise.all([place(), place(), place()]);
  expect(asked).toBe(1);
  now += 3_601_000;
  isDown = true;
  issuer.metadata = { authorization_endpoint: `${issuer.url}/elsewhere` };
  expect([await place(), await place(), asked]).toEqual(["/authorize", "/authorize", 2]);
  isDown = false;
  now += 6000;
  expect([await place(), asked]).toEqual(["/elsewhere", 3]);

  isDown = true;
  const other = new OidcClient(provider, silent, () => now);
  const failures = [await failureOf(other.authorize(way)), await failureOf(other.authorize(way))];
  // Nobody waits twice for one that has just failed.
  expect([failures, asked]).toMatchObject([
    [{ code: "provider_unavailable" }, { code: "provider_unavailable" }],
    4,
  ]);
});
