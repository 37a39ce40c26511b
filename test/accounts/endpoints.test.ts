import { afterAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { strangeAnswer } from "./passkeys/authenticator.ts";
import { generateOtpCode } from "../../src/accounts/two-factor/codes.ts";
import { invite } from "../../src/accounts/invitations/invitations.ts";
import type { NewLink } from "../../src/accounts/links/links.ts";
import { ADMIN_ROLE } from "../../src/accounts/rights/builtin-roles.ts";
import { CORE_PERMISSIONS } from "../../src/accounts/rights/permission-catalog.ts";
import { toDefinition } from "../../src/jobs/definition/options.ts";
import { toResource } from "../../src/resources/definition/definition.ts";
import { PluginHost } from "../plugins/remote/plugin-host.ts";
import { plugin, TestApp, type TestUser } from "../setup.ts";

/** Who a route lets in: everybody, somebody known, or who holds a permission. */
type Guard = "public" | "auth" | "*" | keyof typeof CORE_PERMISSIONS;
type Json = Record<string, unknown>;

/** What a request that must succeed is made of. */
interface Call {
  /** For the parameters of the path, in order. */
  readonly params?: readonly (string | number)[];
  readonly query?: string;
  readonly body?: Json;
}

interface Endpoint {
  readonly guard: Guard;
  /** Status of the answer to who is let in. */
  readonly status: number;
  /** Makes ready what the request needs. @default a request without parameters or a body */
  readonly prepare?: (world: World) => Promise<Call> | Call;
}

/** Everything that a request may be about. */
interface World {
  readonly app: TestApp;
  /** Who asks. */
  readonly user: TestUser;
}

const PASSWORD = "correct horse battery";

/** Every route of the core. One that is added must be added here, with what guards it. */
const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  "GET /health": { guard: "public", status: 200 },
  "POST /auth/register": {
    guard: "public",
    status: 201,
    prepare: () => ({ body: { email: uniqueEmail(), password: PASSWORD } }),
  },
  "POST /auth/email": {
    guard: "auth",
    status: 202,
    prepare: () => ({ body: { email: uniqueEmail() } }),
  },
  "POST /auth/email/confirm": {
    guard: "public",
    status: 200,
    async prepare({ app, user: { id: userId } }) {
      return {
        body: { token: await issueLink(app, { purpose: "change_email", userId, email: uniqueEmail() }) },
      };
    },
  },
  "POST /auth/email/undo": {
    guard: "public",
    status: 200,
    async prepare({ app, user: { id: userId, email } }) {
      return { body: { token: await issueLink(app, { purpose: "undo_email_change", userId, email }) } };
    },
  },
  "POST /auth/email/verify": {
    guard: "public",
    status: 200,
    async prepare({ app, user: { id: userId, email } }) {
      return { body: { token: await issueLink(app, { purpose: "verify_email", userId, email }) } };
    },
  },
  "POST /auth/email/verification": {
    guard: "public",
    status: 202,
    prepare: () => ({ body: { email: uniqueEmail() } }),
  },
  "POST /auth/password/forgot": {
    guard: "public",
    status: 202,
    prepare: () => ({ body: { email: uniqueEmail() } }),
  },
  "POST /auth/password/reset": {
    guard: "public",
    status: 204,
    async prepare({ app, user: { id: userId, email } }) {
      const { accounts, store } = app.app;
      const link = { purpose: "reset_password", userId, lifetimeMs: 60_000, boundTo: `${email} ` } as const;
      const token = await store.db.transaction((tx) => accounts.links.issue(tx, link));
      return { body: { token, new_password: PASSWORD } };
    },
  },
  "POST /auth/report": {
    guard: "public",
    status: 204,
    async prepare({ app, user: { id: userId, email } }) {
      const { accounts, store } = app.app;
      const link = { purpose: "report_change", userId, lifetimeMs: 60_000, data: { email } } as const;
      return { body: { token: await store.db.transaction((tx) => accounts.links.issue(tx, link)) } };
    },
  },
  "POST /auth/login": { guard: "public", status: 200, prepare: toLogin },
  "POST /auth/login/otp": { guard: "public", status: 200, prepare: toSecondStep },
  // Of a server that is known by an address, browsers have no passkeys.
  "POST /auth/login/passkey/options": { guard: "public", status: 409, prepare: () => ({ body: {} }) },
  "POST /auth/login/passkey": { guard: "public", status: 409, prepare: toAnswer },
  "POST /auth/refresh": { guard: "public", status: 200, prepare: toRefresh },
  "POST /auth/logout": { guard: "auth", status: 204 },
  "GET /auth/me": { guard: "auth", status: 200 },
  "PATCH /auth/me": { guard: "auth", status: 200, prepare: () => ({ body: { theme: "dark" } }) },
  "PUT /auth/password": { guard: "auth", status: 204, prepare: toPasswordChange },
  "DELETE /auth/password": { guard: "auth", status: 409 }, // nothing else lets them in
  "POST /auth/export": { guard: "auth", status: 200, prepare: () => ({ body: {} }) },
  "POST /auth/deletion": {
    guard: "auth",
    status: 422, // their email is another
    prepare: () => ({ body: { email: "nobody@example.com" } }),
  },
  "POST /auth/deletion/keep": { guard: "public", status: 410, prepare: () => ({ body: { token: "none" } }) },
  "POST /auth/password/verify": {
    guard: "auth",
    status: 200,
    async prepare(world) {
      await setPassword(world, world.user.id);
      return { body: { current_password: PASSWORD } };
    },
  },
  "POST /auth/ticket": { guard: "auth", status: 200 },
  "DELETE /auth/impersonation": { guard: "auth", status: 404 }, // who asks views as nobody
  "GET /auth/providers": { guard: "public", status: 200 },
  // There is none here: those that there are have tests of their own.
  "GET /auth/providers/{id}/start": { guard: "public", status: 404, prepare: toNoProvider },
  "GET /auth/providers/{id}/link": { guard: "auth", status: 404, prepare: toNoProvider },
  "GET /auth/providers/{id}/verify": { guard: "auth", status: 404, prepare: toNoProvider },
  "POST /auth/providers/{id}/backchannel_logout": {
    guard: "public",
    status: 404,
    prepare: () => ({ params: ["nobody"], body: { logout_token: "a.b.c" } }),
  },
  "POST /auth/providers/token": {
    guard: "public",
    status: 400,
    prepare: () => ({ body: { code: "of nobody", code_verifier: "x".repeat(43) } }),
  },
  "GET /auth/identities": { guard: "auth", status: 200 },
  "DELETE /auth/identities/{id}": { guard: "auth", status: 404, prepare: () => ({ params: [1] }) },
  "GET /auth/sessions": { guard: "auth", status: 200 },
  "DELETE /auth/sessions": { guard: "auth", status: 200 },
  "DELETE /auth/sessions/{id}": {
    guard: "auth",
    status: 204,
    prepare: ({ user }) => ({ params: [user.sessionId] }),
  },
  "GET /auth/otp/devices": { guard: "auth", status: 200 },
  "POST /auth/otp/devices": {
    guard: "auth",
    status: 201,
    async prepare(world) {
      await setPassword(world, world.user.id);
      return { body: { name: "My phone", current_password: PASSWORD } };
    },
  },
  "POST /auth/otp/devices/{id}/confirm": {
    guard: "auth",
    status: 200,
    async prepare({ app, user }) {
      const { id, secret } = await app.app.accounts.devices.create(user.id, "My phone");
      return { params: [id], body: { code: generateOtpCode(secret, Date.now()) } };
    },
  },
  "DELETE /auth/otp/devices/{id}": {
    guard: "auth",
    status: 204,
    async prepare(world) {
      const { id, codes } = await addDevice(world, world.user.id);
      return { params: [id], body: { code: codes[0] } };
    },
  },
  "POST /auth/otp/verify": {
    guard: "auth",
    status: 200,
    async prepare(world) {
      const { codes } = await addDevice(world, world.user.id);
      return { body: { code: codes[0] } };
    },
  },
  "GET /auth/passkeys": { guard: "auth", status: 200 },
  "POST /auth/passkeys/options": { guard: "auth", status: 409, prepare: () => ({ body: {} }) },
  "POST /auth/passkeys": { guard: "auth", status: 409, prepare: toAnswer },
  "PATCH /auth/passkeys/{id}": {
    guard: "auth",
    status: 404,
    prepare: () => ({ params: [1], body: { name: "Mine" } }),
  },
  "DELETE /auth/passkeys/{id}": { guard: "auth", status: 404, prepare: () => ({ params: [1] }) },
  "POST /auth/passkeys/verify/options": { guard: "auth", status: 409 },
  "POST /auth/passkeys/verify": { guard: "auth", status: 409, prepare: toAnswer },
  "POST /auth/passkeys/recovery_codes": { guard: "auth", status: 409, prepare: toAnswer },
  "POST /auth/otp/recovery_codes": {
    guard: "auth",
    status: 201,
    async prepare(world) {
      const { secret } = await addDevice(world, world.user.id);
      return { body: { code: generateOtpCode(secret, Date.now() + 30_000) } }; // the present one is used up
    },
  },
  "GET /auth/api_keys": { guard: "auth", status: 200 },
  "POST /auth/api_keys": {
    guard: "auth",
    status: 201,
    prepare: toNewKey,
  },
  "DELETE /auth/api_keys/{id}": {
    guard: "auth",
    status: 204,
    prepare: async (world) => ({ params: [await addKey(world, world.user)] }),
  },
  "GET /admin/users": { guard: "users:read", status: 200 },
  "POST /admin/users": {
    guard: "users:write",
    status: 201,
    prepare: () => ({ body: { email: uniqueEmail(), password: PASSWORD, roles: [] } }),
  },
  "GET /admin/users/{id}": { guard: "users:read", status: 200, prepare: toOther },
  "PUT /admin/users/{id}": {
    guard: "users:write",
    status: 200,
    prepare: async (world) => ({ ...(await toOther(world)), body: { full_name: "Ada" } }),
  },
  "DELETE /admin/users/{id}": { guard: "users:write", status: 204, prepare: toOther },
  "PUT /admin/users/{id}/activate": { guard: "users:write", status: 200, prepare: toOther },
  "POST /admin/users/{id}/activate": { guard: "users:write", status: 200, prepare: toOther },
  "PUT /admin/users/{id}/deactivate": { guard: "users:write", status: 200, prepare: toOther },
  "POST /admin/users/{id}/deactivate": { guard: "users:write", status: 200, prepare: toOther },
  // It takes a browser: test/accounts/impersonation.
  "POST /admin/users/{id}/impersonate": {
    guard: "users:impersonate",
    status: 409,
    async prepare(world) {
      await setPassword(world, world.user.id);
      return { ...(await toOther(world)), body: { current_password: PASSWORD } };
    },
  },
  "PUT /admin/users/{id}/unlock": { guard: "users:write", status: 200, prepare: toOther },
  "DELETE /admin/users/{id}/deletion": { guard: "users:write", status: 200, prepare: toOther },
  "GET /admin/users/{id}/sessions": { guard: "users:read", status: 200, prepare: toOther },
  "DELETE /admin/users/{id}/sessions": { guard: "users:write", status: 200, prepare: toOther },
  "DELETE /admin/users/{id}/sessions/{session_id}": {
    guard: "users:write",
    status: 204,
    async prepare({ app }) {
      const { id, sessionId } = await app.createUser(uniqueEmail());
      return { params: [id, sessionId] };
    },
  },
  "GET /admin/users/{id}/api_keys": { guard: "users:read", status: 200, prepare: toOther },
  "DELETE /admin/users/{id}/api_keys": { guard: "users:write", status: 200, prepare: toOther },
  "DELETE /admin/users/{id}/api_keys/{api_key_id}": {
    guard: "users:write",
    status: 204,
    async prepare(world) {
      const other = await world.app.createUser(uniqueEmail());
      return { params: [other.id, await addKey(world, other)] };
    },
  },
  "POST /admin/users/{id}/password": {
    guard: "users:write",
    status: 204,
    prepare: async (world) => ({ ...(await toOther(world)), body: { password: PASSWORD } }),
  },
  "DELETE /admin/users/{id}/otp": {
    guard: "users:write",
    status: 204,
    async prepare(world) {
      const other = await world.app.createUser(uniqueEmail());
      await addDevice(world, other.id);
      return { params: [other.id] };
    },
  },
  "POST /admin/users/{id}/roles/{role_id}": { guard: "users:write", status: 200, prepare: toOtherAndRole },
  "DELETE /admin/users/{id}/roles/{role_id}": { guard: "users:write", status: 200, prepare: toOtherAndRole },
  "GET /admin/invitations": { guard: "users:read", status: 200 },
  "POST /admin/invitations": {
    guard: "users:write",
    status: 201,
    prepare: () => ({ body: { email: uniqueEmail() } }),
  },
  "GET /admin/invitations/{id}": { guard: "users:read", status: 200, prepare: toInvitation },
  "POST /admin/invitations/{id}/resend": {
    guard: "users:write",
    status: 200,
    prepare: async (world) => ({ ...(await toInvitation(world)), body: {} }),
  },
  "DELETE /admin/invitations/{id}": { guard: "users:write", status: 204, prepare: toInvitation },
  "POST /auth/invitation": {
    guard: "public",
    status: 201,
    async prepare({ app }) {
      const { link } = await inviteSomebody(app);
      return { body: { token: link?.split("token=")[1], password: PASSWORD } };
    },
  },
  "GET /admin/roles": { guard: "roles:read", status: 200 },
  "POST /admin/roles": {
    guard: "roles:write",
    status: 201,
    prepare: () => ({ body: { name: uniqueName() } }),
  },
  "GET /admin/roles/{id}": { guard: "roles:read", status: 200, prepare: toRole },
  "PUT /admin/roles/{id}": {
    guard: "roles:write",
    status: 200,
    prepare: async (world) => ({ ...(await toRole(world)), body: { description: "Sells" } }),
  },
  "DELETE /admin/roles/{id}": { guard: "roles:write", status: 204, prepare: toRole },
  "PUT /admin/roles/{id}/permissions": {
    guard: "roles:write",
    status: 200,
    prepare: async (world) => ({ ...(await toRole(world)), body: { permissions: [] } }),
  },
  "GET /admin/permissions": { guard: "roles:read", status: 200 },
  "GET /admin/audit": { guard: "audit:read", status: 200 },
  "GET /system/cache": { guard: "cache:read", status: 200 },
  "GET /system/files/{id}": { guard: "public", status: 200, prepare: toLinkedFile },
  "GET /system/jobs": { guard: "jobs:read", status: 200 },
  "POST /system/jobs": { guard: "jobs:manage", status: 201, prepare: toNewJob },
  "GET /system/jobs/{id}": { guard: "jobs:read", status: 200, prepare: toJob },
  "GET /system/jobs/{id}/events": { guard: "jobs:read", status: 200, prepare: toJob },
  "POST /system/jobs/{id}/retry": { guard: "jobs:manage", status: 200, prepare: toJob },
  "DELETE /system/jobs/{id}": { guard: "jobs:manage", status: 204, prepare: toJob },
  "GET /system/mails": { guard: "mail:read", status: 200 },
  "GET /system/mails/{id}": { guard: "mail:read", status: 200, prepare: toMail },
  "POST /system/mails/{id}/resend": { guard: "mail:manage", status: 200, prepare: toMail },
  "POST /system/mails/{id}/cancel": { guard: "mail:manage", status: 200, prepare: toMail },
  "GET /system/plugins": { guard: "plugins:read", status: 200 },
  "POST /system/plugins": { guard: "*", status: 201, prepare: toNewPlugin },
  "GET /system/plugins/{name}": { guard: "plugins:read", status: 200, prepare: toPlugin },
  "GET /system/plugins/{name}/settings": { guard: "config:read", status: 200, prepare: toPlugin },
  "PUT /system/plugins/{name}/settings": {
    guard: "*",
    status: 200,
    prepare: () => ({ ...toPlugin(), body: { settings: {} } }),
  },
  "PUT /system/plugins/{name}/enable": { guard: "plugins:switch", status: 200, prepare: toPlugin },
  "POST /system/plugins/{name}/enable": { guard: "plugins:switch", status: 200, prepare: toPlugin },
  "PUT /system/plugins/{name}/disable": { guard: "plugins:switch", status: 200, prepare: toPlugin },
  "POST /system/plugins/{name}/disable": { guard: "plugins:switch", status: 200, prepare: toPlugin },
  "PUT /system/plugins/{name}/reload": { guard: "plugins:switch", status: 200, prepare: toPlugin },
  "POST /system/plugins/{name}/reload": { guard: "plugins:switch", status: 200, prepare: toPlugin },
  "DELETE /system/plugins/{name}": { guard: "*", status: 204, prepare: toPlugin },
  "GET /system/resources": { guard: "auth", status: 200 },
  "GET /system/resources/{name}": { guard: "auth", status: 200, prepare: toResourceOfAll },
  "GET /system/resources/{name}/explain": {
    guard: "resources:explain",
    status: 200,
    prepare: async (world) => ({ ...toResourceOfAll(world), query: `?id=1&user=${world.user.id}` }),
  },
  "GET /system/resources/{name}/views": { guard: "auth", status: 200, prepare: toResourceOfAll },
  "POST /system/resources/{name}/views": {
    guard: "auth",
    status: 201,
    prepare: (world) => ({ ...toResourceOfAll(world), body: { name: uniqueName() } }),
  },
  "GET /system/resources/{name}/views/{id}": { guard: "auth", status: 200, prepare: toSavedView },
  "PATCH /system/resources/{name}/views/{id}": {
    guard: "auth",
    status: 200,
    prepare: async (world) => ({ ...(await toSavedView(world)), body: { mode: "endless" } }),
  },
  "DELETE /system/resources/{name}/views/{id}": { guard: "auth", status: 204, prepare: toSavedView },
  "PUT /system/resources/{name}/views/{id}/default": { guard: "auth", status: 200, prepare: toSavedView },
  "DELETE /system/resources/{name}/views/{id}/default": { guard: "auth", status: 200, prepare: toSavedView },
  "GET /system/status": { guard: "system:read", status: 200 },
  "GET /system/traffic": { guard: "system:read", status: 200 },
  "GET /system/traffic/events": { guard: "system:read", status: 200 },
  "GET /system/cards": { guard: "auth", status: 200 },
  "DELETE /system/cache": { guard: "cache:clear", status: 200, prepare: () => ({ query: "?pattern=*" }) },
  "GET /system/config": { guard: "config:read", status: 200 },
  "GET /system/logs": { guard: "logs:read", status: 200 },
  "GET /system/logs/events": { guard: "logs:read", status: 200 },
  "GET /system/backups": { guard: "backups:read", status: 200 },
  "POST /system/backups": { guard: "backups:make", status: 201 },
  "GET /system/backups/{name}": { guard: "*", status: 200, prepare: toBackup },
  "POST /system/backups/{name}/verify": { guard: "backups:read", status: 200, prepare: toBackup },
  "GET /system/tasks": { guard: "tasks:read", status: 200 },
  "POST /system/tasks/{id}/run": { guard: "tasks:manage", status: 202, prepare: toTask },
  "POST /system/tasks/{id}/pause": { guard: "tasks:manage", status: 200, prepare: toTask },
  "POST /system/tasks/{id}/resume": { guard: "tasks:manage", status: 200, prepare: toTask },
};

