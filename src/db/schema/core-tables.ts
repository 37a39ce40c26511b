import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import { createAuditLog } from "./audit-table.ts";
import { createResourceComments } from "./comment-table.ts";
import { createFactorTables } from "./factor-tables.ts";
import { createImportTables } from "./import-tables.ts";
import { createStoredFiles } from "./file-table.ts";
import { createInvitations } from "./invitation-table.ts";
import { createJobTables } from "./job-tables.ts";
import { createAccountLinks } from "./link-table.ts";
import { createMails } from "./mail-table.ts";
import { createSavedViewTables } from "./saved-view-tables.ts";
import { createTaskTables } from "./task-tables.ts";
import { onDemand, once } from "./on-demand.ts";
import type { TableFunction } from "./tables.ts";

export { JOB_STATES, type JobState } from "./job-tables.ts";
export { LINK_PURPOSES, type LinkPurpose } from "./link-table.ts";
export { MAIL_STATES, type MailState } from "./mail-table.ts";

type Schema = Columns & Constraints & { readonly table: TableFunction };
/** Gives the table of accounts. */
export type Users = () => ReturnType<typeof createUsers>;
/** Gives the table of sessions. */
export type SessionsTable = ReturnType<typeof createSessions>["sessions"];

/** The tables of xcore itself. Plugins may refer to `users`. */
export type CoreTables = ReturnType<typeof createCoreTables>;

/** Declares the core tables with the builder that plugins use too: each when it is first asked for, as a start needs few. */
export function createCoreTables(schema: Schema) {
  const users = once(() => createUsers(schema));
  const sessionTables = createSessions(schema, users);
  return onDemand({
    users,
    ...createRights(schema, users),
    ...sessionTables,
    loginFailures: () => createLoginFailures(schema),
    ...createFactorTables(schema, users, sessionTables.sessions),
    accountLinks: () => createAccountLinks(schema, users),
    invitations: () => createInvitations(schema, users),
    apiKeys: () => createApiKeys(schema, users),
    auditLog: () => createAuditLog(schema),
    accessChanges: () => createAccessChanges(schema),
    idempotencyKeys: () => createIdempotencyKeys(schema),
    ...createJobTables(schema),
    ...createTaskTables(schema),
    mails: () => createMails(schema),
    pluginStates: () => createPluginStates(schema),
    resourceHistory: () => createResourceHistory(schema),
    resourceComments: () => createResourceComments(schema),
    numberSeries: () => createNumberSeries(schema),
    ...createImportTables(schema),
    storedFiles: () => createStoredFiles(schema),
    ...createSavedViewTables(schema, users),
  });
}

/** What the database calls a table of CoreTables. */
export function toTableName(key: keyof CoreTables): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function createUsers(schema: Schema) {
  const { boolean, id, index, table, text, timestamp, varchar } = schema;
  return table(
    "users",
    {
      id: id(),
      /** Normalized: see `normalizeEmail` in src/accounts/people. */
      email: varchar(255).notNull().unique(),
      full_name: varchar(255),
      /** What a search by name compares with: see `toNameKey` in src/accounts/people. */
      name_key: varchar(255),
      /** Null for an account that can't log in with a password. */
      password_hash: varchar(255),
      /** Whether the password is as long as an administrator's has to be; null where that isn't known. */
      has_long_password: boolean(),
      is_active: boolean().notNull().default(true),
      /** When somebody has shown that mail to this address reaches them; null for never. */
      email_verified_at: timestamp(),
      /** Whether its owner has to show that first, before they can log in: they have registered while that was asked for. */
      must_verify_email: boolean().notNull().default(false),
      /** Since when its owner has to get it back by mail, as somebody else was in; null for an account that is as it should be. */
      locked_at: timestamp(),
      /** When it is deleted, as its owner wants; null for an account that stays. */
      deletion_at: timestamp(),
      /** Language and theme of pages that its owner has chosen; null for none. */
      language: text(),
      theme: text(),
      last_login_at: timestamp(),
      ...toTimes(schema),
    },
    (t) => [index("users_name_key").on(t.name_key), index("users_deletion_at").on(t.deletion_at)],
  );
}

