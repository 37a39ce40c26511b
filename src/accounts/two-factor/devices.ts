import { and, eq, gt, isNotNull, isNull, lt, lte, or } from "drizzle-orm";
import type { Database, Transaction } from "../../db/contract/database.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import { writeAudit } from "../people/audit.ts";
import { toDisplayName } from "../people/names.ts";
import type { Origin } from "../identity/principal.ts";
import { renewRecoveryCodes, toRecoveryCode, useRecoveryCode } from "./recovery-codes.ts";
import {
  assertSecondFactorGiven,
  beginFactor,
  type ConfirmedOtpDevice,
  endSecondFactor,
  type FactorChange,
  hasSecondFactor,
  noteSecondFactor,
  type OtpDevice,
  type OtpEnrolment,
} from "./enrolment.ts";
import type { SecretBox } from "../keys/secret-box.ts";
import { assertStanding, FRESH_MS } from "../identity/standing.ts";
import { lockUser } from "../people/users.ts";
import { NO_NOTICES, type Notices } from "../notices/notices.ts";

export interface OtpDevicesOptions {
  readonly store: CoreStore;
  /** Keeps the secrets of devices. */
  readonly box: SecretBox;
  /** What authenticator apps show above the account: the name of the app. */
  readonly issuer: string;
  /** @default nobody is told */
  readonly notices?: Notices;
  /** @default Date.now */
  readonly now?: () => number;
}

interface GivenCode {
  readonly account: { readonly id: number; readonly email: string };
  readonly code: string;
  readonly origin: Origin | undefined;
}

const MAX_DEVICES = 10;
const ENROLMENT_MS = 15 * 60_000;

/**
 * Devices that give one-time codes (TOTP, RFC 6238). An enrolled device counts once a first code has confirmed it,
 * within 15 minutes. No code is accepted twice, on whichever instance.
 */
export class OtpDevices {
  readonly #store: CoreStore;
  readonly #box: SecretBox;
  readonly #issuer: string;
  readonly #notices: Notices;
  readonly #now: () => number;

  constructor({ store, box, issuer, notices = NO_NOTICES, now = Date.now }: OtpDevicesOptions) {
    this.#store = store;
    this.#box = box;
    this.#issuer = issuer;
    this.#notices = notices;
    this.#now = now;
  }

