import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import type { SessionsTable, Users } from "./core-tables.ts";
import { once } from "./on-demand.ts";
import type { TableFunction } from "./tables.ts";

type Schema = Columns & Constraints & { readonly table: TableFunction };

/** Declares the tables of what accounts have beside a password. */
export function createFactorTables(schema: Schema, users: Users, sessions: SessionsTable) {
  return {
    ...createSecondFactors(schema, users),
    ...createPasskeys(schema, users),
    ...createIdentityTables(schema, users, sessions),
  };
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

/** Declares the tables of what providers know accounts by. */
function createIdentityTables(
  { id, index, json, references, table, text, timestamp, uuid, varchar }: Schema,
  users: Users,
  sessions: SessionsTable,
) {
  const identities = once(() =>
    table(
      "identities",
      {
        id: id(),
        user_id: references(() => users().id, { onDelete: "cascade" }).notNull(),
        /** What config.json calls the provider that it was last used with. */
        provider: varchar(32).notNull(),
        issuer: varchar(255).notNull(),
        subject: varchar(255).notNull(),
        /** SHA-256 of both: no database folds its letters. */
        subject_hash: varchar(64).notNull().unique(),
        /** As the provider has last said it; null where it says none. */
        email: varchar(255),
        /** Names of the roles that the account holds by its rules. */
        roles: json<string[]>().notNull(),
        last_used_at: timestamp(),
        created_at: timestamp().notNull().defaultNow(),
      },
      (t) => [index("identities_user").on(t.user_id)],
    ),
  );

  /** Sessions that a provider's word has begun. */
  const identitySessions = () =>
    table(
      "identity_sessions",
      {
        session_id: uuid()
          .primaryKey()
          .references(() => sessions().id, { onDelete: "cascade" }),
        identity_id: references(() => identities().id, { onDelete: "cascade" }).notNull(),
        /** SHA-256 of what the provider calls its own session; null where it doesn't. */
        sid_hash: varchar(64),
        /** Encrypted: what the provider is told by whose session is to end. Null where it takes none. */
        id_token: text(),
      },
      (t) => [
        index("identity_sessions_identity").on(t.identity_id),
        index("identity_sessions_sid").on(t.sid_hash),
      ],
    );

  /** What providers have said and somebody has yet to go on with; and what was answered, so that none of it is again. */
  const identityStates = () =>
    table(
      "identity_states",
      {
        /** SHA-256. */
        id: varchar(64).primaryKey(),
        /** Encrypted; null for what was answered. */
        data: text(),
        expires_at: timestamp().notNull(),
      },
      (t) => [index("identity_states_expiry").on(t.expires_at)],
    );

  return { identities, identitySessions, identityStates };
}
