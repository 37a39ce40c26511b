import { toPrintable } from "../../errors/printable.ts";
import { redactText } from "../../log/redact.ts";
import type { PluginRecord } from "../inventory/record.ts";

/** A line of a plugin's own source. */
export interface ExcerptLine {
  readonly line: number;
  readonly text: string;
}

const AROUND = 3; // lines before and after
const MAX_LENGTH = 300; // characters of a line
const MAX_BYTES = 1_000_000;

/** Returns the lines around the place where a plugin has failed; null where that is no line of a file that is here. */
export async function readExcerpt({ failure, files, source }: PluginRecord): Promise<ExcerptLine[] | null> {
  if (failure === null || failure.file === null || failure.line === null || files === null) return null;
  const { file, line } = failure;
  const isWithin = file.startsWith(`${source.shown}/`) && !files.isSingleFile;
  if (!isWithin && !(files.isSingleFile && file === source.shown)) return null;
  const name = isWithin ? file.slice(source.shown.length + 1) : source.basename;
  if (name.split("/").includes("..")) return null;
  const bytes = await files.read(name).catch(() => null);
  if (bytes === null || bytes.byteLength > MAX_BYTES) return null;
  const lines = new TextDecoder().decode(bytes).split("\n");
  const first = Math.max(1, line - AROUND);
  return lines.slice(first - 1, line + AROUND).map((text, at) => ({
    line: first + at,
    text: redactText(toPrintable(text.trimEnd().slice(0, MAX_LENGTH).toWellFormed())),
  }));
}
