import postgres from "postgres";
import { ConstraintError, DatabaseError, type RefusedReference } from "../contract/database-error.ts";
import {
  alike,
  type FaultTable,
  droppedReference,
  failedQuery,
  findFault,
  missingColumn,
  missingTable,
} from "../contract/faults.ts";
import {
  missingDatabase,
  missingValue,
  noConnectionLeft,
  refusedByCheck,
  type ServerFailure,
  type ServerPlace,
  toConnectionFault,
  unfitValue,
  unreachableBy,
  wrongCredentials,
} from "../server/faults.ts";

interface PostgresFailure extends ServerFailure {
  readonly error: postgres.PostgresError;
}

/**
 * By SQLSTATE, or the class that it begins with. PostgreSQL's own messages of values repeat the value.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const FAULTS: FaultTable<PostgresFailure> = {
  "23505": ({ error }) => new ConstraintError("unique", toTableAndColumns(error)),
  ...alike(["23001", "23503"], (failure) => new ConstraintError("foreign_key", toReference(failure))),
  "2BP01": ({ error, sql }) => {
    const [, by, table] =
      /^constraint \S+ on table (\S+) depends on table (\S+)/.exec(error.detail ?? "") ?? [];
    return table === undefined ? failedQuery("other", error.message, sql) : droppedReference(table, by, sql);
  },
  "23502": ({ error, sql }) => missingValue(error.column_name ?? "", nonEmpty(error.table_name), sql),
  "23514": ({ error, sql }) => refusedByCheck(error.constraint_name ?? "", nonEmpty(error.table_name), sql),
  "42P01": ({ error, sql }) => missingTable(toNamed(error.message), sql),
  "42703": ({ error, sql }) => missingColumn(toNamed(error.message), sql),
  "42501": ({ error, server, sql }) =>
    failedQuery("credentials", `${error.message} to user "${server.user}"`, sql),
  // Of the statement's text alone, in which values are placeholders.
  "42": ({ error, sql }) => failedQuery("syntax", error.message, sql),
  ...alike(
    ["40001", "40P01"],
    ["serialization", "Cannot run the query: it was given up for another transaction; try again"],
  ),
  "55P03": ["busy", "Cannot run the query: another transaction holds a lock"],
  "57014": ["timeout", "Cannot run the query: it took longer than it may"],
  "57": unreachableBy("it is starting or stopping"),
  "25P02": [
    "other",
    "Cannot run the query: an earlier query of this transaction failed, so all of it is undone",
  ],
  "25006": ["readonly", "Cannot run the query: the database only reads now"],
  "53100": ["full", "Cannot run the query: the database's disk is full"],
  "53300": noConnectionLeft,
  "53": ["failing", "Cannot run the query: the server has no more memory or other resources to give"],
  "58030": ["failing", "Cannot run the query: the server's disk fails"],
  "08": unreachableBy("connection lost"),
  "28P01": ({ server }) => wrongCredentials(server),
  "28000": ({ server }) =>
    wrongCredentials(server, `the server refuses this user, host, or a connection without TLS ("sslmode")`),
  "3D000": missingDatabase,
  "22001": unfitBy("it is too long for its column"),
  "22003": unfitBy("the number is out of its column's range"),
  "22007": unfitBy("it isn't a date or time"),
  "22008": unfitBy("the date or time is out of range"),
  "22012": unfitBy("division by zero"),
  ...alike(["22021", "22P05"], unfitBy("it holds a character that the database can't store, such as NUL")),
  "22P02": unfitBy("it isn't of its column's type"),
  "22": (failure) => unfitBy(`SQLSTATE ${failure.error.code}`)(failure),
  ...alike(["XX001", "XX002"], ({ error, sql }) => failedQuery("corrupt", `SQLSTATE ${error.code}`, sql)),
};

/**
 * Turns what postgres.js throws into an error that may be shown and logged: it holds neither values of the query
 * nor credentials. Any other error is returned as it is.
 */
export function toPostgresFault(error: unknown, server: ServerPlace, sql?: string): unknown {
  if (error instanceof postgres.PostgresError) {
    const { code } = error;
    const fault = findFault(FAULTS, [code, code.slice(0, 2)], { error, server, sql });
    return fault ?? failedQuery("other", `SQLSTATE ${code}`, sql);
  }
  if (!(error instanceof Error) || error instanceof DatabaseError) return error;
  const code = "code" in error ? String(error.code) : "";
  const connection = toConnectionFault(code, { server, sql });
  if (connection !== null) return connection;
  // postgres.js puts the values of a query on whatever it fails with.
  if (!("parameters" in error)) return error;
  return failedQuery("value", `it can't be sent to the database${code === "" ? "" : ` (${code})`}`, sql);
}

function unfitBy(reason: string): (failure: PostgresFailure) => DatabaseError {
  return ({ error, sql }) => unfitValue(nonEmpty(error.column_name), reason, sql);
}

/** The columns of "Key (a, b)=(1, 2) already exists.": only the part before "=" is read, the rest are values. */
function toTableAndColumns({ table_name, detail }: postgres.PostgresError): {
  table: string | undefined;
  columns: string[];
} {
  const columns = /^[^(]*\(([^=]*)\)=/.exec(detail ?? "")?.[1] ?? "";
  return {
    table: nonEmpty(table_name),
    columns: columns === "" ? [] : columns.split(", ").map((column) => column.replaceAll('"', "")),
  };
}

/**
 * The message is in the language of the server: what can be told from the statement is. The detail names the columns of
 * the table that was written: "Key (author_id)=(7) is not present in table "authors"."
 */
function toReference({ error, sql }: PostgresFailure): RefusedReference {
  const { table, columns } = toTableAndColumns(error);
  const isInsert = /^(?:insert or update on|insert into)\b/i;
  const isMissing =
    isInsert.test(error.message) ||
    (!/^update or delete on\b/.test(error.message) && isInsert.test(sql ?? ""));
  if (!isMissing) return { side: "referred", table, columns: [], key: nonEmpty(error.constraint_name) };
  return { side: "missing", table, columns, target: /"([^"]+)"\.?$/.exec(error.detail ?? "")?.[1] };
}

/** The last part of the quoted or bare name in `relation "public.x" does not exist`, `column x.y does not exist`. */
function toNamed(message: string): string {
  const name = /^\w+ (?:"([^"]+)"|(\S+))/.exec(message);
  return (name?.[1] ?? name?.[2] ?? "").replace(/^.*\./, "");
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
