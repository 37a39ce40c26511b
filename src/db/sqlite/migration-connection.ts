import { DatabaseError } from "../contract/database-error.ts";
import type { MigrationConnection } from "../contract/driver.ts";
import { retryWhileBusy } from "./busy.ts";
import type { Connection } from "./connection.ts";

type Parameters = readonly (string | number | null)[];

/** Runs migrations on the writing connection, whose lock the caller holds. */
export class SqliteMigrationConnection implements MigrationConnection {
  readonly isTransactional = true;
  readonly #writer: Connection;
  readonly #waitMs: number;

  constructor(writer: Connection, waitMs: number) {
    this.#writer = writer;
    this.#waitMs = waitMs;
  }

  async run(statement: string, parameters?: Parameters): Promise<void> {
    await this.#patiently(() => {
      if (parameters === undefined || parameters.length === 0) this.#writer.execute(statement);
      else this.#writer.run(statement, [...parameters]);
    });
  }

  all<Row>(statement: string, parameters: Parameters = []): Promise<Row[]> {
    return this.#patiently(() => this.#writer.all(statement, [...parameters]) as Row[]);
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    if (this.#writer.isInTransaction) {
      throw new TypeError("Cannot open a transaction of migrations: one is open already");
    }
    this.#writer.execute("pragma foreign_keys = off");
    try {
      await this.#patiently(() => this.#writer.execute("begin immediate"));
      const result = await work();
      this.#assertReferences();
      this.#writer.execute("commit");
      return result;
    } catch (error) {
      if (this.#writer.isInTransaction) this.#writer.execute("rollback");
      throw error;
    } finally {
      this.#writer.execute("pragma foreign_keys = on");
    }
  }

  #assertReferences(): void {
    const violations = this.#writer.all("pragma foreign_key_check", []);
    const [first] = violations;
    if (first === undefined) return;
    throw new DatabaseError(
      "other",
      `Cannot commit the migration: ${violations.length} rows refer to rows that don't exist, the first in table "${String(first["table"])}" to table "${String(first["parent"])}"`,
      { table: String(first["table"]) },
    );
  }

  #patiently<T>(run: () => T): Promise<T> {
    return retryWhileBusy(run, this.#waitMs);
  }
}
