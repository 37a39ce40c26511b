import { getTableUniqueName, is, Table } from "drizzle-orm";
import type { Database, SchemaTables } from "../db/database.ts";
import type { Driver } from "../db/driver.ts";

/**
 * Returns the `db` of one generation of a plugin. It is handed out before the plugin's tables are known, so
 * what needs them asks for them at its first use.
 *
 * @param findSchema returns the plugin's tables and relations; null while its modules are being evaluated
 */
export function createPluginDatabase(driver: Driver, findSchema: () => SchemaTables | null): Database {
  const plain = driver.toDatabase({});
  let complete: Database | null = null;
  const withSchema = (): Database => {
    if (complete !== null) return complete;
    const schema = findSchema();
    if (schema === null) {
      throw new TypeError("Cannot use db.query at the top level of a plugin: use it in setup() or a handler");
    }
    return (complete = driver.toDatabase(schema));
  };
  return {
    select: plain.select.bind(plain),
    selectDistinct: plain.selectDistinct.bind(plain),
    insert: plain.insert.bind(plain),
    update: plain.update.bind(plain),
    delete: plain.delete.bind(plain),
    with: plain.with.bind(plain),
    $with: plain.$with,
    $count: plain.$count.bind(plain),
    execute: (query) => plain.execute(query),
    get query() {
      return withSchema().query;
    },
    transaction: (work, options) => withSchema().transaction(work, options),
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
