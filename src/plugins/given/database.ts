import { getTableUniqueName, is, Table } from "drizzle-orm";
import type { Database, SchemaTables } from "../../db/contract/database.ts";
import type { Driver } from "../../db/contract/driver.ts";
import type { QueryWatch } from "../../db/contract/statements.ts";
import type { OwnedOptions, TransactionOwner } from "../../db/transactions/owner.ts";

/**
 * Returns the `db` of one generation of a plugin. It is handed out before the plugin's tables are known, so
 * what needs them asks for them at its first use.
 *
 * @param findSchema returns the plugin's tables and relations; null while its modules are being evaluated
 * @param options `owner` of its transactions; `watch` has its statements be run
 */
export function createPluginDatabase(
  driver: Driver,
  findSchema: () => SchemaTables | null,
  { owner, watch }: { readonly owner?: TransactionOwner; readonly watch?: QueryWatch | undefined } = {},
): Database {
  let plain: Database | null = null;
  // Most plugins never ask.
  const withoutSchema = (): Database => (plain ??= driver.toDatabase({}, watch));
  let complete: Database | null = null;
  const withSchema = (): Database => {
    if (complete !== null) return complete;
    const schema = findSchema();
    if (schema === null) {
      throw new TypeError("Cannot use db.query at the top level of a plugin: use it in setup() or a handler");
    }
    return (complete = driver.toDatabase(schema, watch));
  };
  const queries = {
    select: (...fields: Parameters<Database["select"]>) => withoutSchema().select(...fields),
    selectDistinct: (...fields: Parameters<Database["selectDistinct"]>) =>
      withoutSchema().selectDistinct(...fields),
    insert: (table) => withoutSchema().insert(table),
    update: (table) => withoutSchema().update(table),
    delete: (table) => withoutSchema().delete(table),
    with: (...parts) => withoutSchema().with(...parts),
    $count: (source, filters) => withoutSchema().$count(source, filters),
    execute: (query) => withoutSchema().execute(query),
  } as Omit<Database, "query" | "transaction" | "$with">;
  return {
    ...queries,
    get $with() {
      return withoutSchema().$with;
    },
    get query() {
      return withSchema().query;
    },
    transaction(work, options = {}) {
      const owned: OwnedOptions = owner === undefined ? options : { ...options, owner };
      return withSchema().transaction(work, owned);
    },
  };
}

/**
 * Puts a plugin's tables and relations beside those of its dependencies. Where two have one name, the plugin's
 * own keeps it and the other is found as `<plugin>_<name>`.
 */
export function mergeSchemas(
  own: SchemaTables,
  dependencies: Iterable<readonly [plugin: string, schema: SchemaTables]>,
): SchemaTables {
  const merged: SchemaTables = { ...own };
  for (const [plugin, schema] of dependencies) {
    for (const [name, value] of Object.entries(schema)) {
      if (isSameTable(merged[name], value)) continue;
      merged[Object.hasOwn(merged, name) ? `${plugin}_${name}` : name] = value;
    }
  }
  return merged;
}

function isSameTable(a: unknown, b: unknown): boolean {
  return a === b || (is(a, Table) && is(b, Table) && getTableUniqueName(a) === getTableUniqueName(b));
}