  /** Whether an account has two factors: a confirmed device, or a passkey. */
  isEnabled(userId: number, db: Pick<Database, "select"> = this.#store.db): Promise<boolean> {
    return hasSecondFactor(db, this.#store.tables, userId);
  }

  /**
   * Whether the code is of a confirmed device, or a recovery code. It is used up then; the owner is told of one that was before
   * (OWASP ASVS, 2.8.5).
   *
   * @param origin of who logs in. @default nobody is told
   */
  async verify(userId: number, code: string, origin?: Origin): Promise<boolean> {
    const { db, tables } = this.#store;
    const { users } = tables;
    if (toRecoveryCode(code) === null) {
      const tried = await this.#tryOtp(db, userId, code);
      if (tried === "used" && origin !== undefined)
        await db.transaction((tx) => this.#notices.tellOfReuse(tx, userId, origin));
      return tried === "accepted";
    }
    return db.transaction(async (tx) => {
      const query = tx.select({ id: users.id, email: users.email }).from(users);
      const [account] = await query.where(eq(users.id, userId));
      return account !== undefined && this.#acceptRecovery(tx, { account, code, origin });
    });
  }

  /**
   * Enrols a device, which counts once it is confirmed.
   *
   * @throws AppError conflict when there are 10, validation_error for the name, otp_required
   */
  async create(userId: number, name: string, { sessionId }: FactorChange = {}): Promise<OtpEnrolment> {
    const { db, tables } = this.#store;
    const { otpDevices } = tables;
    const { createOtpSecret, toOtpUri, toQrCodeSvg } = await loadCodes();
    const secret = createOtpSecret();
    const row = {
      user_id: userId,
      name: toDisplayName(name),
      secret: await this.#box.seal(secret, toContext(userId)),
      created_at: new Date(this.#now()),
    };
    return db.transaction(async (tx) => {
      const account = await lockUser(tx, tables, userId);
      await this.#assertStanding(tx, userId, sessionId);
      if (sessionId !== undefined) await assertSecondFactorGiven(tx, tables, { userId, sessionId });
      const mine = eq(otpDevices.user_id, userId);
      const expired = lte(otpDevices.created_at, this.#enrolledBefore());
      await tx.delete(otpDevices).where(and(mine, isNull(otpDevices.confirmed_at), expired));
      if ((await tx.$count(otpDevices, mine)) >= MAX_DEVICES) {
        throw fail("conflict", `Cannot add a device: there are ${MAX_DEVICES} already`);
      }
      const [device] = await tx.insert(otpDevices).values(row).returning({ id: otpDevices.id });
      if (device === undefined) throw new Error("Cannot add a device: the database returned no row");
      const { name: shown, created_at } = row;
      const uri = toOtpUri({ secret, issuer: this.#issuer, account: account.email });
      return {
        id: device.id,
        name: shown,
        confirmed_at: null,
        created_at,
        secret,
        qrCodeUri: () => uri,
        qrCodeSvg: () => toQrCodeSvg(uri),
      };
    });
  }

  /**
   * Confirms a device with a first code of it. With the first device the account has two factors, and so has the
   * session that asked; all others, which gave one, end.
   *
   * @throws AppError not_found, conflict when it is confirmed already, invalid_credentials, otp_required
   */
  async confirm(
    userId: number,
    deviceId: number,
    code: string,
    { sessionId, origin }: FactorChange = {},
  ): Promise<ConfirmedOtpDevice> {
    const { db, tables } = this.#store;
    const { otpDevices } = tables;
    const { findOtpStep, toOtpCode } = await loadCodes();
    return db.transaction(async (tx) => {
      const actor = await lockUser(tx, tables, userId);
      await this.#assertStanding(tx, userId, sessionId);
      const { secret, last_step, ...device } = await this.#find(tx, userId, deviceId);
      if (device.confirmed_at !== null) {
        throw fail("conflict", `Cannot confirm device "${deviceId}": it is confirmed already`);
      }
      const isFirst = !(await hasSecondFactor(tx, tables, userId));
      if (sessionId !== undefined) await assertSecondFactorGiven(tx, tables, { userId, sessionId });
      const opened = await this.#box.open(secret, toContext(userId));
      const step = findOtpStep(opened, toOtpCode(code) ?? "", { nowMs: this.#now(), after: last_step });
      if (typeof step !== "number") throw wrongCode();

      const confirmed_at = new Date(this.#now());
      await tx.update(otpDevices).set({ confirmed_at, last_step: step }).where(eq(otpDevices.id, deviceId));
      const begun = { userId, ...(sessionId !== undefined && { sessionId }), at: confirmed_at, isFirst };
      const recovery_codes = await beginFactor(tx, tables, begun);
      const target = { type: "otp_device", id: deviceId };
      const after = { name: device.name };
      await writeAudit(tx, tables, { action: "otp.enrolled", actor, target, ...withOrigin(origin), after });
      await this.#notices.tell(tx, { kind: "factor_added", userId, sessionId, origin, name: device.name });
      return { ...device, confirmed_at, recovery_codes };
    });
  }

  /**
   * Takes a code from somebody who has logged in: their session has given two factors now. With a recovery code too.
   *
   * @throws AppError conflict without a confirmed device, invalid_credentials
   */
  async stepUp(
    userId: number,
    code: string,
    { sessionId, origin }: Required<FactorChange>,
  ): Promise<{ readonly freshUntil: Date }> {
    const { db, tables } = this.#store;
    return db.transaction(async (tx) => {
      const account = await lockUser(tx, tables, userId);
      await this.#assertStanding(tx, userId, sessionId);
      if (!(await hasSecondFactor(tx, tables, userId))) {
        throw fail("conflict", "Cannot take a code: no device is confirmed");
      }
      if (!(await this.#accept(tx, { account, code, origin }))) throw wrongCode();
      const at = new Date(this.#now());
      await noteSecondFactor(tx, tables, { userId, sessionId, at });
      await noteAccessChange(tx, tables, userId);
      const target = { type: "session", id: sessionId };
      await writeAudit(tx, tables, { action: "otp.verified", actor: account, target, ...withOrigin(origin) });
      return { freshUntil: new Date(at.getTime() + FRESH_MS) };
    });
  }

  /**
   * Removes a device. A confirmed one takes a code of it or another, or a recovery code: neither a stolen session
   * nor a password turns two factors off. With the last one the recovery codes go too.
   *
   * @throws AppError not_found, invalid_credentials
   */
  async remove(
    userId: number,
    deviceId: number,
    { code = "", sessionId, origin }: FactorChange & { readonly code?: string | undefined } = {},
  ): Promise<void> {
    const { db, tables } = this.#store;
    await db.transaction(async (tx) => {
      const account = await lockUser(tx, tables, userId);
      await this.#assertStanding(tx, userId, sessionId);
      const { name, confirmed_at } = await this.#find(tx, userId, deviceId);
      const isCounted = confirmed_at !== null;
      if (isCounted && !(await this.#accept(tx, { account, code, origin }))) throw wrongCode();
      await tx.delete(tables.otpDevices).where(eq(tables.otpDevices.id, deviceId));
      if (!isCounted) return;
      if (await hasSecondFactor(tx, tables, userId)) await noteAccessChange(tx, tables, userId);
      else await endSecondFactor(tx, tables, userId);
      const target = { type: "otp_device", id: deviceId };
      const entry = { action: "otp.removed", actor: account, target, before: { name } };
      await writeAudit(tx, tables, { ...entry, ...withOrigin(origin) });
      await this.#notices.tell(tx, { kind: "factor_removed", userId, sessionId, origin, name });
    });
  }

  /**
   * Makes new recovery codes and voids the old ones, for a code of a device: a recovery code found by somebody must
   * not give them ten more.
   *
   * @throws AppError conflict without a confirmed device, invalid_credentials
   */
  async renewRecoveryCodes(
    userId: number,
    code: string,
    { sessionId, origin }: FactorChange = {},
  ): Promise<string[]> {
    const { db, tables } = this.#store;
    return db.transaction(async (tx) => {
      const actor = await lockUser(tx, tables, userId);
      await this.#assertStanding(tx, userId, sessionId);
      if (!(await hasSecondFactor(tx, tables, userId))) {
        throw fail("conflict", "Cannot make recovery codes: no device is confirmed");
      }
      if (!(await this.#acceptOtp(tx, userId, code))) throw wrongCode();
      const codes = await renewRecoveryCodes(tx, tables, userId);
      const target = { type: "user", id: userId };
      await writeAudit(tx, tables, { action: "otp.recovery_renewed", actor, target, ...withOrigin(origin) });
      await this.#notices.tell(tx, { kind: "recovery_codes_made", userId, sessionId, origin });
      return codes;
    });
  }

  /** Lists the devices of an account, without those that weren't confirmed in time. */
  list(userId: number, page: PageQuery): Promise<Page<OtpDevice>> {
    const { db, tables } = this.#store;
    const { id, name, confirmed_at, created_at, user_id } = tables.otpDevices;
    const isAlive = or(isNotNull(confirmed_at), gt(created_at, this.#enrolledBefore()));
    const devices = db.select({ id, name, confirmed_at, created_at }).from(tables.otpDevices);
    return paginate(devices.where(and(eq(user_id, userId), isAlive)), page);
  }

  /** A session that has ended since it was let in changes nothing more. */
  async #assertStanding(tx: Transaction, userId: number, sessionId: string | undefined): Promise<void> {
    if (sessionId !== undefined)
      await assertStanding(tx, this.#store.tables, { userId, sessionId }, this.#now());
  }

  async #find(tx: Transaction, userId: number, deviceId: number) {
    const { otpDevices } = this.#store.tables;
    const { id, name, secret, last_step, confirmed_at, created_at } = otpDevices;
    const [device] = await tx
      .select({ id, name, secret, last_step, confirmed_at, created_at })
      .from(otpDevices)
      .where(and(eq(id, deviceId), eq(otpDevices.user_id, userId)));
    const isKept = device?.confirmed_at !== null || device.created_at > this.#enrolledBefore();
    if (device !== undefined && isKept) return device;
    throw fail("not_found", `Cannot find device "${deviceId}": there is none, or not any more`);
  }

  async #accept(tx: Transaction, given: GivenCode): Promise<boolean> {
    const isOtp = toRecoveryCode(given.code) === null;
    return isOtp ? this.#acceptOtp(tx, given.account.id, given.code) : this.#acceptRecovery(tx, given);
  }

  async #acceptRecovery(tx: Transaction, { account, code, origin }: GivenCode): Promise<boolean> {
    const { tables } = this.#store;
    const used = { userId: account.id, code: toRecoveryCode(code) ?? "", nowMs: this.#now() };
    if (!(await useRecoveryCode(tx, tables, used))) return false;
    const entry = { action: "otp.recovery_used", actor: account, target: { type: "user", id: account.id } };
    await writeAudit(tx, tables, { ...entry, ...withOrigin(origin) });
    return true;
  }

  async #acceptOtp(db: Database, userId: number, typed: string): Promise<boolean> {
    return (await this.#tryOtp(db, userId, typed)) === "accepted";
  }

  async #tryOtp(db: Database, userId: number, typed: string): Promise<"accepted" | "used" | "wrong"> {
    const { findOtpStep, toOtpCode } = await loadCodes();
    const code = toOtpCode(typed);
    if (code === null) return "wrong";
    const { otpDevices } = this.#store.tables;
    const { id, secret, last_step } = otpDevices;
    const devices = await db
      .select({ id, secret, last_step })
      .from(otpDevices)
      .where(and(eq(otpDevices.user_id, userId), isNotNull(otpDevices.confirmed_at)))
      .orderBy(id);
    const failures: unknown[] = [];
    let isUsed = false;
    for (const device of devices) {
      // oxlint-disable-next-line no-await-in-loop -- a code is used up on one device
      const opened = await this.#box.open(device.secret, toContext(userId)).catch((error: unknown) => {
        failures.push(error);
        return null;
      });
      if (opened === null) continue;
      const step = findOtpStep(opened, code, { nowMs: this.#now(), after: device.last_step });
      // oxlint-disable-next-line no-await-in-loop
      if (typeof step === "number" && (await advance(db, otpDevices, device, step))) return "accepted";
      isUsed ||= step !== null;
    }
    // A code can't be right or wrong when nothing is readable: that isn't the fault of who typed it.
    if (failures.length > 0 && failures.length === devices.length) throw failures[0];
    return isUsed ? "used" : "wrong";
  }

  #enrolledBefore(): Date {
    return new Date(this.#now() - ENROLMENT_MS);
  }
}

/** One-time codes are for those who use them: others don't load what makes them. */
function loadCodes() {
  return import("./codes.ts");
}

/** Uses up a step: of several at once, on any instance, one succeeds. */
async function advance(
  db: Pick<Database, "update">,
  otpDevices: CoreStore["tables"]["otpDevices"],
  device: { readonly id: number; readonly last_step: number },
  step: number,
): Promise<boolean> {
  // The one that was found may be later, left by a clock that was ahead.
  const isUnchanged = or(lt(otpDevices.last_step, step), eq(otpDevices.last_step, device.last_step));
  const isUnused = and(eq(otpDevices.id, device.id), isUnchanged);
  const { rowsAffected } = await db.update(otpDevices).set({ last_step: step }).where(isUnused);
  return rowsAffected === 1;
}

/** A secret opens for its account only. */
function toContext(userId: number): string {
  return `otp of user ${userId}`;
}

function wrongCode(): AppError {
  return fail("invalid_credentials", "The code is wrong, or was used already");
}

function withOrigin(origin: Origin | undefined): { origin?: Origin } {
  return origin === undefined ? {} : { origin };
}
