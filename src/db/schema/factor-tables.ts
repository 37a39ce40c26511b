import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import type { Users } from "./core-tables.ts";
import type { TableFunction } from "./tables.ts";

type Schema = Columns & Constraints & { readonly table: TableFunction };

/** Declares the tables of what accounts have beside a password. */
export function createFactorTables(schema: Schema, users: Users) {
  return { ...createSecondFactors(schema, users), ...createPasskeys(schema, users) };
}

function createSecondFactors(schema: Schema, users: Users) {
  const { bigint, id, index, references, table, text, timestamp, varchar } = schema;
  const otpDevices = () =>
    table(
      "otp_devices",
      {
        id: id(),
        user_id: references(() => users().id, { onDelete: "cascade" }).notNull(),
        name: varchar(100).notNull(),
        /** Encrypted. */
        secret: text().notNull(),
        /** Null until a first code has shown that the device works. */
        confirmed_at: timestamp(),
        /** The time step of the last code that was accepted: none up to it is accepted again. */
        last_step: bigint().notNull().default(0),
        created_at: timestamp().notNull().defaultNow(),
      },
      (t) => [index("otp_devices_user").on(t.user_id)],
    );

  const recoveryCodes = () =>
    table(
      "recovery_codes",
      {
        id: id(),
        user_id: references(() => users().id, { onDelete: "cascade" }).notNull(),
        code_hash: varchar(64).notNull(),
        used_at: timestamp(),
      },
      (t) => [index("recovery_codes_user").on(t.user_id)],
    );

  return { otpDevices, recoveryCodes };
}

function createPasskeys(schema: Schema, users: Users) {
  const { bigint, boolean, id, index, json, references, table, text, timestamp, varchar } = schema;
  const passkeys = () =>
    table(
      "passkeys",
      {
        id: id(),
        user_id: references(() => users().id, { onDelete: "cascade" }).notNull(),
        name: varchar(100).notNull(),
        /** SHA-256 of the credential's id, which may be too long for an index. */
        credential_hash: varchar(64).notNull().unique(),
        /** In base64url, as its key. */
        credential_id: text().notNull(),
        /** As COSE has it (RFC 9052). */
        public_key: text().notNull(),
        /** What the authenticator knows the account by: random, and the same for all passkeys of an account. */
        user_handle: varchar(64).notNull(),
        /** Domain that it is good for. */
        rp_id: varchar(255).notNull(),
        /** How often it has signed, as it says itself; 0 for those that don't count. */
        sign_count: bigint().notNull().default(0),
        /** How a browser reaches it: "internal", "usb", "nfc", "ble", "hybrid". */
        transports: json<string[]>().notNull(),
        /** Whether its keeper copies it to other devices of its owner. */
        is_synced: boolean().notNull().default(false),
        last_used_at: timestamp(),
        created_at: timestamp().notNull().defaultNow(),
      },
      (t) => [index("passkeys_user").on(t.user_id)],
    );

  /** Challenges that a passkey has answered: none is answered twice. */
  const passkeyChallenges = () =>
    table(
      "passkey_challenges",
      {
        /** SHA-256 of the challenge. */
        id: varchar(64).primaryKey(),
        expires_at: timestamp().notNull(),
      },
      (t) => [index("passkey_challenges_expiry").on(t.expires_at)],
    );

  return { passkeys, passkeyChallenges };
}
