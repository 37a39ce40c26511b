import { Type, type Static } from "@sinclair/typebox";
import { AuthKeys } from "./keys/auth.ts";
import { BackupKeys } from "./keys/backups.ts";
import { byteSize, seconds, section } from "./keys/types.ts";
import { PluginKeys } from "./keys/plugins.ts";
import { SecurityKeys } from "./keys/security.ts";
import { ServerKeys } from "./keys/server.ts";
import { StorageKeys } from "./keys/storage.ts";
import { THEMES } from "./themes.ts";

export type { ProviderSettings } from "./keys/auth.ts";
export { isTheme, type Theme, THEMES } from "./themes.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const SIZE = /^(\d{1,6}(?:\.\d{1,3})?) ?([kmg]?)i?b$/i;

/**
 * Every key of `config.json` with its type, default and description. Nothing else knows them: the defaults,
 * the error messages, the `XCORE_…` variables, the editors' JSON Schema and the table in
 * `docs/configuration.md` are all made from here.
 *
 * To add a key, add one entry. Each leaf has a `description` for administrators and a `default`; a value
 * whose type alone does not say what is accepted has a `title`, the words that errors use ("expected …").
 */
export const ConfigSchema = section("Settings of an xcore server", {
  $schema: Type.Optional(
    Type.String({
      description: "The JSON Schema that an editor checks this file with; the server ignores it",
    }),
  ),

  app: section("The application", {
    name: Type.String({
      minLength: 1,
      default: "xcore",
      description: "Name of the application on its pages and in its API documentation",
    }),
    debug: Type.Boolean({
      default: false,
      description:
        "Show clients the message of an unexpected error. Keep it off on a server that others can reach",
    }),
    data_directory: Type.String({
      minLength: 1,
      default: "data",
      description:
        "Folder of what the server keeps itself, such as its secret key and plugins from elsewhere",
    }),
  }),

  server: ServerKeys,
  database: section("The database", {
    url: Type.String({
      pattern: "^(sqlite|postgres|postgresql|mysql|mariadb)(\\+[a-z0-9]+)?:.",
      title:
        'a URL of SQLite ("sqlite:data/app.db"), PostgreSQL ("postgresql://…") or MySQL ("mysql://…"), as xcore runs on no other database',
      default: "sqlite:data/app.db",
      description:
        "Where the data is: `sqlite:` and a file, `postgresql://user:password@host/name`, or `mysql://…` " +
        "(`mariadb://…`). `DATABASE_URL` sets it too",
    }),
    pool_size: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 10,
      description: "Connections to a PostgreSQL or MySQL server at most; more queries wait",
    }),
    statement_timeout: seconds(
      30,
      "How long a statement may take, in seconds, its wait for a lock among it. Then it fails with 503",
    ),
    transaction_timeout: seconds(
      60,
      "How long a transaction of a plugin or of the server may be open, in seconds. Then it is rolled back, and the log says whose it was",
    ),
    echo: Type.Boolean({ default: false, description: "Log every statement, without its values" }),
    durability: Type.Union([Type.Literal("full"), Type.Literal("normal")], {
      default: "full",
      description:
        "What a commit of SQLite outlasts: `full` waits for the disk, so that nothing acknowledged is lost with the power. " +
        "`normal` doesn't: the last commits may be lost with the power, not with the process",
    }),
    auto_migrate: Type.Boolean({
      default: true,
      description:
        "Apply pending migrations before the server and each plugin start. Without it, `xcore db migrate` does",
    }),
  }),

  security: SecurityKeys,
  auth: AuthKeys,

  plugins: PluginKeys,

  cache: section("The cache", {
    backend: Type.Union([Type.Literal("memory"), Type.Literal("redis"), Type.Literal("memcached")], {
      default: "memory",
      description:
        "Where it is kept: `memory` of each process, `redis` or `memcached`, which all instances share. Another one needs a restart",
    }),
    url: Type.Union(
      [
        Type.Null(),
        Type.String({
          pattern: "^(rediss?://[^\\s/?#]+(/\\d{0,5})?|unix:///[^\\s?#]+|memcached://[^\\s/?#@]+)$",
          title: 'a URL such as "redis://user:password@host:6379/0" or "memcached://host:11211"',
        }),
      ],
      {
        default: null,
        description:
          "Server of the cache, where it is another Redis than that of `redis.url`, or Memcached: `memcached://host:11211`",
      },
    ),
    default_ttl: seconds(300, "How long a value is kept that says nothing itself, in seconds"),
    max_entries: Type.Integer({
      minimum: 1,
      maximum: 100_000_000,
      default: 10_000,
      description: "Values that one process keeps in memory; those that were used longest ago go first",
    }),
    max_size: byteSize("64mb", "Memory that they may take in one process, about"),
  }),

  redis: section("Redis", {
    url: Type.Union(
      [
        Type.Null(),
        Type.String({
          format: "url",
          pattern: "^(rediss?://[^\\s/?#]+(/\\d{0,5})?|unix:///[^\\s?#]+)$",
          title: 'a URL of Redis such as "redis://user:password@host:6379/0", or "rediss://…" with TLS',
        }),
      ],
      {
        default: null,
        description:
          "The Redis that instances share: `redis://user:password@host:6379/0`, `rediss://…` (TLS) or `unix:///…`. " +
          "`REDIS_URL` sets it too",
      },
    ),
  }),

  jobs: section("Background jobs", {
    backend: Type.Union([Type.Literal("database"), Type.Literal("redis")], {
      default: "database",
      description:
        "Where jobs are kept until they are done: `database` is that of `database.url`, `redis` the queues of BullMQ " +
        "in that of `redis.url`. Another one needs a restart",
    }),
    concurrency: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 4,
      description: "How many jobs each process runs at once",
    }),
  }),

  mail: section("Mail", {
    url: Type.Union(
      [
        Type.Null(),
        Type.String({
          format: "url",
          pattern: "^smtps?://([^\\s/?#@]+@)?[^\\s/?#@]+/?$",
          title:
            'a URL of SMTP such as "smtp://user:password@smtp.example.com:587", or "smtps://..." with TLS from the start',
        }),
      ],
      {
        default: null,
        description:
          "The server that takes mail: `smtp://user:password@host:587` (STARTTLS) or `smtps://...` (TLS from the start, port 465). " +
          "Without it, the log says what would have been sent",
      },
    ),
    from: Type.Union(
      [
        Type.Null(),
        Type.String({
          maxLength: 320,
          pattern:
            '^([^<>@\\r\\n\\x00-\\x1f]{1,100} <[^\\s<>@,;:"]+@[^\\s<>@,;:"]+>|[^\\s<>@,;:"]+@[^\\s<>@,;:"]+)$',
          title: 'an address such as "noreply@example.com", or "Example <noreply@example.com>"',
        }),
      ],
      {
        default: null,
        description: "Whom mail comes from: `Example <noreply@example.com>`. Needed with `mail.url`",
      },
    ),
    require_tls: Type.Boolean({
      default: true,
      description:
        "Send over TLS alone, with a certificate that is valid for the host. `false` sends in the clear, password too, to a server " +
        "that offers none, and takes any certificate. A server on this machine (`localhost`) isn't held to it",
    }),
    recipient_per_hour: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 30,
      description: "Mails to one address an hour at most; the others wait",
    }),
    keep_days: Type.Integer({
      minimum: 1,
      maximum: 3650,
      default: 30,
      description: "How long it is kept what has become of mails, in days; those that wait stay",
    }),
  }),

  templates: section("Pages", {
    directory: Type.String({
      minLength: 1,
      default: "templates",
      description: "Folder whose templates add to those of xcore and of plugins, and override them",
    }),
    theme: Type.String({
      pattern: `^(${THEMES.join("|")})$`,
      title: `a theme of daisyUI: ${THEMES.join(", ")}`,
      default: "light",
      description: "Theme of pages, for whoever has chosen no other one. Any of daisyUI's",
    }),
  }),
  storage: StorageKeys,
  backups: BackupKeys,

  logging: section("Logs", {
    level: Type.Union(
      [
        Type.Literal("trace"),
        Type.Literal("debug"),
        Type.Literal("info"),
        Type.Literal("warn"),
        Type.Literal("error"),
        Type.Literal("fatal"),
        Type.Literal("silent"),
      ],
      { default: "info", description: "Least important messages to keep. `silent` keeps none" },
    ),
    directory: Type.String({
      minLength: 1,
      default: "logs",
      description: "Folder of the log files `app.log`, `access.log` and `manager.log`",
    }),
    console: Type.Boolean({ default: true, description: "Write the log to the console as well" }),
    max_bytes: Type.Integer({
      minimum: 1024,
      maximum: Number.MAX_SAFE_INTEGER,
      default: 10485760,
      description: "Size at which a log file is set aside and a new one started, in bytes",
    }),
    backup_count: Type.Integer({
      minimum: 0,
      maximum: 1000,
      default: 5,
      description: "Old log files to keep of each",
    }),
  }),

  monitoring: section("What the server measures of itself", {
    enabled: Type.Boolean({
      default: true,
      description: "Measure, and trace where `otlp_endpoint` is set. Another value needs a restart",
    }),
    prometheus_endpoint: Type.Union(
      [
        Type.Null(),
        Type.String({
          // Below prefixes that no plugin can have.
          pattern: "^(/metrics(/[A-Za-z0-9_-]+)*|/system/metrics)$",
          title: '"/metrics", a path below it such as "/metrics/xcore", or "/system/metrics"',
        }),
      ],
      {
        default: "/metrics",
        description: "Path that Prometheus reads at. `null` serves none",
      },
    ),
    token: Type.Union(
      [
        Type.Null(),
        Type.String({
          minLength: 16,
          maxLength: 1024,
          pattern: "^[!-~]+$",
          title: "a random text of at least 16 letters, digits and signs",
        }),
      ],
      {
        default: null,
        description:
          "Token that lets a scraper read, sent as `Authorization: Bearer …`. Without it, `allowed_addresses` and the permission `system:read` do",
      },
    ),
    allowed_addresses: Type.Array(
      Type.String({
        pattern: "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$",
        title: 'an address such as "10.0.0.1" or a network such as "10.0.0.0/8"',
      }),
      {
        default: [],
        description:
          "Addresses of clients that may read without a token. Behind a proxy they are those of its clients only with `server.trusted_proxies`",
      },
    ),
    otlp_endpoint: Type.Union(
      [
        Type.Null(),
        Type.String({
          format: "url",
          pattern: "^https?://[^\\s/?#@]+(/[^\\s?#]*)?$",
          title: 'an http or https URL of a collector, such as "http://localhost:4318"',
        }),
      ],
      {
        default: null,
        description:
          "Collector that traces are sent to, by OTLP over HTTP: `/v1/traces` is added where there is no path. Another one needs a restart",
      },
    ),
  }),
});

/** The settings a server runs with: every key is present, and nothing in it can be changed. */
export type Config = DeepReadonly<Omit<Static<typeof ConfigSchema>, "$schema">>;

/** Keys to set over those of the file and the environment, such as a command's flags. `undefined` sets none. */
export type ConfigOverrides = DeepPartial<Config>;

/**
 * Reads a size such as "512kb", "1.5 MB" or 1048576 as a number of bytes. A kilobyte is 1024 bytes, as it
 * is to web servers; "kib" means the same.
 *
 * @throws RangeError when `size` is not a size, is zero or is not a whole number of bytes
 */
export function parseByteSize(size: string | number): number {
  const bytes = typeof size === "number" ? size : countBytes(size);
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new RangeError(
      `Cannot read size ${JSON.stringify(size)}: expected bytes or a string such as "16mb"`,
    );
  }
  return bytes;
}

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: DeepPartial<T[K]> | undefined }
    : T;

function countBytes(size: string): number {
  const [, amount = "", unit = ""] = SIZE.exec(size) ?? [];
  return amount === "" ? Number.NaN : Math.ceil(Number(amount) * (UNITS[unit.toLowerCase()] ?? Number.NaN));
}
