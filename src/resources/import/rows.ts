import { type TSchema } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { and, type Column, inArray } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import type { Transaction } from "../../db/contract/database.ts";
import { kindOf } from "../../db/schema/column-kind.ts";
import { findProblems } from "../../errors/input-problems.ts";
import type { InputProblem } from "../../errors/errors.ts";
import type { Access } from "../access/access.ts";
import type { Row } from "../reading/expand.ts";
import type { Plan, Target } from "./plan.ts";
import type { RowProblem } from "./report.ts";
import type { Format, SourceRow } from "./source.ts";
import { toValue } from "./values.ts";

/** A row of a file, and what is to be done with it. */
export type PlannedRow =
  | { readonly line: number; readonly does: "create"; readonly values: Row }
  | { readonly line: number; readonly does: "update"; readonly values: Row; readonly before: Row }
  | { readonly line: number; readonly does: "fail"; readonly problems: readonly RowProblem[] };

interface Draft {
  readonly line: number;
  readonly values: Row;
  readonly problems: RowProblem[];
}

/** Lines of a file by the keys that stand there. */
export type SeenKeys = Map<unknown, number>;

export interface RowPlannerOptions {
  readonly access: Access;
  readonly plan: Plan;
  readonly format: Format;
  readonly seen: SeenKeys;
}

/** Turns rows of a file into what is to be written, by the schemas of single writes. */
export class RowPlanner {
  readonly #access: Access;
  readonly #plan: Plan;
  readonly #format: Format;
  readonly #checkNew: TypeCheck<TSchema>;
  readonly #checkChange: TypeCheck<TSchema>;
  readonly #moments: readonly string[];
  readonly #seen: SeenKeys;

  constructor({ access, plan, format, seen }: RowPlannerOptions) {
    this.#access = access;
    this.#plan = plan;
    this.#format = format;
    this.#seen = seen;
    this.#checkNew = TypeCompiler.Compile(plan.newSchema);
    this.#checkChange = TypeCompiler.Compile(plan.changeSchema);
    this.#moments = [...access.resource.columns]
      .filter(([, column]) => kindOf(column).type === "timestamp")
      .map(([name]) => name);
  }

