import postgres from "postgres";
import { ConstraintError, DatabaseError } from "../contract/database-error.ts";
import {
  failedQuery,
  missingColumn,
  missingDatabase,
  missingTable,
  missingValue,
  refusedByCheck,
  type ServerPlace,
  toConnectionFault,
  unfitValue,
  unreachable,
  wrongCredentials,
} from "../server/faults.ts";

/** Reasons for values that don't fit, by SQLSTATE. PostgreSQL's own messages repeat the value. */
const VALUE_REASONS: Readonly<Record<string, string>> = {
  "22001": "it is too long for its column",
  "22003": "the number is out of its column's range",
  "22007": "it isn't a date or time",
  "22008": "the date or time is out of range",
  "22012": "division by zero",
  "22021": "it holds a character that the database can't store, such as NUL",
  "22P02": "it isn't of its column's type",
  "22P05": "it holds a character that the database can't store, such as NUL",
};

/**
 * Turns what postgres.js throws into an error that may be shown and logged: it holds neither values of the query
 * nor credentials. Any other error is returned as it is.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function toPostgresFault(error: unknown, server: ServerPlace, sql?: string): unknown {
  if (error instanceof postgres.PostgresError) return toServerFault(error, server, sql);
  if (!(error instanceof Error) || error instanceof DatabaseError) return error;
  const code = "code" in error ? String(error.code) : "";
  const connection = toConnectionFault(code, server);
  if (connection !== null) return connection;
  // postgres.js puts the values of a query on whatever it fails with.
  if (!("parameters" in error)) return error;
  return failedQuery("value", `it can't be sent to the database${code === "" ? "" : ` (${code})`}`, sql);
}

function toServerFault(error: postgres.PostgresError, server: ServerPlace, sql: string | undefined): Error {
  const { code } = error;
  const table = nonEmpty(error.table_name);
  switch (code) {
    case "23505":
      return new ConstraintError("unique", { table, columns: toColumns(error.detail) });
    case "23503":
      return new ConstraintError("foreign_key", { table, columns: toColumns(error.detail) });
    case "23502":
      return missingValue(error.column_name ?? "", table, sql);
    case "23514":
      return refusedByCheck(error.constraint_name ?? "", table, sql);
    case "42P01":
      return missingTable(toNamed(error.message), sql);
    case "42703":
      return missingColumn(toNamed(error.message), sql);
    case "42501":
      return failedQuery("credentials", `${error.message} to user "${server.user}"`, sql);
    case "40001":
    case "40P01":
      return failedQuery("serialization", "it was given up for another transaction; try again", sql);
    case "55P03":
      return failedQuery("busy", "another transaction holds a lock", sql);
    case "57014":
      return failedQuery("busy", "it took longer than it may", sql);
    case "25P02":
      return failedQuery("other", "an earlier query of this transaction failed, so all of it is undone", sql);
    case "25006":
      return failedQuery("readonly", "the database only reads now", sql);
    case "53100":
      return failedQuery("full", "the database's disk is full", sql);
    case "28P01":
      return wrongCredentials(server);
    case "28000":
      return wrongCredentials(
        server,
        `the server refuses this user, host, or a connection without TLS ("sslmode")`,
      );
    case "3D000":
      return missingDatabase(server);
    default:
      return toFaultOfClass(error, server, sql);
  }
}

function toFaultOfClass(error: postgres.PostgresError, server: ServerPlace, sql: string | undefined): Error {
  const { code } = error;
  switch (code.slice(0, 2)) {
    case "22":
      return unfitValue(nonEmpty(error.column_name), VALUE_REASONS[code] ?? `SQLSTATE ${code}`, sql);
    case "08":
      return unreachable(server, "connection lost");
    case "57":
      return unreachable(server, "it is starting or stopping");
    case "53":
      return unreachable(server, "it has no more connections or memory to give");
    case "42":
      // Of the statement's text alone, in which values are placeholders.
      return failedQuery("syntax", error.message, sql);
    case "XX":
    case "58":
      return failedQuery(code === "XX001" || code === "XX002" ? "corrupt" : "other", `SQLSTATE ${code}`, sql);
    default:
      return failedQuery("other", `SQLSTATE ${code}`, sql);
  }
}

/** From "Key (a, b)=(1, 2) already exists." Only the part before "=" is read, the rest are values. */
function toColumns(detail: string | undefined): string[] {
  const columns = /^Key \(([^=]*)\)=/.exec(detail ?? "")?.[1] ?? "";
  return columns === "" ? [] : columns.split(", ").map((column) => column.replaceAll('"', ""));
}

/** The last part of the quoted or bare name in `relation "public.x" does not exist`, `column x.y does not exist`. */
function toNamed(message: string): string {
  const name = /^\w+ (?:"([^"]+)"|(\S+))/.exec(message);
  return (name?.[1] ?? name?.[2] ?? "").replace(/^.*\./, "");
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
