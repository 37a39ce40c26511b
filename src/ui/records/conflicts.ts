import { type Sent, sentValue, textsOf } from "./fields.ts";
import type { Column, Row } from "./records.ts";

/** A field that is another one in the row by now than in a form. */
export interface Conflict {
  readonly column: string;
  readonly label: string;
  readonly mine: string;
  readonly theirs: string;
  /** Whether whoever has sent the form has changed it themselves. */
  readonly isMine: boolean;
}

interface Versions {
  readonly typed: Readonly<Record<string, string>>;
  /** What the form was filled with. */
  readonly original: Readonly<Record<string, unknown>>;
  readonly current: Row;
  /** Of files that the row doesn't have yet, by column. */
  readonly names: Readonly<Record<string, string>>;
}

/** What is to be chosen between: what somebody has typed, and what somebody else has saved meanwhile. */
export function toConflicts(
  columns: readonly Column[],
  { typed, original, current, names }: Versions,
): Conflict[] {
  const saved = textsOf(columns, current);
  const all = columns.filter(({ name }) => typed[name] !== undefined && typed[name] !== saved[name]);
  // What they haven't touched is theirs no more than mine; where that is all, they have changed what the form hasn't.
  const touched = all.filter(({ name }) => saved[name] !== original[name]);
  return (touched.length > 0 ? touched : all).map(({ name, label, kind }) => {
    const [mine = "", theirs = ""] = [typed[name], saved[name]];
    const isMine = mine !== original[name];
    if (kind !== "file") return { column: name, label, mine, theirs, isMine };
    // People know files by their names.
    const file = current[name] as { readonly name: string } | null;
    const named = { mine: mine === "" ? "" : (names[name] ?? ""), theirs: file?.name ?? "" };
    return { column: name, label, ...named, isMine };
  });
}

/** What a form has sent, without the fields for which somebody has chosen what is there. */
export function withoutTheirs(texts: Readonly<Record<string, string>>, sent: Sent): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).filter(([name]) => sentValue(sent, `c-${name}`) !== "theirs"),
  );
}
