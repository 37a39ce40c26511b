import { fail } from "../../errors/codes.ts";
import type { AppError, InputProblem } from "../../errors/errors.ts";

/** What is wrong with a row of a file. */
export interface RowProblem extends InputProblem {
  readonly line: number;
  /** As the file has it; null for the row as a whole. */
  readonly column: string | null;
}

export type RowOutcome = "created" | "updated" | "unchanged" | "failed";

/** What has become of a file. */
export interface ImportReport {
  readonly dry_run: boolean;
  readonly total: number;
  readonly created: number;
  readonly updated: number;
  /** Those that were there with the same values. */
  readonly unchanged: number;
  readonly failed: number;
  /** The first 1,000. */
  readonly errors: readonly RowProblem[];
  /** Of a dry run, the first 1,000 rows. */
  readonly rows?: readonly { readonly line: number; readonly outcome: RowOutcome }[];
}

/** What is listed of a file. */
const MAX_LISTED = 1000;
/** What a refusal lists. */
const MAX_ERRORS = 64;

/** Counts what becomes of the rows of a file. */
export class ImportTally {
  readonly #isDry: boolean;
  #counts = { created: 0, updated: 0, unchanged: 0, failed: 0 };
  readonly #errors: RowProblem[] = [];
  readonly #rows: { line: number; outcome: RowOutcome }[] = [];

  /** @param before what has become of rows before, which it goes on from */
  constructor(isDry: boolean, before: ImportReport | null = null) {
    this.#isDry = isDry;
    if (before === null) return;
    const { created, updated, unchanged, failed, errors } = before;
    this.#counts = { created, updated, unchanged, failed };
    this.#errors.push(...errors);
  }

  get failed(): number {
    return this.#counts.failed;
  }

  get total(): number {
    const { created, updated, unchanged, failed } = this.#counts;
    return created + updated + unchanged + failed;
  }

  /** Whether there are more mistakes than anybody is told. */
  get isFull(): boolean {
    return this.#errors.length >= MAX_LISTED;
  }

  note(line: number, outcome: RowOutcome): void {
    this.#counts[outcome] += 1;
    if (this.#isDry && this.#rows.length < MAX_LISTED) this.#rows.push({ line, outcome });
  }

  noteProblems(line: number, problems: readonly RowProblem[]): void {
    this.note(line, "failed");
    if (!this.isFull) this.#errors.push(...problems);
  }

  toReport(): ImportReport {
    return {
      dry_run: this.#isDry,
      total: this.total,
      ...this.#counts,
      errors: this.#errors.slice(0, MAX_LISTED),
      ...(this.#isDry && { rows: this.#rows.toSorted((a, b) => a.line - b.line) }),
    };
  }
}

/** The error of a file with mistakes of which nothing is imported. */
export function toRefusal({ failed, errors }: ImportReport): AppError {
  const rows = failed === 1 ? "a row" : `${failed} rows`;
  return fail("validation_error", `Nothing was imported: ${rows} can't be, see errors`, {
    errors: errors.slice(0, MAX_ERRORS),
  });
}
