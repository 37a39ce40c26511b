import { createHmac } from "node:crypto";
import { and, desc, eq } from "drizzle-orm";
import type { Database } from "../../db/contract/database.ts";
import { toAddressKey } from "../../web/clients/site.ts";
import type { Origin } from "../identity/principal.ts";
import { isSameText } from "../keys/opaque-tokens.ts";
import type { SecretKey } from "../keys/secret.ts";
import type { CoreStore } from "../people/store.ts";
import type { Account } from "../people/users.ts";

/** Accounts that one browser is remembered by. */
const MAX_ACCOUNTS = 5;
/** Logins that are looked through for the address of another. */
const MAX_LOGINS = 200;
const MARKS = /^[\w-]{22}(?:\.[\w-]{22}){0,4}$/;

type Owner = Pick<Account, "id" | "password_hash">;

/**
 * Whether an account was logged in to from a device before: its browser shows a mark of that, or the same program was used at
 * the same address, as far as the audit log remembers. Nothing more is kept of anybody for it.
 */
export async function isKnownDevice(
  { store, secretKey }: { readonly store: CoreStore; readonly secretKey: SecretKey },
  db: Pick<Database, "select">,
  account: Owner,
  { ipAddress, userAgent, devices = "" }: Origin,
): Promise<boolean> {
  const mark = toMark(secretKey, account);
  if (readMarks(devices).some((known) => isSameText(known, mark))) return true;
  const { auditLog } = store.tables;
  const { action, actor_id, at, ip_address, user_agent } = auditLog;
  const isLogin = and(eq(actor_id, account.id), eq(action, "user.login"), eq(user_agent, userAgent));
  const logins = await db
    .select({ from: ip_address })
    .from(auditLog)
    .where(isLogin)
    .orderBy(desc(at))
    .limit(MAX_LOGINS);
  const address = toAddressKey(ipAddress);
  return logins.some(({ from }) => toAddressKey(from) === address);
}

/**
 * Returns the marks of a browser with that of an account: it tells nobody which one that is, and counts until the account gets
 * another password.
 */
export function addMark(secretKey: SecretKey, marks: string, account: Owner): string {
  const mark = toMark(secretKey, account);
  const others = readMarks(marks).filter((other) => other !== mark);
  return [mark, ...others].slice(0, MAX_ACCOUNTS).join(".");
}

function readMarks(text: string): string[] {
  return MARKS.test(text) ? text.split(".") : [];
}

function toMark(secretKey: SecretKey, { id, password_hash }: Owner): string {
  const text = `${id} ${password_hash ?? ""}`;
  return createHmac("sha256", secretKey.deriveKey("known devices"))
    .update(text)
    .digest("base64url")
    .slice(0, 22);
}
