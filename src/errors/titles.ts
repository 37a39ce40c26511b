import french from "./titles.fr.json";

const TITLES: Readonly<Record<string, Readonly<Record<string, string>>>> = { fr: french };

/** The languages that titles of problems are in, English first. */
export const TITLE_LANGUAGES: readonly string[] = ["en", ...Object.keys(TITLES)];

/** A title, and the language that it is in. */
export interface Title {
  readonly text: string;
  readonly language: string;
}

/** Returns what a status is called in a language; in English where that has no name for it, "Error" where none has. */
export function toTitle(status: number, language: string): Title {
  const text = TITLES[language]?.[status];
  if (text !== undefined) return { text, language };
  // The module is asked for when there is a first problem: it is much of a start, and not used otherwise.
  const english = process.getBuiltinModule("node:http").STATUS_CODES[status] ?? "Error";
  return { text: english, language: "en" };
}
