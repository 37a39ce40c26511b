import type { StaticDecode, TSchema } from "@sinclair/typebox";
import type { Logger } from "pino";
import type { Cache, Cached } from "../cache/api.ts";
import type { Database, SchemaTables } from "../db/contract/database.ts";
import type { page as hostPage, paginate as hostPaginate } from "../db/paging/paginate.ts";
import type { AppError as HostAppError } from "../errors/errors.ts";
import type { HookBus } from "../hooks/bus.ts";
import type { User } from "../accounts/identity/principal.ts";
import type {
  bodyOf as hostBodyOf,
  pageOf as hostPageOf,
  patchOf as hostPatchOf,
  rowOf as hostRowOf,
} from "../resources/schemas/tables.ts";
import type { MakeResource } from "./resources.ts";
import type { PluginCli } from "./commands.ts";
import type { PluginDashboard } from "./dashboard.ts";
import type { PluginJobs } from "./jobs.ts";
import type { PluginMail } from "./mail.ts";
import type { createPluginRouter } from "./router.ts";
import type { PluginTemplates } from "./templates.ts";
import type { PluginStorage } from "./storage.ts";
import type { UserDirectory } from "../accounts/user-directory.ts";

export type { User } from "../accounts/identity/principal.ts";
export type {
  Cache,
  CachedFunction,
  CachedOptions,
  GetOrSetOptions,
  KeepOptions,
  LoadOptions,
  LockOptions,
} from "../cache/api.ts";
export type { KnownUser } from "../accounts/user-directory.ts";
export type { AppErrorOptions, InputProblem } from "../errors/errors.ts";
export type { CommandInput, CommandOptions, PluginCli } from "./commands.ts";
export * from "./jobs.ts";
export type * from "./mail.ts";
export type * from "./resources.ts";
export type * from "./templates.ts";
export type * from "./dashboard.ts";
export type * from "./storage.ts";
export * from "../hooks/events.ts";

/** The hook bus as a plugin uses it: what it listens to is undone with the plugin. */
export type PluginHooks = Pick<HookBus, "on" | "emit">;

/**
 * The schemas of settings that `config` is typed with, by any name. `xcore types` enters what plugins export as
 * `settings`; without it, declare them by interface merging. `config` is the same for all plugins of a project to
 * TypeScript: it knows the settings of all of them, and nothing of any other key.
 *
 * @example declare module "xcore" { interface PluginSettings { shop: typeof settings } }
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- made for merging
export interface PluginSettings {}

/** Settings that have been checked with a schema: defaults filled in, and read-only. */
export type SettingsOf<Checked> = Checked extends TSchema ? StaticDecode<Checked> : never;

type KnownSettings = SettingsOf<PluginSettings[keyof PluginSettings]>;
type KeysOf<Union> = Union extends unknown ? keyof Union : never;
type ValueOf<Union, Key> = Union extends unknown ? (Key extends keyof Union ? Union[Key] : never) : never;

/**
 * Settings of a plugin: the defaults of what it exports as `settings`, over them `config` of its manifest, and over
 * these `plugins.settings.<name>` of config.json.
 */
export type PluginConfig = Readonly<Record<string, unknown>> & {
  readonly [Key in KeysOf<KnownSettings>]: ValueOf<KnownSettings, Key>;
};

/** An Elysia app that knows xcore's guards. */
export type Router = ReturnType<typeof createPluginRouter>;

/**
 * Creates the router of a plugin: an Elysia app. Its prefix and tags come from the manifest. Options of a route, of
 * `guard()` or of `group()` say who may use it, and give its handler `user`: `{ auth: true }` for everybody who has
 * logged in, `{ permission: "invoices:read" }`, `{ role: "admin" }`. With `{ optionalAuth: true }` everybody may, and
 * `user` is null for nobody known.
 *
 * @example export default createRouter().get("/", ({ user }) => `Hello ${user.email}!`, { auth: true });
 */
export declare const createRouter: () => Router;

/** A device that gives one-time codes, until a first code confirms it. */
export interface OtpEnrolment {
  readonly id: number;
  readonly name: string;
  /** Returns the `otpauth://` URI that authenticator apps read. */
  qrCodeUri(): string;
  /** Returns the URI as a QR code, an SVG element. */
  qrCodeSvg(): string;
}

