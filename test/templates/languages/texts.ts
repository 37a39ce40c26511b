import { join } from "node:path";

const PROJECT = join(import.meta.dir, "../../..");
const LITERAL = String.raw`"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'`;
/** `t("…")` of templates. */
const TRANSLATED = new RegExp(String.raw`\bt\(\s*(?:${LITERAL})`, "g");
/** `t(label)` of components, where `label` is one of their parameters. */
const BY_PARAMETER = /\bt\((\w+)[,)]/g;
/** `text("…")` of code. */
const MARKED = new RegExp(String.raw`\btext\(\s*(?:${LITERAL})`, "g");

/** What the API says most often of what it refuses, as pages show it. */
const API_TEXTS = [
  "The request is not valid: see errors",
  "Required, but missing",
  "Not valid",
  "You can't set this",
  "Sent more than once",
  "Nothing is served at this path",
  "The email, the password or the code is wrong",
  "The current password is wrong",
  "There is an account with this email already",
  "This email was another account's until lately, and can be taken back for a week",
  "Your email is yet to be verified: follow the link that was mailed to you, or have it sent again",
  "Give a password, of at most 1024 characters, and open the link as it was sent",
  "The code is wrong, or was used already",
  "The provider doesn't answer as it should: try again later",
  "The provider doesn't let you sign in, or you have cancelled it",
  "This browser hasn't begun to sign in here, or too long ago: sign in again",
  "This isn't the answer to how you began to sign in: sign in again",
  "What the provider has answered isn't valid, or was used before: sign in again",
  "The provider doesn't say that your email is verified: verify it there first",
  "There is no account here for your email: ask an administrator for one",
  "Your account here isn't active: ask an administrator",
  "Only emails of some domains sign in here, and yours isn't of one",
  "Accounts of your organization don't sign in here",
  "The provider knows somebody else than who is signed in here",
  "The provider hasn't asked who you are: sign out there, and try again",
  "There is nothing to link, or it took too long: begin again",
  "This was begun for another account: sign in to that one to link it",
  "The provider's account is linked to an account here already",
  "There is no provider of this name to sign in by",
  "The row has changed since it was read: look at it, and change it again",
];

/** All English texts of xcore's own pages that are translated, with where each is found. */
export async function findTexts(): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const file of new Bun.Glob("templates/**/*.html").scanSync(PROJECT)) {
    const source = await Bun.file(join(PROJECT, file)).text();
    for (const [, double, single] of source.matchAll(TRANSLATED)) texts.set(unescape(double ?? single ?? ""), file);
    const [, props = ""] = /\{% props\s+([^]*?)\s*%\}/.exec(source) ?? [];
    for (const [, name = ""] of source.matchAll(BY_PARAMETER)) {
      const [, text] = new RegExp(String.raw`\b${name}="([^"]*)"`).exec(props) ?? [];
      if (text !== undefined) texts.set(text, file);
    }
  }
  for (const file of new Bun.Glob("src/**/*.ts").scanSync(PROJECT)) {
    const source = await Bun.file(join(PROJECT, file)).text();
    for (const said of API_TEXTS) if (source.includes(JSON.stringify(said))) texts.set(said, file);
    for (const [, double, single] of source.matchAll(MARKED)) texts.set(unescape(double ?? single ?? ""), file);
  }
  return texts;
}

/** The translations that xcore brings of a language. */
export async function readCatalogue(language: string): Promise<Readonly<Record<string, string>>> {
  return (await Bun.file(join(PROJECT, `templates/languages/${language}.json`)).json()) as Record<string, string>;
}

function unescape(literal: string): string {
  return literal.replaceAll(/\\(.)/g, "$1");
}
