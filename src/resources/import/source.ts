import { fail } from "../../errors/codes.ts";
import type { AppError } from "../../errors/errors.ts";

export type Format = "csv" | "json" | "xlsx";

/** A file as it came. */
export interface ImportFile {
  readonly bytes: Uint8Array;
  readonly format: Format;
  /** What its sender says its text is written in; null where that wasn't said. */
  readonly charset: string | null;
}

/** A row as a file has it. */
export interface SourceRow {
  /** From 1: of a text its line, of a sheet the number of the row, of a list its place. */
  readonly line: number;
  /** By the place of their header; undefined for what isn't given. */
  readonly cells: readonly unknown[];
}

/** What a file holds, read piece by piece. */
export interface Source {
  readonly header: readonly string[];
  readonly pieces: AsyncIterable<readonly SourceRow[]>;
  /** How much of it has been read, from 0 to 1. */
  readonly readPart: () => number;
}

/** Columns of a file. */
export const MAX_COLUMNS = 500;

/** The error of a file that can't be read. */
export function unreadable(reason: string, cause?: unknown): AppError {
  return fail("validation_error", `Cannot read the file: ${reason}`, {
    errors: [{ path: "/body", code: "file", message: reason }],
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Opens a file by its format. @throws AppError validation_error for one that can't be read */
export async function openSource(file: ImportFile): Promise<Source> {
  if (file.format === "json") return (await import("./json-source.ts")).readJson(file);
  if (file.format === "xlsx") return (await import("./xlsx-source.ts")).readXlsx(file);
  return (await import("./csv-source.ts")).readCsv(file);
}

/** @throws AppError validation_error for no columns, for too many, and for those of one name */
export function assertHeader(header: readonly string[]): readonly string[] {
  if (header.length > MAX_COLUMNS)
    throw unreadable(`it has ${header.length} columns, and ${MAX_COLUMNS} are the most`);
  if (header.every((name) => name === "")) throw unreadable("its first row has no names of columns");
  const twice = header.find((name, at) => name !== "" && header.indexOf(name) !== at);
  if (twice !== undefined)
    throw unreadable(`it has two columns named ${JSON.stringify(twice.slice(0, 100))}`);
  return header;
}
