import { expect } from "bun:test";
import type { Dialect } from "../../../src/db/contract/driver.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { type Declare, MigrationProject } from "./migration-project.ts";

/** A column of a schema that is made up: what it is, and what is said of it. */
interface Column {
  readonly type:
    | "integer"
    | "bigint"
    | "short"
    | "long"
    | "decimal"
    | "boolean"
    | "timestamp"
    | "enum"
    | "reference";
  readonly isRequired: boolean;
  readonly isUnique: boolean;
  readonly isIndexed: boolean;
}

/** Columns by name, by table. */
type Schema = Readonly<Record<string, Readonly<Record<string, Column>>>>;

interface Change {
  readonly schema: Schema;
  readonly renames: readonly string[];
}

const TYPES: readonly Column["type"][] = [
  ...([
    "integer",
    "bigint",
    "short",
    "long",
    "decimal",
    "boolean",
    "timestamp",
    "enum",
    "reference",
  ] as const),
];
const STEPS = 12;

for (const seed of [1, 2, 3]) {
  testOnEachDialect(
    `changes lead where a schema made at once does, seed ${seed}`,
    async (context) => {
      const random = createRandom(seed);
      const project = new MigrationProject(context);
      let schema: Schema = {};
      for (let step = 0; step < STEPS; step++) {
        const change = changeSchema(schema, random);
        if (JSON.stringify(change.schema) === JSON.stringify(schema)) continue;
        schema = change.schema;
        // oxlint-disable-next-line no-await-in-loop -- one change after another
        await project.change(toDeclare(schema), ...change.renames);
      }
      const changed = await describeDatabase(project, context.dialect);
      await project.change(() => ({}));
      const fresh = new MigrationProject(context, "fresh");
      await fresh.change(toDeclare(schema));
      expect(changed).toEqual(await describeDatabase(fresh, context.dialect));
      expect(changed.length).toBeGreaterThan(0);
    },
    120_000,
  );
}

type Random = (count: number) => number;

/** Whole numbers below `count`, the same for each seed. */
function createRandom(seed: number): Random {
  let state = seed;
  return (count) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % count;
  };
}

function changeSchema(before: Schema, random: Random): Change {
  const schema: Record<string, Record<string, Column>> = structuredClone(before);
  const renames: string[] = [];
  for (const name of ["ta", "tb", "tc"]) {
    const table = schema[name];
    if (table === undefined || random(12) === 0) {
      if (random(4) === 0) delete schema[name];
      else schema[name] = { one: makeColumn(random), two: makeColumn(random) };
      continue;
    }
    for (const column of ["one", "two", "three", "four", "renamed"]) {
      if (random(3) > 0) continue;
      const present = table[column];
      if (
        present !== undefined &&
        random(4) === 0 &&
        table["renamed"] === undefined &&
        before[name]?.[column] !== undefined
      ) {
        delete table[column];
        table["renamed"] = random(2) === 0 ? present : { ...present, isIndexed: true };
        renames.push(`${name}.${column}=renamed`);
        break;
      }
      if (present !== undefined && random(3) === 0) delete table[column];
      else
        table[column] =
          random(2) === 0 && present !== undefined
            ? { ...makeColumn(random), type: present.type }
            : makeColumn(random);
    }
  }
  return { schema, renames };
}

function makeColumn(random: Random): Column {
  const type = TYPES[random(TYPES.length)] ?? "integer";
  return { type, isRequired: random(2) === 0, isUnique: random(4) === 0, isIndexed: random(4) === 0 };
}

