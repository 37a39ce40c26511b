import type { InstalledPackage, PluginContents } from "../../plugins/contents/contents.ts";
import { type Licenses, toLicenses } from "./licenses.ts";

/** What a list of contents is made from. */
export interface Contents {
  readonly version: string;
  /** SHA-256 of the executable, in hex; null when xcore runs from its sources. */
  readonly digest: string | null;
  readonly bundled: readonly InstalledPackage[];
  readonly plugins: readonly PluginContents[];
}

/** A component of CycloneDX, as far as it is used here. */
interface Component {
  readonly type: "application" | "library" | "platform";
  readonly "bom-ref": string;
  readonly group?: string;
  readonly name: string;
  readonly version?: string;
  readonly description?: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses?: Licenses;
  readonly purl?: string;
  readonly externalReferences?: readonly { readonly type: "distribution"; readonly url: string }[];
  readonly components?: readonly Component[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

const XCORE = "xcore";
const XCORE_LICENSE = "MIT";
const BUN = "bun";
const ALGORITHMS: Readonly<Record<string, string>> = {
  sha1: "SHA-1",
  sha256: "SHA-256",
  sha384: "SHA-384",
  sha512: "SHA-512",
};

/** Writes contents as CycloneDX 1.6 (ECMA-424). The same give the same, but for `serialNumber` and the time. */
export function toCycloneDx({ version, digest, bundled, plugins }: Contents) {
  const incomplete = plugins.filter(({ faults }) => faults.length > 0).map(toRef);
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${crypto.randomUUID()}`,
    version: 1,
    metadata: {
      timestamp: new Date().toISOString(),
      tools: { components: [{ type: "application", name: XCORE, version }] },
      component: {
        type: "application",
        "bom-ref": XCORE,
        name: XCORE,
        version,
        ...(digest !== null && { hashes: [{ alg: "SHA-256", content: digest }] }),
        licenses: toLicenses(XCORE_LICENSE),
      } satisfies Component,
    },
    components: [bunComponent(), ...bundled.map((one) => toPackage(XCORE, one)), ...plugins.map(toPlugin)],
    dependencies: [
      { ref: XCORE, dependsOn: [BUN, ...toTops(XCORE, bundled), ...plugins.map(toRef)] },
      ...bundled.map((one) => toEdges(XCORE, one)),
      ...plugins.flatMap((plugin) => [
        {
          ref: toRef(plugin),
          dependsOn: [...toTops(toRef(plugin), plugin.packages), ...toOthers(plugin, plugins)],
        },
        ...plugin.packages.map((one) => toEdges(toRef(plugin), one)),
      ]),
    ],
    compositions: [
      { aggregate: "unknown", assemblies: [BUN] },
      ...(incomplete.length > 0 ? [{ aggregate: "incomplete", assemblies: incomplete }] : []),
    ],
  };
}

function bunComponent(): Component {
  return {
    type: "platform",
    "bom-ref": BUN,
    name: "bun",
    version: Bun.version,
    licenses: toLicenses("MIT"),
    purl: `pkg:github/oven-sh/bun@bun-v${Bun.version}`,
    properties: [{ name: "xcore:revision", value: Bun.revision }],
  };
}

function toPackage(owner: string, { path, name, version, license, integrity }: InstalledPackage): Component {
  const [, group, bare = name] = /^(@[^/]+)\/(.+)$/.exec(name) ?? [];
  const place = [group, bare].flatMap((part) => (part === undefined ? [] : encodeURIComponent(part)));
  return {
    type: "library",
    "bom-ref": `${owner}/${path}`,
    ...(group !== undefined && { group }),
    name: bare,
    ...(version !== null && { version }),
    ...(integrity !== null && { hashes: [toHash(integrity)] }),
    ...(license !== null && { licenses: toLicenses(license) }),
    purl: `pkg:npm/${place.join("/")}${version === null ? "" : `@${encodeURIComponent(version)}`}`,
  };
}

function toPlugin(plugin: PluginContents): Component {
  const { name, source, manifest, integrity, packages } = plugin;
  const { remote, isActive } = source;
  const properties = {
    "xcore:active": String(isActive && manifest?.active !== false),
    "xcore:integrity": integrity,
    "xcore:source": remote === null ? source.shown : null,
  };
  return {
    type: "library",
    "bom-ref": toRef(plugin),
    name,
    ...(manifest !== null && { version: manifest.version }),
    ...(manifest?.description != null && { description: manifest.description }),
    ...(integrity !== null && { hashes: [toHash(integrity)] }),
    ...(remote !== null && {
      externalReferences: remote.places.map((place) => ({ type: "distribution", url: toPublicUrl(place) })),
    }),
    ...(packages.length > 0 && { components: packages.map((one) => toPackage(toRef(plugin), one)) }),
    properties: Object.entries(properties).flatMap(([key, value]) =>
      value === null ? [] : [{ name: key, value }],
    ),
  };
}

function toRef({ id }: PluginContents): string {
  return `plugin:${id}`;
}

/** References of the packages that no other package needs. */
function toTops(owner: string, packages: readonly InstalledPackage[]): string[] {
  const needed = new Set(packages.flatMap(({ path, needs }) => needs.filter((one) => one !== path)));
  return packages.filter(({ path }) => !needed.has(path)).map(({ path }) => `${owner}/${path}`);
}

function toEdges(owner: string, { path, needs }: InstalledPackage) {
  return { ref: `${owner}/${path}`, dependsOn: needs.map((one) => `${owner}/${one}`) };
}

/** References of the other plugins that a plugin imports. */
function toOthers({ manifest }: PluginContents, plugins: readonly PluginContents[]): string[] {
  return plugins.filter(({ name }) => Object.hasOwn(manifest?.dependencies ?? {}, name)).map(toRef);
}

function toHash(integrity: string): { alg: string; content: string } {
  const [algorithm = "", encoded = ""] = integrity.split("-", 2);
  return { alg: ALGORITHMS[algorithm] ?? algorithm, content: Buffer.from(encoded, "base64").toString("hex") };
}

/** Where something is, without what a URL may hold of secrets: user, password, query. */
function toPublicUrl(place: string): string {
  const url = URL.parse(place);
  if (url === null || url.host === "") return encodeURI(place).replaceAll("#", "%23").replaceAll("?", "%3F");
  for (const part of ["username", "password", "search", "hash"] as const) url[part] = "";
  return url.href;
}
