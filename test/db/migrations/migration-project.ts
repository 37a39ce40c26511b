import { join } from "node:path";
import { sql } from "drizzle-orm";
import pino from "pino";
import { applyMigrations } from "../../../src/db/migrations/apply.ts";
import {
  type GeneratedMigration,
  generateMigration,
  type GenerateOptions,
} from "../../../src/db/migrations/generate/generate.ts";
import { parseRename } from "../../../src/db/migrations/generate/renames.ts";
import { type Migration, readMigrations } from "../../../src/db/migrations/files.ts";
import { createSchemaModule, type SchemaModule } from "../../../src/db/schema/schema.ts";
import type { DialectTest } from "../../database-servers.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

/** Declares the tables of a plugin, as its schema.ts would. */
export type Declare = (schema: SchemaModule) => Record<string, unknown>;

/** Message of the error that a promise rejects with; throws when it doesn't. */
export async function failureOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof Error) return error.message;
  throw new Error(`Not rejected with an error: ${JSON.stringify(error)}`);
}

function toText(value: unknown): string | null {
  if (value === null) return null;
  return typeof value === "string" ? value : JSON.stringify(value);
}

type Row = Record<string, unknown>;

/** A plugin whose tables change: its migrations are generated for every dialect and applied on the test's. */
export class MigrationProject {
  readonly folder: string;
  readonly owner: string;
  readonly #test: DialectTest;

  constructor(test: DialectTest, owner = "blog") {
    this.#test = test;
    this.owner = owner;
    this.folder = join(test.folder.path, owner, "drizzle");
  }

  generate(declare: Declare, options: Partial<GenerateOptions> = {}): Promise<GeneratedMigration | null> {
    const schemaFor: GenerateOptions["schemaFor"] = async (dialect) =>
      declare(createSchemaModule(TABLE_MAKERS[dialect]));
    return generateMigration({ folder: this.folder, schemaFor, ...options });
  }

  /** Generates what has changed, writes it and applies it. */
  async change(declare: Declare, ...renames: string[]): Promise<GeneratedMigration> {
    const migration = await this.generate(declare, { renames: renames.map(parseRename) });
    if (migration === null) throw new Error("Nothing has changed");
    await migration.write();
    try {
      await this.apply();
    } catch (error) {
      throw new Error(`${String(error)}\n${migration.statements[this.#test.dialect].join(";\n")}`, {
        cause: error,
      });
    }
    return migration;
  }

  read(): Promise<Migration[]> {
    return readMigrations(this.folder, this.#test.dialect);
  }

  /** @returns the names of what was applied */
  async apply(): Promise<string[]> {
    const options = { owner: this.owner, migrations: await this.read(), log: pino({ level: "silent" }) };
    return (await applyMigrations(this.#test.driver, options)).applied;
  }

  /** Runs SQL whose names need no quotes; booleans come as they are. */
  run(text: string): Promise<Row[]> {
    return this.#test.driver.toDatabase({}).execute(sql.raw(text));
  }

  /** Values of a query, as text, so that they are the same on every database. */
  async values(text: string): Promise<(string | null)[][]> {
    const rows = await this.run(text);
    return rows.map((row) => Object.values(row).map((value) => toText(value)));
  }

  /** Why a statement is refused; throws when it isn't. */
  async refusal(text: string): Promise<string> {
    try {
      await this.run(text);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    throw new Error(`Not refused: ${text}`);
  }
}
