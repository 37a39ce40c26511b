import { and, eq, type SQL } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { t } from "elysia";
import type { Database } from "../../db/contract/database.ts";
import { Access } from "../access/access.ts";
import type { Resource } from "../definition/definition.ts";
import type { Asker, FieldAccess, Verb } from "../definition/options.ts";
import type { Resources } from "../definition/registry.ts";
import { findRow } from "../reading/rows.ts";
import type { User } from "../../accounts/identity/principal.ts";
import { fullNameOf } from "../definition/names.ts";

const RULES = ["missing", "inactive", "permission", "rows", "deleted", "failed"] as const;

const Condition = t.Object({
  sql: t.String({ description: "With ? or $1 where values stand" }),
  values: t.Array(t.Union([t.String(), t.Number(), t.Boolean(), t.Null()])),
});

const Reason = t.Object({
  rule: t.UnionEnum(RULES as unknown as [string, ...string[]]),
  message: t.String(),
  condition: t.Optional(Condition),
});

const Answer = t.Object({
  is_allowed: t.Boolean(),
  reasons: t.Array(Reason, { description: "Each rule that forbids it" }),
});

export const Explanation = t.Object({
  resource: t.String(),
  id: t.String(),
  user: t.Object({ id: t.Integer(), email: t.String(), is_active: t.Boolean(), roles: t.Array(t.String()) }),
  exists: t.Boolean({ description: "Whether the table has the row" }),
  read: Answer,
  update: Answer,
  delete: Answer,
  fields: t.Array(
    t.Object({
      name: t.String(),
      may_read: t.Boolean(),
      may_write: t.Boolean(),
      read_rule: t.Nullable(t.String({ description: "What hides it" })),
      write_rule: t.Nullable(t.String({ description: "What keeps it from being set" })),
    }),
  ),
});

type Reason = typeof Reason.static;
type Row = Readonly<Record<string, unknown>>;

export interface ExplainOptions {
  readonly db: Database;
  readonly resource: Resource;
  readonly resources: Resources;
  readonly user: User & { readonly is_active: boolean };
  readonly can: (permission: string) => boolean;
  /** The key of the row. */
  readonly id: unknown;
  /** Is told of what a rule throws, which nobody else is. */
  readonly onError: (error: unknown, rule: string) => void;
}

const PERMISSIONS = { read: "read", update: "write", delete: "delete" } as const;
const MAX_TEXT = 100;

/** Says whether somebody may see a row, change it and delete it, and by which rules not: they are asked as in a request of theirs. */
export async function explain(options: ExplainOptions): Promise<typeof Explanation.static> {
  const { db, resource, resources, user, can, id } = options;
  const access = new Access(resource, { user, can }, resources);
  const row = (await findRow(db, resource, eq(resource.key, id))) ?? null;
  const read = await findReasons("read", { ...options, access, row });
  const answers = { read, update: [...read], delete: [...read] };
  for (const verb of ["update", "delete"] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const found = await findReasons(verb, { ...options, access, row });
    const known = new Set(read.map(({ message }) => message));
    answers[verb].push(...found.filter(({ message }) => !known.has(message)));
  }
  const { email, is_active, roles } = user;
  return {
    resource: fullNameOf(resource),
    id: String(id),
    user: { id: user.id, email, is_active, roles: [...roles] },
    exists: row !== null,
    read: toAnswer(answers.read),
    update: toAnswer(answers.update),
    delete: toAnswer(answers.delete),
    fields: explainFields(options),
  };
}

function toAnswer(reasons: Reason[]): typeof Answer.static {
  return { is_allowed: reasons.length === 0, reasons };
}

interface Asked extends ExplainOptions {
  readonly access: Access;
  readonly row: Row | null;
}

async function findReasons(verb: Verb, asked: Asked): Promise<Reason[]> {
  const { resource, user, can, row } = asked;
  const { permission, singular, deletedAt } = resource;
  const reasons: Reason[] = [];
  if (row === null) reasons.push({ rule: "missing", message: `There is no such ${singular} in the table` });
  if (!user.is_active) reasons.push({ rule: "inactive", message: "The account isn't active" });
  const needed = permission === null ? null : `${permission}:${PERMISSIONS[verb]}`;
  if (needed !== null && !can(needed))
    reasons.push({ rule: "permission", message: `They don't hold the permission "${needed}"` });
  if (row !== null && deletedAt !== null && row[deletedAt.name] !== null)
    reasons.push({ rule: "deleted", message: `It is deleted: "${deletedAt.name}" says when` });
  // One rule for all verbs is told of once.
  const isTold = verb !== "read" && resource.rows[verb] === resource.rows.read;
  return row === null || isTold ? reasons : [...reasons, ...(await checkRows(verb, { ...asked, row }))];
}

async function checkRows(verb: Verb, asked: Asked & { readonly row: Row }): Promise<Reason[]> {
  const { db, access, resource, row, onError } = asked;
  const rule = `rows.${verb}`;
  try {
    const condition = access.rule(verb);
    if (condition === undefined) return [];
    const isRow = eq(resource.key, row[resource.key.name]);
    if ((await findRow(db, resource, and(isRow, condition))) !== undefined) return [];
    const message = `The rule "${rule}" of the resource doesn't take it`;
    return [{ rule: "rows", message, condition: toCondition(db, resource, condition) }];
  } catch (error) {
    onError(error, rule);
    return [{ rule: "failed", message: `The rule "${rule}" of the resource fails: the log says why` }];
  }
}

/** The condition as the database is sent it. */
function toCondition(db: Database, { table }: Resource, condition: SQL): typeof Condition.static {
  const { sql, params } = db
    .select()
    .from(table as PgTable)
    .where(condition)
    .toSQL();
  const start = " where ";
  return { sql: sql.slice(sql.indexOf(start) + start.length), values: params.map(toShown) };
}

function toShown(value: unknown): string | number | boolean | null {
  if (value === null || typeof value === "number" || typeof value === "boolean") return value;
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

function explainFields({
  resource,
  user,
  can,
  onError,
}: ExplainOptions): (typeof Explanation.static)["fields"] {
  const asker = { user, can };
  return [...resource.columns.keys()].map((name) => {
    const rule = resource.fields.get(name);
    const isKey = resource.columns.get(name) === resource.key;
    const [read, write] = [
      isKey ? null : toFieldRule(rule?.read, asker, (error) => onError(error, `fields.${name}.read`)),
      toFieldRule(rule?.write, asker, (error) => onError(error, `fields.${name}.write`)),
    ];
    return { name, may_read: read === null, may_write: write === null, read_rule: read, write_rule: write };
  });
}

/** Null for one that allows it. */
function toFieldRule(
  access: FieldAccess<User | null> | undefined,
  asker: Asker<User | null>,
  onError: (error: unknown) => void,
): string | null {
  if (access === undefined || access === true) return null;
  if (access === false) return "It is for nobody";
  if (typeof access === "string")
    return asker.can(access) ? null : `They don't hold the permission "${access}"`;
  try {
    return access(asker) ? null : "A function of the resource says no";
  } catch (error) {
    onError(error);
    return "A function of the resource fails: the log says why";
  }
}
