import { getTableName, type Table } from "drizzle-orm";
import type { Resource } from "./definition.ts";

/** All resources that are served now. */
export class Resources {
  readonly #all = new Set<Resource>();

  /** Adds one; returns its undo. */
  add(resource: Resource): () => void {
    this.#all.add(resource);
    return () => void this.#all.delete(resource);
  }

  /** In the order in which they were added. */
  list(): readonly Resource[] {
    return [...this.#all];
  }

  /** The resource of a table: its rules hold wherever rows of the table are shown. */
  ofTable(table: Table): Resource | null {
    return this.ofTableName(getTableName(table));
  }

  ofTableName(name: string): Resource | null {
    for (const resource of this.#all) if (resource.tableName === name) return resource;
    return null;
  }
}
