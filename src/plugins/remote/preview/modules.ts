import { extname } from "node:path";
import type { ExportNamedDeclaration, ImportDeclaration, Program } from "acorn";
import { parseProgram } from "../../source/program.ts";
import { CodeEvaluator, DEFAULT } from "./evaluator.ts";
import { type CodeModule, type CodeRouter, CodeScope, type CodeValue } from "./values.ts";
import { nameImport, type Snapshot } from "../../snapshot/snapshot.ts";

const LOADERS: Readonly<Record<string, "ts" | "tsx" | "js" | "jsx">> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".js": "jsx",
  ".mjs": "jsx",
  ".cjs": "jsx",
  ".jsx": "jsx",
};
const ENDINGS = ["", ".tsx", ".ts", ".jsx", ".js", ".mts", ".mjs", "/index.tsx", "/index.ts", "/index.js"];
const MAX_BYTES = 4 * 1024 * 1024; // of code that is read: it takes up to a second a MiB, in which the server waits
const FACTORY = { kind: "factory" } as const;
/** What the host's modules export that makes routers. */
const HOST_EXPORTS = new Map<string, CodeModule["exports"]>([
  ["xcore", new Map([["createRouter", FACTORY]])],
  [
    "elysia",
    new Map([
      ["Elysia", FACTORY],
      ["default", FACTORY],
    ]),
  ],
]);

/** Whether a file of a plugin holds code that may run: no declarations, and no tests. */
export function isCodeFile(name: string): boolean {
  return extnameOf(name) in LOADERS && !/\.d\.[cm]?ts$|\.test\.[jt]sx?$/.test(name);
}

/** The code files of a plugin, linked by their imports and read without being run. */
export class CodeModules {
  readonly #snapshot: Pick<Snapshot, "files" | "redirects">;
  readonly #evaluator = new CodeEvaluator();
  readonly #exports = new Map<string, Map<string, CodeValue>>();
  #bytes = 0;
  /** Whether all of the code could be read. */
  isComplete = true;

  constructor(snapshot: Pick<Snapshot, "files" | "redirects">) {
    this.#snapshot = snapshot;
  }

  /** Reads every code file; returns the routers that they build. */
  read(): readonly CodeRouter[] {
    for (const name of this.#snapshot.files.keys()) if (isCodeFile(name)) this.#exportsOf(name);
    if (!this.#evaluator.readUncalled()) this.isComplete = false;
    return this.#evaluator.routers;
  }

  #exportsOf(name: string): ReadonlyMap<string, CodeValue> {
    const known = this.#exports.get(name);
    if (known !== undefined) return known;
    const exports = new Map<string, CodeValue>();
    this.#exports.set(name, exports); // modules may import each other
    const content = this.#snapshot.files.get(name) ?? new Uint8Array();
    this.#bytes += content.length;
    try {
      if (this.#bytes > MAX_BYTES) this.isComplete = false;
      else this.#link(parseProgram(new TextDecoder().decode(content), loaderOf(name)), name, exports);
    } catch {
      this.isComplete = false; // no code, or nested too deep
    }
    return exports;
  }

  #link(program: Program, name: string, exports: Map<string, CodeValue>): void {
    const scope = new CodeScope(null);
    const importModule = (specifier: string) => this.#import(name, specifier);
    for (const statement of program.body) {
      if (statement.type === "ImportDeclaration")
        bindImports(statement, scope, importModule(sourceOf(statement)));
    }
    if (!this.#evaluator.readModule(program, scope, importModule)) this.isComplete = false;
    for (const statement of program.body) {
      if (statement.type === "ExportDefaultDeclaration") exports.set("default", scope.find(DEFAULT));
      if (statement.type === "ExportAllDeclaration") {
        for (const [key, value] of importModule(sourceOf(statement)) ?? []) {
          if (key !== "default" && !exports.has(key)) exports.set(key, value);
        }
      }
      if (statement.type !== "ExportNamedDeclaration") continue;
      const from = statement.source ? (importModule(sourceOf(statement)) ?? new Map()) : null;
      for (const [key, local] of exportedNames(statement)) {
        exports.set(key, from === null ? scope.find(local) : (from.get(local) ?? null));
      }
    }
  }

  #import(importer: string, specifier: string): ReadonlyMap<string, CodeValue> | null {
    const host = HOST_EXPORTS.get(specifier);
    if (host !== undefined) return host;
    const meant = nameImport(importer, specifier);
    if (meant === null) return null;
    const stem = meant.replace(/\.[cm]?jsx?$/, "");
    const names = [...ENDINGS.map((ending) => meant + ending), `${stem}.ts`, `${stem}.tsx`];
    const { files, redirects } = this.#snapshot;
    const found = names.map((name) => redirects.get(name) ?? name).find((name) => files.has(name));
    return found === undefined || !isCodeFile(found) ? null : this.#exportsOf(found);
  }
}

function loaderOf(name: string): "ts" | "tsx" | "js" | "jsx" {
  return LOADERS[extnameOf(name)] ?? "ts";
}

function bindImports(
  { specifiers }: ImportDeclaration,
  scope: CodeScope,
  exports: CodeModule["exports"] | null,
): void {
  for (const specifier of specifiers) {
    const { name } = specifier.local;
    if (exports === null) scope.declare(name, null);
    else if (specifier.type === "ImportNamespaceSpecifier") scope.declare(name, { kind: "module", exports });
    else if (specifier.type === "ImportDefaultSpecifier") scope.declare(name, exports.get("default") ?? null);
    else scope.declare(name, exports.get(toName(specifier.imported)) ?? null);
  }
}

/** The names that a statement exports, each with that of the variable, or of what it takes from elsewhere. */
function exportedNames({ declaration, specifiers }: ExportNamedDeclaration): [string, string][] {
  const names = specifiers.map(({ exported, local }): [string, string] => [toName(exported), toName(local)]);
  if (declaration?.type === "VariableDeclaration") {
    for (const { id } of declaration.declarations)
      if (id.type === "Identifier") names.push([id.name, id.name]);
  } else if (declaration) names.push([declaration.id.name, declaration.id.name]);
  return names;
}

function toName(node: ExportNamedDeclaration["specifiers"][number]["exported"]): string {
  return node.type === "Identifier" ? node.name : String(node.value);
}

function sourceOf({ source }: { readonly source?: { readonly value?: unknown } | null }): string {
  return String(source?.value);
}

/** The extension of a file, that of a URL without its query. */
function extnameOf(name: string): string {
  return extname(name.replace(/[?#].*$/, ""));
}
