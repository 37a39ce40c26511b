import * as drizzle from "drizzle-orm";
import type { SQL, Table } from "drizzle-orm";

/**
 * What drizzle-orm 0.45.4 exports without typing it: its own sessions are made with these. Whoever raises the
 * version checks them.
 */
interface Internals {
  /** Decodes a row that came as an array. */
  mapResultRow: (
    fields: readonly { path: string[]; field: unknown }[],
    row: readonly unknown[],
    joinsNotNullableMap: Record<string, boolean> | undefined,
  ) => Record<string, unknown>;
  /** Turns the values of `set()` into parameters. */
  mapUpdateSet: (table: Table, values: Record<string, unknown>) => Record<string, SQL>;
}

export const { mapResultRow, mapUpdateSet } = drizzle as unknown as Internals;
