import { expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { followRoleRules } from "../../../src/accounts/federation/role-rules.ts";
import { readUserRoles } from "../../../src/accounts/rights/access.ts";
import { ORIGIN } from "../factor-accounts.ts";
import { World } from "./world.ts";

const ADA = { sub: "ada-1", email: "ada@example.com", email_verified: true };
const RULES = [
  { claim: "groups", value: "accounting", role: "accountant" },
  { claim: "groups", value: "bosses", role: "admin" },
  { claim: "groups", value: "ghosts", role: "nobody_made_it" },
];

async function makeRoles(world: World, ...names: string[]): Promise<void> {
  const { headers } = await world.app.admin();
  for (const name of names) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const made = await world.app.fetch("/admin/roles", {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ name }),
    });
    if (made.status !== 201) throw new Error(await made.text());
  }
}

test("rules give roles by claims and take them again, and those of others stay", async () => {
  await using world = await World.start({ provisioning: true, roles: RULES });
  const { issuer, app } = world;
  const { db, tables } = app.app.store;
  await makeRoles(world, "accountant", "by_hand");
  const rolesNow = async (groups: unknown): Promise<string[] | undefined> => {
    issuer.person = { ...ADA, groups };
    const browser = world.browser();
    await world.signIn(browser);
    return (await world.whoIs(browser)).roles;
  };
  expect(await rolesNow(["accounting", "ghosts"])).toEqual(["accountant", "user"]);
  expect(app.events.filter(({ name }) => name === "role.assigned").map(({ data }) => data.role)).toEqual([
    "accountant",
  ]);
  // Claims that aren't as they should be give nothing, and nothing more than the rules say.
  expect(await rolesNow("accounting")).toEqual(["accountant", "user"]);
  for (const groups of [
    undefined,
    "accounting,bosses",
    ["ACCOUNTING"],
    { accounting: true },
    [["accounting"]],
    ["by_hand", "user"],
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect([groups, await rolesNow(groups)]).toEqual([groups, ["user"]]);
  }
  // A role that somebody has given by hand stays, as one of a rule that is the same.
  const [ada] = await db.select().from(tables.users).where(eq(tables.users.email, ADA.email));
  for (const name of ["by_hand", "accountant"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const [role] = await db.select().from(tables.roles).where(eq(tables.roles.name, name));
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await db.insert(tables.userRoles).values({ user_id: ada?.id ?? 0, role_id: role?.id ?? 0 });
  }
  expect(await rolesNow(["accounting"])).toEqual(["accountant", "by_hand", "user"]);
  expect(await rolesNow([])).toEqual(["accountant", "by_hand", "user"]);
  const changes = [...(await world.audited("role.assigned")), ...(await world.audited("role.removed"))];
  const byProvider = changes.filter(({ before, after }) => (before ?? after)?.["by"] === "provider");
  expect(byProvider.map(({ action, result }) => [action, result])).toEqual([
    ["role.assigned", "done"],
    ["role.removed", "done"],
  ]);

  // Of two tabs, one unlinks the provider while the other one signs in by it: nothing is given that nobody would take again.
  const [identity] = await db.select().from(tables.identities);
  await db.delete(tables.identities);
  const user = { id: ada?.id ?? 0, email: ADA.email };
  const late = { identityId: identity?.id ?? 0, user, wanted: ["admin"], origin: ORIGIN };
  await followRoleRules(app.app.store, app.app.hooks, late);
  expect((await readUserRoles(app.app.store, user.id)).toSorted()).toEqual(["accountant", "by_hand", "user"]);
});

test("no rule takes the last administrator, or makes one whose password is short", async () => {
  await using world = await World.start({ provisioning: true, roles: RULES });
  const { issuer, app } = world;
  const { db, tables } = app.app.store;
  const { users } = tables;
  const signIn = async (groups: string[]) => {
    issuer.person = { ...ADA, groups };
    const browser = world.browser();
    await world.signIn(browser);
    return (await world.whoIs(browser)).roles;
  };
  expect(await signIn([])).toEqual(["user"]);
  await db
    .update(users)
    .set({ has_long_password: false, password_hash: "$2b$04$x" })
    .where(eq(users.email, ADA.email));
  expect(await signIn(["bosses"])).toEqual(["user"]);
  expect(await world.audited("role.assigned")).toContainEqual(
    expect.objectContaining({
      result: "refused",
      after: expect.objectContaining({ reason: "password_too_short" }),
    }),
  );
  await db
    .update(users)
    .set({ has_long_password: null, password_hash: null })
    .where(eq(users.email, ADA.email));
  expect(await signIn(["bosses"])).toEqual(["admin", "user"]);
  expect(await signIn([])).toEqual(["admin", "user"]);
  expect(await world.audited("role.removed")).toContainEqual(
    expect.objectContaining({
      result: "refused",
      before: expect.objectContaining({ reason: "last_administrator" }),
    }),
  );
  // With another administrator it goes, with what it was given by too.
  await app.admin();
  expect(await signIn([])).toEqual(["user"]);
});

test("an invitation is accepted by a provider that knows its email, once", async () => {
  await using world = await World.start();
  const { issuer, app } = world;
  await makeRoles(world, "accountant");
  const { headers } = await app.admin();
  const { db, tables } = app.app.store;
  const roles = await db.select().from(tables.roles).where(eq(tables.roles.name, "accountant"));
  const invited = await app.fetch("/admin/invitations", {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ email: "ada@example.com", roles: roles.map(({ id }) => id) }),
  });
  const { link } = (await invited.json()) as { link: string };
  const token = new URL(link).searchParams.get("token") ?? "";
  const browser = world.browser();
  const page = await (await browser.get(`/auth/invitation?token=${token}`)).text();
  expect(page).toContain(`providers/acme/start?invitation=${token}`);
  const start = `/auth/providers/acme/start?invitation=${token}`;
  issuer.person = { ...ADA, sub: "eve-1", email: "eve@example.com" };
  expect((await world.signIn(browser, start)).status).toBe(403);
  issuer.person = { ...ADA, email_verified: false };
  expect((await world.signIn(browser, start)).status).toBe(403);
  issuer.person = ADA;
  expect((await world.signIn(browser, start)).status).toBe(303);
  expect(await world.whoIs(browser)).toMatchObject({ email: ADA.email, roles: ["accountant"] });
  expect(await world.audited("invitation.accepted")).toHaveLength(1);
  issuer.person = { ...ADA, sub: "ada-2", email: "other@example.com" };
  expect((await world.signIn(world.browser(), start)).status).toBe(410);
});
