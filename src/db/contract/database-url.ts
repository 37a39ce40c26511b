import { userInfo } from "node:os";
import { resolve } from "node:path";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../../errors/codes.ts";
import { assertTlsMode, TLS_OPTIONS } from "./tls.ts";

/** Where the database is, as `database.url` says. */
export type DatabaseUrl = SqliteUrl | ServerUrl;

export interface SqliteUrl {
  readonly dialect: "sqlite";
  /** Absolute path. */
  readonly file: string;
  /** The URL as it may be shown. */
  readonly shown: string;
}

export interface ServerUrl {
  readonly dialect: "postgres" | "mysql";
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Options after the "?", such as `sslmode`; see tls.ts. */
  readonly options: Readonly<Record<string, string>>;
  /** The URL as it may be shown: without the password and the options. */
  readonly shown: string;
}

const SUPPORTED = 'use "sqlite:data/app.db", "postgresql://user:password@host:5432/name" or "mysql://…"';
const ESCAPING =
  'special characters in the user and the password are written as "%40" for "@" and "%2F" for "/"';

/** `prepare=false` is for poolers that can't keep prepared statements; `charset` is always utf8mb4. */
const OPTIONS: readonly string[] = [...TLS_OPTIONS, "prepare", "charset"];

const SERVERS: Readonly<Record<string, { dialect: ServerUrl["dialect"]; scheme: string; port: number }>> = {
  postgres: { dialect: "postgres", scheme: "postgresql", port: 5432 },
  postgresql: { dialect: "postgres", scheme: "postgresql", port: 5432 },
  mysql: { dialect: "mysql", scheme: "mysql", port: 3306 },
  mariadb: { dialect: "mysql", scheme: "mariadb", port: 3306 },
};

/**
 * Reads `database.url`, also as SQLAlchemy writes it: `sqlite:///data/app.db` is relative, `sqlite:////data/app.db`
 * absolute, and a driver may be named (`postgresql+asyncpg://…`).
 *
 * @param directory what a relative path of an SQLite file is below
 * @throws AppError config_invalid, which holds nothing of the URL but its scheme
 */
export function parseDatabaseUrl(text: string, directory: string): DatabaseUrl {
  const sqlite = /^sqlite(?:\+\w+)?:(.*)$/is.exec(text);
  if (sqlite !== null) return parseSqliteUrl(sqlite[1] ?? "", directory);
  // Without "//" the text before the colon may be anything, such as a user's name.
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) throw invalidUrl(`Cannot read the database URL: it has no scheme; ${SUPPORTED}`);
  const server = SERVERS[scheme.replace(/\+.*$/, "")];
  if (server === undefined) {
    throw invalidUrl(
      `Cannot use a database of the scheme "${scheme}": xcore runs on SQLite, PostgreSQL and MySQL/MariaDB; ${SUPPORTED}`,
    );
  }
  return parseServerUrl(text, server);
}

function parseSqliteUrl(rest: string, directory: string): SqliteUrl {
  const path = toSqlitePath(rest);
  if (path === "" || path.includes(":memory:") || /[?&]mode=memory/.test(path)) {
    throw invalidUrl(
      'Cannot use an SQLite database in memory: xcore opens several connections, and each would have its own; name a file, as in "sqlite:data/app.db"',
    );
  }
  if (path.startsWith("file:") || path.includes("?") || path.includes("\0")) {
    throw invalidUrl(
      'Cannot read the SQLite URL: it takes a path only, without options; write "sqlite:data/app.db"',
    );
  }
  return { dialect: "sqlite", file: resolve(directory, path), shown: `sqlite:${path}` };
}

/** SQLAlchemy: two slashes and an empty host, one more slash, then the path. */
function toSqlitePath(rest: string): string {
  if (!rest.startsWith("//")) return rest;
  if (rest.length > 2 && rest[2] !== "/") {
    throw invalidUrl(
      'Cannot read the SQLite URL: after "//" stands a host, and a file has none; write "sqlite:data/app.db" or "sqlite:///data/app.db"',
    );
  }
  return rest.slice(3);
}

function parseServerUrl(text: string, server: NonNullable<(typeof SERVERS)[string]>): ServerUrl {
  const { dialect, scheme } = server;
  const url = toUrl(text, scheme);
  const host = url.hostname === "" ? "localhost" : decode(url.hostname, scheme).replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? server.port : Number(url.port);
  const user = url.username === "" ? userInfo().username : decode(url.username, scheme);
  const password = decode(url.password, scheme);
  const database = decode(url.pathname.slice(1), scheme);
  if (database === "") {
    throw invalidUrl(
      `Cannot use the ${scheme} URL: it names no database; write "${scheme}://user:password@host/name"`,
    );
  }
  // Both are signs of a "/" in the password, after which the rest of it passes for the path.
  if (database.includes("/") || url.pathname.includes("@")) throw unreadable(scheme);
  const shownHost = host.includes(":") ? `[${host}]` : host;
  const shown = `${scheme}://${encodeURIComponent(user)}@${shownHost}:${port}/${encodeURIComponent(database)}`;
  const options = toOptions(url, scheme);
  return { dialect, host, port, user, password, database, options, shown };
}

/** @throws AppError for an option that would be without effect: a misspelled `sslmode` must not go unseen */
function toOptions({ searchParams }: URL, scheme: string): Record<string, string> {
  const unknown = [...searchParams.keys()].find((name) => !OPTIONS.includes(name));
  // A "?" in the password makes the rest of it, up to the host, the name of an option.
  if (unknown?.includes("@") === true) throw unreadable(scheme);
  if (unknown !== undefined) {
    throw invalidUrl(`Cannot use the option "${unknown}" of the ${scheme} URL: there are ${quote(OPTIONS)}`);
  }
  const options = Object.fromEntries(searchParams);
  assertTlsMode(options);
  return options;
}

function quote(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

function toUrl(text: string, scheme: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.hash !== "") throw unreadable(scheme);
  return url;
}

function decode(part: string, scheme: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw unreadable(scheme);
  }
}

/** Says nothing of the text, as there is no knowing which part of it is the password. */
function unreadable(scheme: string): Error {
  return invalidUrl(
    `Cannot read the ${scheme} URL: it isn't "${scheme}://user:password@host:port/name"; ${ESCAPING}`,
  );
}

function invalidUrl(message: string): AppError {
  return fail("config_invalid", message);
}