const host = new PluginHost();
const CONFIG = {
  security: { bcrypt_cost: 4, allow_registration: true },
  plugins: { fetch: { allow_hosts: [new URL(host.url("/")).host] } },
};
afterAll(() => host.stop());

/** Served for clients that know no PUT, and told nowhere. */
const UNTOLD = /^POST .*\/(activate|deactivate|enable|disable|reload)$/;

test("every route of the core is in the table, and locked in the OpenAPI document when it is guarded", async () => {
  await using app = await TestApp.start({ config: CONFIG });
  const { paths } = (await app.get("/openapi.json")).body as { paths: Record<string, Record<string, Json>> };
  const locked = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { security, description = "" }]) => {
      const isLocked =
        security !== undefined && !(security as object[]).some((way) => Object.keys(way).length === 0);
      return [`${method.toUpperCase()} ${path}`, { isLocked, needs: toNeeds(String(description)) }];
    }),
  );
  const expected = Object.entries(ENDPOINTS)
    .filter(([name]) => !UNTOLD.test(name))
    .map(([name, { guard }]) => [
      name,
      { isLocked: guard !== "public", needs: guard === "public" ? null : guard },
    ]);
  expect(Object.fromEntries(locked)).toEqual(Object.fromEntries(expected));
});

test("the OpenAPI document offers API keys where one opens the route, and nowhere else", async () => {
  await using app = await TestApp.start({ config: CONFIG, plugins: plugin("notes", '.get("/", () => 1)') });
  const { paths } = (await app.get("/openapi.json")).body;
  for (const [name, { guard, prepare }] of Object.entries(ENDPOINTS)) {
    const [method = "", template = ""] = name.split(" ");
    const operation = paths[template]?.[method.toLowerCase()];
    if (guard === "public" || operation === undefined) continue;
    /* oxlint-disable no-await-in-loop -- each changes what the next one finds */
    const user = await app.createUser(uniqueEmail(), [ADMIN_ROLE]);
    const key = await makeKey({ app, user }, ["*"]);
    const { params = [], query = "", body } = (await prepare?.({ app, user })) ?? {};
    const left = [...params];
    const response = await app.fetch(
      template.replaceAll(/\{\w+\}/g, () => String(left.shift() ?? 1)) + query,
      {
        method,
        headers: { "x-api-key": key, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      },
    );
    /* oxlint-enable no-await-in-loop */
    const isOffered = operation.security.some((way: object) => "api_key" in way);
    expect([name, response.status === 403]).toEqual([name, !isOffered]);
  }
});

/** What the description of an operation says that it takes. */
function toNeeds(description: string): string | null {
  if (description.includes("Requires authentication.")) return "auth";
  return /Requires the permission `([^`]+)`/.exec(description)?.[1] ?? null;
}

for (const [name, endpoint] of Object.entries(ENDPOINTS)) {
  const [method = "", template = ""] = name.split(" ");
  const { guard, status } = endpoint;
  test(`${name} answers who ${guard === "public" ? "anybody is" : `passes ${guard}`}, and nobody else`, async () => {
    await using app = await TestApp.start({ config: CONFIG, plugins: plugin("notes", '.get("/", () => 1)') });
    const send = async (user: TestUser | null, { params = [], query = "", body }: Call): Promise<number> => {
      const left = [...params];
      const path = template.replaceAll(/\{\w+\}/g, () => String(left.shift() ?? 1)) + query;
      const headers = user === null ? { "content-type": "application/json" } : jsonOf(user);
      const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
      return (await app.fetch(path, init)).status;
    };
    const ask = async (user: TestUser): Promise<number> =>
      send(user, (await endpoint.prepare?.({ app, user })) ?? {});
    const plain = await app.createUser("plain@example.com", ["user"]);
    const call = (await endpoint.prepare?.({ app, user: plain })) ?? {};
    expect(await send(null, call)).toBe(guard === "public" ? status : 401);
    if (guard === "public") return;
    if (guard === "auth") {
      expect(await send(plain, call)).toBe(status);
      expect(await ask(await app.admin())).toBe(status);
      return;
    }
    expect(await send(plain, call)).toBe(403);
    const others = Object.keys(CORE_PERMISSIONS).filter((permission) => permission !== guard);
    expect(await send(await createHolder(app, others), call)).toBe(403);
    expect(await ask(await createHolder(app, [guard]))).toBe(status);
    if (method !== "DELETE" || !template.includes("{name}"))
      expect(await ask(await app.admin())).toBe(status);
  });
}

/** Makes somebody who holds these permissions and no other. */
async function createHolder(app: TestApp, permissions: readonly string[]): Promise<TestUser> {
  const { db, tables } = app.app.store;
  const name = uniqueName();
  const [role] = await db.insert(tables.roles).values({ name }).returning({ id: tables.roles.id });
  const role_id = role?.id ?? 0;
  await db.insert(tables.rolePermissions).values(permissions.map((permission) => ({ role_id, permission })));
  return app.createUser(uniqueEmail(), [name]);
}

function jsonOf({ headers }: TestUser): Record<string, string> {
  return { ...headers, "content-type": "application/json" };
}

function uniqueName(): string {
  return `r${crypto.randomUUID().replaceAll("-", "")}`;
}

/** Makes a link of a mail about an email. */
function issueLink(
  { app: { accounts, store } }: TestApp,
  { email, ...link }: Pick<NewLink, "purpose" | "userId"> & { readonly email: string },
): Promise<string> {
  const made = { ...link, lifetimeMs: 60_000, data: { email } };
  return store.db.transaction((tx) => accounts.links.issue(tx, made));
}

/** Invites somebody in the name of the command line. */
function inviteSomebody({ app: { accounts, store, hooks } }: TestApp) {
  return invite({ ...accounts, store, hooks }, null, { email: uniqueEmail() });
}

async function toInvitation({ app }: World): Promise<Call> {
  return { params: [(await inviteSomebody(app)).id] };
}

function uniqueEmail(): string {
  return `${uniqueName()}@example.com`;
}

/** A plugin that has not been added yet, wherever it comes from. */
function toNewPlugin(): Call {
  const name = uniqueName();
  const code = `import { createRouter } from "xcore";
