import { join } from "node:path";
import { BUILTIN_ROLES } from "../../../src/accounts/rights/builtin-roles.ts";
import { configKeys } from "../../../src/config/schema-node.ts";
import { CORE_PERMISSIONS } from "../../../src/accounts/rights/permission-catalog.ts";

const PROJECT = join(import.meta.dir, "../../..");
const LITERAL = String.raw`"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'`;
/** Whose first words tell people what they are. */
const COMPONENTS = "templates/components/";
/** `t("…")` of templates. */
const TRANSLATED = new RegExp(String.raw`\bt\(\s*(?:${LITERAL})`, "g");
/** `t(label)` of components, where `label` is one of their parameters. */
const BY_PARAMETER = /\bt\((\w+)[,)]/g;
/** `text("…")` of code. */
const MARKED = new RegExp(String.raw`\btext\(\s*(?:${LITERAL})`, "g");

/** All English texts of xcore's own pages that are translated, with where each is found. */
export async function findTexts(): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const file of new Bun.Glob("templates/**/*.html").scanSync(PROJECT)) {
    const source = await Bun.file(join(PROJECT, file)).text();
    for (const [, double, single] of source.matchAll(TRANSLATED))
      texts.set(unescape(double ?? single ?? ""), file);
    const [, description] = /^\{#\s+([^]*?)\s+#\}/.exec(file.startsWith(COMPONENTS) ? source : "") ?? [];
    if (description !== undefined) texts.set(description.replaceAll(/\s+/g, " "), file);
    const [, props = ""] = /\{% props\s+([^]*?)\s*%\}/.exec(source) ?? [];
    for (const [, name = ""] of source.matchAll(BY_PARAMETER)) {
      const [, text] = new RegExp(String.raw`\b${name}="([^"]*)"`).exec(props) ?? [];
      if (text !== undefined) texts.set(text, file);
    }
  }
  for (const { node } of configKeys()) texts.set(node.description ?? "", "src/config/schema.ts");
  for (const text of Object.values(CORE_PERMISSIONS))
    texts.set(text, "src/accounts/rights/permission-catalog.ts");
  for (const { description } of BUILTIN_ROLES) texts.set(description, "src/accounts/rights/builtin-roles.ts");
  for (const file of new Bun.Glob("src/**/*.ts").scanSync(PROJECT)) {
    const source = await Bun.file(join(PROJECT, file)).text();
    for (const [, double, single] of source.matchAll(MARKED))
      texts.set(unescape(double ?? single ?? ""), file);
  }
  return texts;
}

/** The translations that xcore brings: "fr" of texts, "fr.errors" of what errors say. */
export async function readCatalogue(language: string): Promise<Readonly<Record<string, string>>> {
  return (await Bun.file(join(PROJECT, `templates/languages/${language}.json`)).json()) as Record<
    string,
    string
  >;
}

function unescape(literal: string): string {
  return literal.replaceAll(/\\(.)/g, "$1");
}
