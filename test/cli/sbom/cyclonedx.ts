import { registerSchema, validate } from "@hyperjump/json-schema/draft-07";
import { join } from "node:path";

const SCHEMAS = join(import.meta.dir, "../../../node_modules/@cyclonedx/cyclonedx-library/res/schema");
const ORIGIN = "http://cyclonedx.org/schema/";
const FILES = ["bom-1.6", "spdx", "jsf-0.82"];

/** A component, as far as tests look at it. */
export interface Component {
  readonly type: string;
  readonly "bom-ref": string;
  readonly group?: string;
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses?: readonly { readonly license?: object; readonly expression?: string }[];
  readonly components?: readonly Component[];
  readonly externalReferences?: readonly { readonly type: string; readonly url: string }[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

/** What `xcore sbom` prints. */
export interface Bom {
  readonly serialNumber: string;
  readonly metadata: { readonly timestamp: string; readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
  readonly compositions: readonly { readonly aggregate: string; readonly assemblies: readonly string[] }[];
}

let registered: Promise<string> | null = null;

/** Lists what is wrong with a document: what the schema of CycloneDX 1.6 says, and references that lead nowhere. */
export async function findFaults(bom: Bom): Promise<string[]> {
  registered ??= registerSchemas();
  // oxlint-disable-next-line typescript/no-explicit-any -- JSON
  const result = (await validate(await registered))(bom as any, "BASIC");
  const broken = result.valid
    ? []
    : (result.errors ?? []).map((one) => `${one.instanceLocation} breaks ${one.absoluteKeywordLocation}`);
  const refs = listComponents(bom).map((one) => one["bom-ref"]);
  const known = new Set(refs);
  const named = [
    ...bom.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]),
    ...bom.compositions.flatMap(({ assemblies }) => assemblies),
  ];
  const lost = named.filter((ref) => !known.has(ref)).map((ref) => `${ref} leads nowhere`);
  return [...broken, ...lost, ...(known.size < refs.length ? ["a bom-ref stands twice"] : [])];
}

/** All components of a document, those inside of others too. */
export function listComponents({ metadata, components }: Bom): Component[] {
  const inside = (one: Component): Component[] => [one, ...(one.components ?? []).flatMap(inside)];
  return [metadata.component, ...components].flatMap(inside);
}

/** @returns what the schema of CycloneDX is called */
async function registerSchemas(): Promise<string> {
  for (const name of FILES) {
    const file = `${name}.SNAPSHOT.schema.json`;
    // oxlint-disable-next-line no-await-in-loop -- three, once
    const schema = (await Bun.file(join(SCHEMAS, file)).json()) as object;
    // By their files, which is how they refer to each other.
    registerSchema({ ...schema, $id: ORIGIN + file });
  }
  return `${ORIGIN}${FILES[0]}.SNAPSHOT.schema.json`;
}