function createRights(schema: Schema, users: Users) {
  const { boolean, id, index, primaryKey, references, table, varchar } = schema;
  const roles = once(() =>
    table("roles", {
      id: id(),
      name: varchar(64).notNull().unique(),
      description: varchar(255).notNull().default(""),
      /** Comes with xcore: can't be renamed or deleted. */
      is_builtin: boolean().notNull().default(false),
      /** Whether accounts with this role must log in with two factors. */
      requires_otp: boolean().notNull().default(false),
      ...toTimes(schema),
    }),
  );

  const rolePermissions = () =>
    table(
      "role_permissions",
      {
        role_id: references(() => roles().id, { onDelete: "cascade" }).notNull(),
        /** "invoices:read", "invoices:*" or "*". */
        permission: varchar(128).notNull(),
      },
      (t) => [primaryKey({ columns: [t.role_id, t.permission] })],
    );

  const userRoles = () =>
    table(
      "user_roles",
      {
        user_id: references(() => users().id, { onDelete: "cascade" }).notNull(),
        role_id: references(() => roles().id, { onDelete: "cascade" }).notNull(),
      },
      (t) => [primaryKey({ columns: [t.user_id, t.role_id] }), index("user_roles_role").on(t.role_id)],
    );

  /** Permissions that exist, for assignment. Those of a plugin stay while it is away. */
  const permissions = () =>
    table("permissions", {
      id: id(),
      name: varchar(128).notNull().unique(),
      description: varchar(255).notNull().default(""),
      /** The plugin that declares it, or "core". */
      owner: varchar(64).notNull(),
    });

  /** Roles that routes of plugins ask for by name: they open more than their permissions tell. */
  const guardRoles = () =>
    table(
      "guard_roles",
      {
        plugin: varchar(64).notNull(),
        role: varchar(64).notNull(),
      },
      (t) => [primaryKey({ columns: [t.plugin, t.role] }), index("guard_roles_role").on(t.role)],
    );

  return { roles, rolePermissions, userRoles, permissions, guardRoles };
}

function createSessions(schema: Schema, users: Users) {
  const { boolean, index, references, table, timestamp, uuid, varchar } = schema;
  const sessions = once(() =>
    table(
      "sessions",
      {
        id: uuid().primaryKey(),
        user_id: references(() => users().id, { onDelete: "cascade" }).notNull(),
        /** SHA-256 of the refresh token that is valid now. */
        refresh_hash: varchar(64).notNull(),
        /** SHA-256 of the refresh token before it, and when that one was exchanged. */
        previous_hash: varchar(64),
        rotated_at: timestamp(),
        /** Whether a second factor was given. */
        has_otp: boolean().notNull().default(false),
        /** When a code was last given. */
        otp_at: timestamp(),
        /** When the password was last given again; null where that was at the login. */
        identified_at: timestamp(),
        /** When the cookie that is valid now was issued; null for a session that tokens are held of. */
        cookie_at: timestamp(),
        /** The session of an administrator who views as this user with it; null for the user's own. It counts while that one does. */
        viewer_session_id: uuid(),
        ip_address: varchar(64).notNull().default(""),
        user_agent: varchar(255).notNull().default(""),
        created_at: timestamp().notNull().defaultNow(),
        last_used_at: timestamp().notNull().defaultNow(),
        expires_at: timestamp().notNull(),
        /** When it ends however much it is used, as a provider has to be asked anew; null for as any other. */
        ends_at: timestamp(),
        revoked_at: timestamp(),
      },
      (t) => [
        index("sessions_user").on(t.user_id),
        index("sessions_expiry").on(t.expires_at),
        index("sessions_viewer").on(t.viewer_session_id),
      ],
    ),
  );

  /** What opens one WebSocket or stream for a session, within seconds. */
  const sessionTickets = () =>
    table(
      "session_tickets",
      {
        /** SHA-256 of the ticket. */
        id: varchar(64).primaryKey(),
        session_id: uuid()
          .references(() => sessions().id, { onDelete: "cascade" })
          .notNull(),
        expires_at: timestamp().notNull(),
      },
      (t) => [
        index("session_tickets_session").on(t.session_id),
        index("session_tickets_expiry").on(t.expires_at),
      ],
    );

  return { sessions, sessionTickets };
}

/** Wrong passwords and codes, by the name that somebody tries to log in as and by where they try it from. */
function createLoginFailures(schema: Schema) {
  const { index, integer, primaryKey, table, timestamp, varchar } = schema;
  return table(
    "login_failures",
    {
      /** SHA-256 of what is tried and of the name, which may have no account. */
      name_hash: varchar(64).notNull(),
      /** "" for those from everywhere. */
      address: varchar(64).notNull(),
      /** As of `counted_at`: a few are forgotten each hour. */
      failed: integer().notNull().default(0),
      counted_at: timestamp().notNull().defaultNow(),
      locked_until: timestamp(),
    },
    (t) => [
      primaryKey({ columns: [t.name_hash, t.address] }),
      index("login_failures_counted_at").on(t.counted_at),
    ],
  );
}

