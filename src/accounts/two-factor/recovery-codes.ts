import { and, eq, isNull } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { hashToken, randomText } from "../keys/opaque-tokens.ts";

type RecoveryTables = Pick<CoreTables, "recoveryCodes">;

const COUNT = 10;
/** 120 bits: out of reach for who has the hashes, and so nothing slower than SHA-256 is needed. */
const LENGTH = 24;
/** Those that were given earlier have 16. */
const CODE = /^(?:[0-9a-hjkmnp-tv-z]{16}|[0-9a-hjkmnp-tv-z]{24})$/;

/**
 * Gives somebody new recovery codes, "xxxx-xxxx-xxxx-xxxx-xxxx-xxxx", and voids those they had. This is the one time
 * that they are readable.
 */
export async function renewRecoveryCodes(
  tx: Transaction,
  { recoveryCodes }: RecoveryTables,
  userId: number,
): Promise<string[]> {
  const codes = Array.from({ length: COUNT }, () => randomText(LENGTH));
  await tx.delete(recoveryCodes).where(eq(recoveryCodes.user_id, userId));
  await tx
    .insert(recoveryCodes)
    .values(codes.map((code) => ({ user_id: userId, code_hash: hashToken(code) })));
  return codes.map((code) => code.replaceAll(/.{4}(?=.)/g, "$&-"));
}

/** Uses up a recovery code. Of several at once with one code, one succeeds. */
export async function useRecoveryCode(
  tx: Transaction,
  { recoveryCodes }: RecoveryTables,
  { userId, code, nowMs }: { userId: number; code: string; nowMs: number },
): Promise<boolean> {
  const { rowsAffected } = await tx
    .update(recoveryCodes)
    .set({ used_at: new Date(nowMs) })
    .where(
      and(
        eq(recoveryCodes.user_id, userId),
        eq(recoveryCodes.code_hash, hashToken(code)),
        isNull(recoveryCodes.used_at),
      ),
    );
  return rowsAffected === 1;
}

/** Returns the recovery code that was typed, however it was spaced; null for anything else. */
export function toRecoveryCode(typed: string): string | null {
  const code = typed.toLowerCase().replaceAll(/[\s-]/g, "").replaceAll("o", "0").replaceAll(/[il]/g, "1");
  return CODE.test(code) ? code : null;
}