export const PLUGIN_INFO = { name: "${name}", version: "1.0.0" };
export default createRouter();`;
  const { url } = host.publish(`/${name}`, { "plugin.ts": code }, "plugin.ts");
  return { body: { url } };
}

function toPlugin(): Call {
  return { params: ["notes"] };
}

/** One that everybody may read. */
function toResourceOfAll({ app: { app } }: World): Call {
  const { uniqueKeysOf } = app.database.tableMakers;
  const owner = { plugin: "notes", uniqueKeysOf };
  const resource = toResource(owner, app.store.tables.roles, { path: "roles", permission: null });
  if (app.resources.list().length === 0) app.resources.add(resource);
  return { params: ["notes.roles"] };
}

/** One of whoever calls. */
async function toSavedView(world: World): Promise<Call> {
  const { params } = toResourceOfAll(world);
  const { db, tables } = world.app.app.store;
  const [view] = await db
    .insert(tables.savedViews)
    .values({
      resource: String(params?.[0]),
      user_id: world.user.id,
      scope: world.user.id,
      name: uniqueName(),
      query: "{}",
      mode: "paged",
    })
    .returning();
  return { params: [...(params ?? []), String(view?.id)] };
}

async function toBackup({ app }: World): Promise<Call> {
  const { headers } = await app.admin();
  const made = await app.fetch("/system/backups", { method: "POST", headers });
  const { name } = (await made.json()) as { name: string };
  return { params: [name] };
}

/** Whoever has its link may have it. */
async function toLinkedFile({ app }: World): Promise<Call> {
  const library = await app.app.storage.library();
  const file = await library.put("notes", "a.txt", "kept", { name: "a.txt" });
  const { pathname, search } = new URL(library.linkTo(file, 60), app.url);
  return { params: [pathname.slice("/system/files/".length)], query: search };
}

/** One that is dead. */
async function toJob({ app }: World): Promise<Call> {
  const { db, tables } = app.app.store;
  const id = Bun.randomUUIDv7();
  await db.insert(tables.jobs).values({ id, name: "notes:work", state: "dead", payload: "null" });
  return { params: [id] };
}

/** A mail that waits, and that no job is there for. */
async function toMail({ app }: World): Promise<Call> {
  const { db, tables } = app.app.store;
  const id = Bun.randomUUIDv7();
  const about = {
    plugin: "core",
    template: "test",
    language: "en",
    recipient: "ada@example.com",
    subject: "Hello",
  };
  await db.insert(tables.mails).values({ ...about, id, state: "waiting", content: "" });
  return { params: [id] };
}

function toNewJob({ app: { app } }: World): Call {
  const owner = { plugin: "notes", db: app.store.db, log: app.loggers.app, hold() {} };
  app.jobs.register(toDefinition(owner, "work", () => {}));
  return { body: { name: "notes:work", payload: { n: 1 } } };
}

/** Makes a task, once the database knows it. */
async function toTask({ app }: World): Promise<Call> {
  const { tasks, loggers } = app.app;
  const id = "notes:tidy";
  if (!tasks.isHere(id)) {
    await tasks.prepare();
    tasks.register({
      name: id,
      plugin: "notes",
      schedule: tasks.schedule("0 0 1 1 *", null),
      mayOverlap: true,
      catchesUp: false,
      handler() {},
      log: loggers.app,
      hold() {},
    });
  }
  const { ended } = await tasks.run(id); // which enters it
  await ended;
  return { params: [id] };
}

async function toOther({ app }: World): Promise<Call> {
  return { params: [(await app.createUser(uniqueEmail())).id] };
}

async function toRole({ app }: World): Promise<Call> {
  const { db, tables } = app.app.store;
  const [role] = await db.insert(tables.roles).values({ name: uniqueName() }).returning();
  return { params: [role?.id ?? 0] };
}

async function toOtherAndRole(world: World): Promise<Call> {
  const { db, tables } = world.app.app.store;
  const [[user_id], [role_id]] = [(await toOther(world)).params ?? [], (await toRole(world)).params ?? []];
  const held = { user_id: Number(user_id), role_id: Number(role_id) };
  await db.insert(tables.userRoles).values(held);
  return { params: [held.user_id, held.role_id] };
}

async function toNewKey(world: World, user = world.user): Promise<Call> {
  await setPassword(world, user.id);
  return { body: { name: "Reports", permissions: [], current_password: PASSWORD } };
}

/** Makes an API key of who asks; returns the key itself. */
async function makeKey(world: World, permissions: readonly string[]): Promise<string> {
  const { body } = await toNewKey(world);
  const init = {
    method: "POST",
    body: JSON.stringify({ ...body, permissions }),
    headers: jsonOf(world.user),
  };
  return ((await (await world.app.fetch("/auth/api_keys", init)).json()) as { key: string }).key;
}

/** Makes an API key of somebody; returns its id. */
async function addKey(world: World, user: TestUser): Promise<number> {
  const { body } = await toNewKey(world, user);
  const init = { method: "POST", body: JSON.stringify(body), headers: jsonOf(user) };
  const made = await world.app.fetch("/auth/api_keys", init);
  return ((await made.json()) as { id: number }).id;
}

/** Enrols and confirms a device of somebody, from their session where they are the one who asks. */
async function addDevice({ app, user }: World, userId: number) {
  const { devices } = app.app.accounts;
  const change = userId === user.id ? { sessionId: user.sessionId } : {};
  const { id, secret } = await devices.create(userId, "My phone");
  const { recovery_codes } = await devices.confirm(userId, id, generateOtpCode(secret, Date.now()), change);
  return { id, secret, codes: recovery_codes ?? [] };
}

async function setPassword({ app }: World, userId: number): Promise<void> {
  const { db, tables } = app.app.store;
  const password_hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
  await db.update(tables.users).set({ password_hash }).where(eq(tables.users.id, userId));
}

function toNoProvider(): Call {
  return { params: ["nobody"] };
}

async function toLogin(world: World): Promise<Call> {
  await setPassword(world, world.user.id);
  return { body: { email: world.user.email, password: PASSWORD } };
}

async function toPasswordChange(world: World): Promise<Call> {
  await setPassword(world, world.user.id);
  return { body: { current_password: PASSWORD, new_password: `${PASSWORD} staple` } };
}

async function logIn(world: World): Promise<Record<string, string>> {
  const { body } = await toLogin(world);
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", headers, body: JSON.stringify(body) };
  return (await (await world.app.fetch("/auth/login", init)).json()) as Record<string, string>;
}

async function toRefresh(world: World): Promise<Call> {
  const { refresh_token } = await logIn(world);
  return { body: { refresh_token } };
}

function toAnswer() {
  return { body: { name: "Mine", credential: strangeAnswer() } };
}

async function toSecondStep(world: World): Promise<Call> {
  const { codes } = await addDevice(world, world.user.id);
  const { otp_token } = await logIn(world);
  return { body: { otp_token, code: codes[0] } };
}