/** Every reference goes to a table that is always there, and to no table before it is made. */
function toDeclare(schema: Schema): Declare {
  return (module) => {
    const { table, id, index } = module;
    const targets = table("targets", { id: id() });
    const makers = {
      integer: () => module.integer().default(7),
      bigint: () => module.bigint(),
      short: () => module.varchar(20).default("it's"),
      long: () => module.varchar(200),
      decimal: () => module.decimal(10, 2).default("1.50"),
      boolean: () => module.boolean().default(true),
      timestamp: () => module.timestamp().defaultNow(),
      enum: () => module.enumOf(["a", "b"]),
      reference: () => module.references(() => targets.id, { onDelete: "cascade" }),
    };
    const toBuilder = ({ type, isRequired, isUnique }: Column) => {
      // Each builder has the two; their types have nothing else in common.
      const builder = makers[type]() as ReturnType<typeof makers.integer>;
      const required = isRequired ? builder.notNull() : builder;
      return isUnique ? required.unique() : required;
    };
    const tables = Object.entries(schema).map(([name, columns]) => {
      const builders = Object.entries(columns).map(([column, one]) => [column, toBuilder(one)]);
      type Builders = Record<string, ReturnType<typeof toBuilder>>;
      const map: Builders = { id: id(), ...(Object.fromEntries(builders) as Builders) };
      const made = table(name, map, (self) =>
        Object.entries(columns).flatMap(([column, { isIndexed }]) =>
          isIndexed ? [index(`${name}_${column}_ix`).on(self[column] as never)] : [],
        ),
      );
      return [name, made];
    });
    return { targets, ...(Object.fromEntries(tables) as Record<string, unknown>) };
  };
}

/** What the database itself says of its tables, sorted: the order of columns doesn't count. */
async function describeDatabase(project: MigrationProject, dialect: Dialect): Promise<string[]> {
  const lines = await { sqlite: describeSqlite, postgres: describePostgres, mysql: describeMysql }[dialect](
    project,
  );
  return lines.filter((line) => !line.includes("xcore_")).toSorted();
}

async function describeSqlite(project: MigrationProject): Promise<string[]> {
  const queries = [
    `select m.name, 'column', c.name, c.type, c."notnull", c.dflt_value, c.pk from sqlite_master m join pragma_table_info(m.name) c where m.type = 'table' and m.name not like 'sqlite%'`,
    `select m.name, 'key', f."table", f."from", f."to", f.on_update, f.on_delete from sqlite_master m join pragma_foreign_key_list(m.name) f where m.type = 'table'`,
    `select m.name, 'index', i.name, i."unique", c.seqno, c.name as column_name from sqlite_master m join pragma_index_list(m.name) i join pragma_index_info(i.name) c where m.type = 'table'`,
  ];
  const rows = await Promise.all(queries.map((query) => project.values(query)));
  const texts = await project.values("select name, sql from sqlite_master where type = 'table'");
  const checks = texts.flatMap(([table, text]) =>
    [...(text ?? "").matchAll(/CONSTRAINT \S+ CHECK\s?\(.*\)(?=,?$)/gm)].map(
      ([check]) => `${table} ${check.replaceAll(/[`"]/g, "")}`,
    ),
  );
  return [...rows.flat().map((row) => row.join(" ")), ...checks];
}

async function describePostgres(project: MigrationProject): Promise<string[]> {
  const queries = [
    "select table_name, column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable, column_default, is_identity from information_schema.columns where table_schema = 'public'",
    "select conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n'",
    "select indexdef from pg_indexes where schemaname = 'public'",
    "select sequencename from pg_sequences",
  ];
  const rows = await Promise.all(queries.map((query) => project.values(query)));
  return rows.flat().map((row) => row.join(" "));
}

async function describeMysql(project: MigrationProject): Promise<string[]> {
  const tables = await project.values("show tables");
  const texts = await Promise.all(tables.map(([table]) => project.values(`show create table \`${table}\``)));
  return texts.flat().flatMap(([table, text]) =>
    (text ?? "").split("\n").map(
      (line) =>
        `${table} ${line
          .trim()
          .replace(/,$/, "")
          .replace(/ AUTO_INCREMENT=\d+/, "")}`,
    ),
  );
}