function createApiKeys(schema: Schema, users: Users) {
  const { id, index, json, references, table, timestamp, varchar } = schema;
  return table(
    "api_keys",
    {
      id: id(),
      user_id: references(() => users().id, { onDelete: "cascade" }).notNull(),
      name: varchar(100).notNull(),
      /** The part that is shown and looked up by. */
      prefix: varchar(16).notNull().unique(),
      key_hash: varchar(64).notNull(),
      permissions: json<string[]>().notNull(),
      expires_at: timestamp(),
      last_used_at: timestamp(),
      revoked_at: timestamp(),
      created_at: timestamp().notNull().defaultNow(),
    },
    (t) => [index("api_keys_user").on(t.user_id)],
  );
}

/** What changed about who may do what, for the caches of every instance. */
function createAccessChanges(schema: Schema) {
  const { bigint, id, index, table, timestamp } = schema;
  return table(
    "access_changes",
    {
      id: id(),
      /** Null when it concerns everybody. */
      user_id: bigint(),
      at: timestamp().notNull().defaultNow(),
    },
    (t) => [index("access_changes_at").on(t.at)],
  );
}

/** Requests that can be sent again: what they were, and what they were answered. */
function createIdempotencyKeys(schema: Schema) {
  const { index, table, text, timestamp, varchar } = schema;
  return table(
    "idempotency_keys",
    {
      /** SHA-256 of who asked and of the key. */
      id: varchar(64).primaryKey(),
      /** SHA-256 of the request. */
      fingerprint: varchar(64).notNull(),
      /** Encrypted; null until the transaction of the request commits. */
      answer: text(),
      expires_at: timestamp().notNull(),
    },
    (t) => [index("idempotency_keys_expiry").on(t.expires_at)],
  );
}

/** What was done to rows of plugins' tables whose resources keep a history. */
function createResourceHistory({ bigint, enumOf, id, index, table, text, timestamp, varchar }: Schema) {
  return table(
    "resource_history",
    {
      id: id(),
      table_name: varchar(64).notNull(),
      /** The row's primary key as text: see `toRowKey` in src/resources/history. */
      row_key: varchar(255).notNull(),
      verb: enumOf(["create", "update", "delete", "restore", "revert"]).notNull(),
      /** Null for nobody known. No foreign key: entries outlive accounts. */
      actor_id: bigint(),
      /** The administrator who has done it while viewing as the actor; null for the actor alone. */
      viewer_id: bigint(),
      at: timestamp().notNull().defaultNow(),
      /** JSON: by column, what it was and what it became. Not `json()`, whose values may be less deep. */
      changes: text().notNull(),
    },
    (t) => [
      index("resource_history_row").on(t.table_name, t.row_key, t.id),
      index("resource_history_age").on(t.table_name, t.at),
    ],
  );
}

/** The last number of each series that rows of plugins' tables are numbered by. */
function createNumberSeries({ bigint, table, varchar }: Schema) {
  return table("number_series", {
    /** Table, column and pattern: see `seriesOf` in src/resources/definition. */
    name: varchar(255).primaryKey(),
    last: bigint().notNull(),
  });
}

/** What plugins see of the accounts. */
export type PublicUsers = ReturnType<typeof createPublicUsers>;

/** Declares the table of accounts without what is nobody's business: a plugin may answer with whole rows. */
export function createPublicUsers(schema: Pick<Schema, keyof Columns | "table">) {
  const { boolean, id, table, varchar } = schema;
  return table("users", {
    id: id(),
    email: varchar(255).notNull().unique(),
    full_name: varchar(255),
    is_active: boolean().notNull().default(true),
    ...toTimes(schema),
  });
}

function toTimes({ timestamp }: Columns) {
  return {
    created_at: timestamp().notNull().defaultNow(),
    updated_at: timestamp()
      .notNull()
      .defaultNow()
      .$onUpdate(() => new Date()),
  };
}

/** What was asked of plugins on all instances: it counts over the files of each. */
function createPluginStates({ boolean, json, table, timestamp, varchar }: Schema) {
  return table("plugin_states", {
    /** Of the plugin. */
    name: varchar(64).primaryKey(),
    /** Whether it is in service; null for what its files say. */
    is_active: boolean(),
    /** Keys over those of `plugins.settings`, as they were typed: references to variables aren't replaced. */
    settings: json(),
    changed_at: timestamp().notNull().defaultNow(),
  });
}