/** What a plugin asks of whoever makes a request to a route with a guard, or with `{ optionalAuth: true }`. */
export interface PluginAuth {
  /** Returns who makes a request, null for nobody known. @throws TypeError when the request's route doesn't ask */
  currentUser(request: Request): User | null;
  /**
   * Whether somebody holds a permission: who makes the request, the `user` of a handler, or one that `users` has
   * found. False for nobody known, for a disabled account, and while a second factor is missing.
   *
   * @throws TypeError for a request whose route doesn't ask
   */
  hasPermission(subject: Request | User, permission: string): boolean;
  /** Enrols a device for one-time codes, which its owner confirms with a first code. */
  createOtpDevice(userId: number, name: string): Promise<OtpEnrolment>;
}

/** Finds accounts, with their roles and without anything secret. */
export type PluginUsers = UserDirectory;

/** Who makes a request, and what they may do; guards of routes do the same by themselves. */
export declare const auth: PluginAuth;

/** The accounts. */
export declare const users: PluginUsers;

/** Commands for `xcore run`. */
export declare const cli: PluginCli;

/** Listens to and emits events; see docs/hooks.md. */
export declare const hooks: PluginHooks;

/**
 * The tables and relations that `db.query` is typed with: declare your own by interface merging. Without that,
 * `db.query` takes any name, and the values of its rows are `unknown`.
 *
 * @example
 * import type * as schema from "./schema.ts";
 * type Tables = typeof schema;
 * declare module "xcore" { interface Schema extends Tables {} }
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- made for merging
export interface Schema {}

/**
 * The database: drizzle's queries, the same on SQLite, PostgreSQL and MySQL; see docs/database.md. `db.query` knows
 * what schema.ts exports, and what those of the plugin's dependencies do.
 *
 * @throws ConstraintError when a unique or foreign key refuses a write: 409 `conflict`, or 422 `validation_error` on the
 * column that names a missing row
 */
export declare const db: Database<keyof Schema extends never ? SchemaTables : Pick<Schema, keyof Schema>>;

/** The dashboard of the administration; see docs/administration.md. */
export declare const dashboard: PluginDashboard;

/** Pages from templates; see docs/templates.md. */
export declare const templates: PluginTemplates;

/** Background jobs; see docs/jobs.md. */
export declare const jobs: PluginJobs<Parameters<Parameters<(typeof db)["transaction"]>[0]>[0]>;

/** Mail; see docs/mail.md. */
export declare const mail: PluginMail<Parameters<Parameters<(typeof db)["transaction"]>[0]>[0]>;

/** This plugin's cache; see docs/cache.md. */
export declare const cache: Cache;

/**
 * Makes a function remember its results, by its arguments: it runs once for all who call it meanwhile. Define it at the top
 * level.
 *
 * @example const openDeals = cached(() => db.$count(deals, eq(deals.stage, "open")), { ttl: 300, tables: [deals] });
 */
export declare const cached: Cached;

/** Files that this plugin keeps; see docs/files.md. */
export declare const storage: PluginStorage;

/** The query parameters of a list: `?page=1&per_page=20&sort=-created_at&total=false`, `?after=…`. Use it as `{ query: page }`. */
export declare const page: typeof hostPage;

/**
 * Runs a select a page at a time.
 *
 * @example createRouter().get("/", ({ query }) => paginate(db.select().from(articles), query), { query: page })
 */
export declare const paginate: typeof hostPaginate;

/**
 * Makes a table an API: its list with filter, search, sort and expansion, one row, create, change and delete, by rules; see
 * docs/resources.md.
 *
 * @example export default createRouter().use(resource(deals, { search: ["title"], expand: ["company"] }));
 * @throws TypeError for a table without a primary key of one column, and for names that aren't there
 */
export declare const resource: MakeResource;

/**
 * The schema of a table's rows, for `response`.
 *
 * @example createRouter().get("/:id", ({ params }) => readDeal(params.id), { response: rowOf(deals) })
 */
export declare const rowOf: typeof hostRowOf;

/**
 * The schema of a new row, for `body`: what has a default or may be null is optional, generated keys are left out.
 *
 * @example createRouter().post("/", ({ body }) => addDeal(body), { body: bodyOf(deals, { omit: ["owner_id"] }) })
 */
export declare const bodyOf: typeof hostBodyOf;

/** The schema of a change of a row, for `body`: at least one of the columns that `bodyOf` has. */
export declare const patchOf: typeof hostPatchOf;

/**
 * The schema of a page of these, for `response` beside `paginate`.
 *
 * @example { query: page, response: pageOf(rowOf(deals)) }
 */
export declare const pageOf: typeof hostPageOf;

/** This plugin's settings, frozen: what it exports as `settings` types and checks them. */
export declare const config: PluginConfig;

/** This plugin's log: each line carries the plugin's name. */
export declare const log: Logger;

/** An error whose code, status and message the client may see. */
export declare const AppError: typeof HostAppError;
export type AppError = HostAppError;
