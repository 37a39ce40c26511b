import { isUrlName } from "../../snapshot/snapshot.ts";

const CODE = /\.([cm]?)([jt])s(x?)$/;
const DECLARATIONS = /\.d\.[cm]?ts$/;

/** Whether a file of a snapshot holds code, which may import other files. */
export function isCodeName(name: string): boolean {
  return CODE.test(toPath(name)) && !DECLARATIONS.test(toPath(name));
}

/**
 * Returns what a file imports, as it says it: all that the bundler may ask for, and at times more, since an import
 * of nothing but types is only told from another when it says so. Code that can't be parsed imports nothing: whoever
 * bundles it says where its mistake is.
 */
export function findImports(name: string, content: Uint8Array): string[] {
  if (!isCodeName(name)) return [];
  const [, , language, jsx] = CODE.exec(toPath(name)) ?? [];
  // In JavaScript Bun takes JSX whatever the ending is.
  const loader = language === "j" ? "jsx" : jsx === "x" ? "tsx" : "ts";
  const code = new TextDecoder().decode(content).replace(/^#!.*/, "");
  try {
    const imports = new Bun.Transpiler({ loader, target: "bun" }).scanImports(code);
    return [...new Set(imports.map(({ path }) => path))];
  } catch {
    return [];
  }
}

function toPath(name: string): string {
  return isUrlName(name) ? (URL.parse(name)?.pathname ?? "") : name;
}