  async plan(rows: readonly SourceRow[], tx: Transaction): Promise<PlannedRow[]> {
    const drafts = rows.map((row) => this.#draft(row));
    for (const target of this.#plan.targets) {
      // oxlint-disable-next-line no-await-in-loop -- one query for each reference, however many rows
      if (target.reference !== null) await this.#refer(target, drafts, tx);
    }
    const found = await this.#find(drafts, tx);
    return drafts.map((draft) => this.#decide(draft, found));
  }

  /** Takes note of rows that are dealt with. */
  pass(rows: readonly SourceRow[]): void {
    for (const row of rows) this.#look(this.#draft(row));
  }

  /** What is wrong, in the words of the file. */
  toRowProblems(line: number, problems: readonly InputProblem[]): RowProblem[] {
    return problems.map(({ path, code, message }) => {
      const name = path.split("/")[1] ?? "";
      const column = this.#plan.targets.find((target) => target.name === name)?.header ?? null;
      const where = column === null ? `Line ${line}` : `Line ${line}, column ${JSON.stringify(column)}`;
      const at = path === "" ? `/lines/${line}` : `/lines/${line}${path}`;
      return { line, column, path: at, code, message: `${where}: ${message}` };
    });
  }

  #draft({ line, cells }: SourceRow): Draft {
    const values: Row = {};
    const { targets } = this.#plan;
    for (const { at, name, column } of targets) {
      const value = toValue(column, cells[at], this.#format);
      if (value !== undefined) values[name] = value;
    }
    return { line, values, problems: this.#findSurplus(line, cells) };
  }

  /** Cells of CSV beyond its header: most often a text with a delimiter and without quotes, by which all that follows is shifted. */
  #findSurplus(line: number, cells: readonly unknown[]): RowProblem[] {
    const { width } = this.#plan;
    if (this.#format !== "csv" || !cells.slice(width).some((cell) => String(cell).trim() !== "")) return [];
    const message = `Expected ${width} cells, as there are names of columns, found ${cells.length}: a text with a delimiter in it stands in quotes`;
    return this.toRowProblems(line, [{ path: "", code: "too_many", message }]);
  }

  /** Puts the keys of rows in the place of what they are called by. */
  async #refer(
    { name, column, reference }: Target,
    drafts: readonly Draft[],
    tx: Transaction,
  ): Promise<void> {
    if (reference === null) return;
    const { view, to } = reference;
    const asked = new Set(drafts.map(({ values }) => values[name]).filter((value) => isAsked(column, value)));
    const rows =
      asked.size === 0
        ? []
        : ((await tx
            .select({ key: to as PgColumn, by: column as PgColumn })
            .from(view.table as PgTable)
            .where(and(inArray(column, [...asked]), view.rows))) as { key: unknown; by: unknown }[]);
    const keys = new Map(rows.map(({ key, by }) => [by, key]));
    for (const { line, values, problems } of drafts) {
      const value = values[name];
      if (value === undefined || value === null) continue;
      const key = keys.get(value);
      if (key !== undefined) values[name] = key;
      else {
        const message = `There is no such row: ${JSON.stringify(value)?.slice(0, 100)}`;
        problems.push(
          ...this.toRowProblems(line, [{ path: `/${name}`, code: "missing_reference", message }]),
        );
      }
    }
  }

  /** The rows that are there, by their key. */
  async #find(drafts: readonly Draft[], tx: Transaction): Promise<ReadonlyMap<unknown, Row>> {
    const { key } = this.#plan;
    if (key === null) return new Map();
    const { resource } = this.#access;
    const asked = new Set(
      drafts.map(({ values }) => values[key.name]).filter((value) => isAsked(key.column, value)),
    );
    if (asked.size === 0) return new Map();
    const rows = (await tx
      .select()
      .from(resource.table as PgTable)
      .where(and(inArray(key.column, [...asked]), this.#access.rows("read")))) as Row[];
    return new Map(rows.map((row) => [row[key.name], row]));
  }

  /** The key of a row, and the line before it where that stands as well. */
  #look({ line, values }: Draft): { readonly id: unknown; readonly twice: number | undefined } {
    const { key } = this.#plan;
    const id = key === null ? null : (toStored(key.column, values[key.name]) ?? null);
    const twice = id === null ? undefined : this.#seen.get(id);
    if (id !== null && twice === undefined) this.#seen.set(id, line);
    return { id, twice };
  }

  #decide(draft: Draft, found: ReadonlyMap<unknown, Row>): PlannedRow {
    const { line, values, problems } = draft;
    const { id, twice } = this.#look(draft);
    if (problems.length > 0) return { line, does: "fail", problems };
    const { key, newSchema, changeSchema } = this.#plan;
    const fail = (...all: InputProblem[]): PlannedRow => ({
      line,
      does: "fail",
      problems: this.toRowProblems(line, all),
    });
    if (key !== null && id !== null) {
      const path = `/${key.name}`;
      if (twice !== undefined)
        return fail({ path, code: "repeated", message: `The same value stands at line ${twice}` });
      const before = found.get(id);
      if (before !== undefined) {
        delete values[key.name];
        const moved = this.#dropState(values, before);
        if (moved !== null) return fail(moved);
        if (Object.keys(values).length > 0 && !this.#checkChange.Check(values))
          return fail(...findProblems(changeSchema, values));
        return { line, does: "update", before, values: this.#decode(values) };
      }
      if (!(key.name in newSchema.properties))
        return fail({
          path,
          code: "not_found",
          message: `There is no row ${JSON.stringify(id)?.slice(0, 100)}`,
        });
    }
    if (!this.#checkNew.Check(values)) return fail(...findProblems(newSchema, values));
    return { line, does: "create", values: this.#decode(values) };
  }

  /** Takes the state of a row that is there out of what becomes of it; returns what is wrong where it is another one. */
  #dropState(values: Row, before: Row): InputProblem | null {
    const { resource, visible } = this.#access;
    const { workflow, singular } = resource;
    const name = workflow?.column.name;
    if (name === undefined || !(name in values)) return null;
    const value = values[name];
    delete values[name];
    // One that is hidden isn't to be guessed.
    if (visible.has(name) && value === before[name]) return null;
    const message = `The ${singular} is there in another state, and comes to this one by steps alone`;
    return { path: `/${name}`, code: "read_only", message };
  }

  #decode(values: Row): Row {
    for (const name of this.#moments) {
      const value = values[name];
      if (typeof value === "string") values[name] = new Date(value);
    }
    return values;
  }
}

/** A value as the column has it: a UUID in small letters, a decimal with all of its digits. */
function toStored(column: Column, value: unknown): unknown {
  return isAsked(column, value) ? column.mapFromDriverValue(column.mapToDriverValue(value)) : value;
}

/** Whether the database may be asked for rows with this value. */
function isAsked(column: Column, value: unknown): boolean {
  if (value === null || value === undefined || typeof value === "object") return false;
  try {
    column.mapToDriverValue(value);
    return true;
  } catch {
    return false;
  }
}
