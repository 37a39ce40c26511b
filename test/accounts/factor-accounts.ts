import { type AnyElysia, Elysia } from "elysia";
import pino from "pino";
import { type CoreStore, openCoreStore } from "../../src/accounts/people/store.ts";
import { createGuards, type Guards } from "../../src/accounts/identity/guards.ts";
import { OtpDevices } from "../../src/accounts/two-factor/devices.ts";
import { generateOtpCode } from "../../src/accounts/two-factor/codes.ts";
import type { Origin, Principal } from "../../src/accounts/identity/principal.ts";
import { fail } from "../../src/accounts/identity/error-codes.ts";
import type { ConfirmOwner } from "../../src/accounts/identity/session-owner.ts";
import { Principals } from "../../src/accounts/identity/principals.ts";
import { SecretBox } from "../../src/accounts/keys/secret-box.ts";
import type { Driver } from "../../src/db/contract/driver.ts";
import { prepareCoreTables } from "../../src/db/migrations/core.ts";
import type { AppError } from "../../src/errors/errors.ts";
import { createPermissions } from "../../src/accounts/rights/permission-set.ts";
import { createErrorAnswer, toElysiaErrorHandler } from "../../src/web/error-answers.ts";
import { readBodies } from "../../src/web/routes.ts";

export const silent = pino({ level: "silent" });
export const ORIGIN: Origin = { ipAddress: "192.0.2.7", userAgent: "tests" };

/** A clock that a test moves. It stands in the middle of a step of one-time codes. */
export class Clock {
  ms = Date.parse("2030-01-01T00:00:15.000Z");
  readonly now = (): number => this.ms;

  /** Moves on, by 30 seconds a step. */
  step(count = 1): void {
    this.ms += count * 30_000;
  }
}

/** The core's tables in an empty database. */
export async function openStore(driver: Driver): Promise<CoreStore> {
  await prepareCoreTables(driver, { migrates: true, log: silent });
  return openCoreStore(driver);
}

/** Adds an account with a session, and returns who is behind it. */
export async function addPrincipal(
  { db, tables }: CoreStore,
  email: string,
  options: { permissions?: string[]; lacksOtp?: boolean } = {},
): Promise<Principal & { sessionId: string }> {
  const [user] = await db.insert(tables.users).values({ email }).returning();
  if (user === undefined) throw new Error("no user");
  if (options.permissions !== undefined) {
    const [role] = await db
      .insert(tables.roles)
      .values({ name: `of_${user.id}` })
      .returning();
    const role_id = role?.id ?? 0;
    const grants = options.permissions.map((permission) => ({ role_id, permission }));
    if (grants.length > 0) await db.insert(tables.rolePermissions).values(grants);
    await db.insert(tables.userRoles).values({ user_id: user.id, role_id });
  }
  const sessionId = await addSession({ db, tables }, user.id);
  return {
    user: { id: user.id, email, full_name: null, roles: [] },
    permissions: createPermissions(options.permissions ?? []),
    lacksOtp: options.lacksOtp ?? false,
    sessionId,
    apiKeyId: null,
    expiresAt: Infinity,
  };
}

export async function addSession({ db, tables }: CoreStore, userId: number): Promise<string> {
  const id = Bun.randomUUIDv7();
  const expires_at = new Date("2031-01-01");
  await db.insert(tables.sessions).values({ id, user_id: userId, refresh_hash: "0".repeat(64), expires_at });
  return id;
}

export async function hasOtp({ db, tables }: CoreStore, sessionId: string): Promise<boolean | undefined> {
  const sessions = await db.select().from(tables.sessions);
  return sessions.find(({ id }) => id === sessionId)?.has_otp;
}

export function createDevices(store: CoreStore, clock: Clock): OtpDevices {
  const box = new SecretBox(new Uint8Array(32).fill(7));
  return new OtpDevices({ store, box, issuer: "Acme: ERP", now: clock.now });
}

/** Enrols and confirms a device. The code of the present step is used up then. */
export async function addDevice(devices: OtpDevices, clock: Clock, userId: number, name = "My phone") {
  const { id, secret } = await devices.create(userId, name);
  const { recovery_codes } = await devices.confirm(userId, id, generateOtpCode(secret, clock.ms));
  return {
    id,
    secret,
    recoveryCodes: recovery_codes ?? [],
    /** The code that it shows now. */
    code: () => generateOtpCode(secret, clock.ms),
  };
}

/** A code that is none of a device's now. */
export function wrongCode(right: string): string {
  return String((Number(right) + 1) % 1_000_000).padStart(6, "0");
}

/** Actions in the audit log, in order, and the text of all of it. */
export async function readAudit({ db, tables }: CoreStore) {
  const entries = await db.select().from(tables.auditLog).orderBy(tables.auditLog.id);
  return { entries, actions: entries.map(({ action }) => action), text: JSON.stringify(entries) };
}

/** For whom access has changed, in order. */
export async function readAccessChanges({ db, tables }: CoreStore): Promise<(number | null)[]> {
  const rows = await db.select().from(tables.accessChanges).orderBy(tables.accessChanges.id);
  return rows.map(({ user_id }) => user_id);
}

/** Asks for the password again where "right" is the right one, and it was given long ago. */
export const confirmOwner: ConfirmOwner = async (_owner, { password }) => {
  if (password === undefined) throw fail("identification_expired", "It was too long ago");
  if (password !== "right") throw fail("invalid_credentials", "The current password is wrong");
};

/** A slice of routes, and requests to it on behalf of somebody. */
export function serve(
  createSlice: (context: { guards: Guards; principals: Principals; originOf: () => Origin }) => AnyElysia,
) {
  const principals = new Principals();
  const guards = createGuards({ principals, authenticate: () => null });
  const slice = createSlice({ guards, principals, originOf: () => ORIGIN });
  const answerError = createErrorAnswer({ log: silent, accessLog: silent, isDebug: () => true });
  const app: AnyElysia = new Elysia().onError(toElysiaErrorHandler(() => app, answerError, null)).use(slice);
  readBodies(app);
  return async (who: Principal | null, method: string, path: string, body?: unknown) => {
    const request = new Request(`http://localhost${path}`, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      }),
    });
    if (who !== null) principals.set(request, who);
    const response = await app.handle(request);
    const text = await response.text();
    // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
    const json: any = text === "" ? null : JSON.parse(text);
    return { status: response.status, headers: response.headers, body: json, text };
  };
}

/** The message of the error that a promise is rejected with. */
export async function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "nothing was thrown",
    (error: Error) => error.message,
  );
}

/** The codes of the errors that promises are rejected with, null for those that aren't. */
export async function codesOf(promises: readonly Promise<unknown>[]): Promise<(string | null)[]> {
  const results = await Promise.allSettled(promises);
  return results.map((result) => (result.status === "rejected" ? (result.reason as AppError).code : null));
}
