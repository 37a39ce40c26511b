import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import manifest from "../../../package.json" with { type: "json" };
import { toLicenses } from "../../../src/cli/sbom/licenses.ts";
import { readBunLock } from "../../../src/plugins/packages/lockfile.ts";
import { PackagesProject } from "../../plugins/packages/packages-project.ts";
import { TestRegistry } from "../../plugins/packages/registry.ts";
import { PluginHost } from "../../plugins/remote/plugin-host.ts";
import { TestFolder } from "../../setup.ts";
import { FROM_SOURCES } from "../xcore-command.ts";
import { type Finished, xcore } from "../xcore-process.ts";
import { type Bom, type Component, findFaults } from "./cyclonedx.ts";

setDefaultTimeout(120_000);

const TAX = { dependencies: { "@acme/tax": "^2.0.0" }, devDependencies: { builder: "1.0.0" } };
const PACKAGES = {
  "@acme/tax@2.1.0": {
    "package.json": { license: "Apache-2.0 OR MIT", main: "tax.js", dependencies: { rates: "^1.0.0" } },
    "tax.js": 'module.exports = require("rates");',
  },
  "rates@1.0.0": { "package.json": { licenses: [{ type: "ISC" }] }, "index.js": "exports.rate = 19;" },
  "builder@1.0.0": { "index.js": "" },
};
const RUN =
  'import { rate } from "@acme/tax";\nimport { createRouter } from "xcore";\nthrow new Error("run");\n' +
  'export default createRouter().get("/", () => ({ rate }));\n';

test("xcore sbom lists plugins and their npm packages, with digests, hashes and licences", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const bunLock = await project.lock(TAX);
  const files = {
    "plugin.json": { name: "tax", version: "1.2.0", description: "Taxes", dependencies: { rules: "^1.0.0" } },
    "package.json": TAX,
    "bun.lock": bunLock,
    "run.ts": RUN,
  };
  await using host = new PluginHost();
  const pinned = host.publish("/tax", files);
  const rules = host.publish("/rules", {
    "plugin.json": { name: "rules", version: "1.0.0" },
    "run.ts": 'export { default } from "elysia";\n',
  });
  const secret = `${rules.url}?token=hunter2`;
  await project.folder.write({
    ...below("plugins/tax", files),
    "plugins/hello.ts": 'export const PLUGIN_INFO = { name: "hello", version: "0.1.0", active: false };\n',
    "config.json": { plugins: { remote: { rules: { url: secret, integrity: rules.integrity } } } },
  });
  const result = await sbom(project.folder);
  expect(result.stderr).toBe("");
  expect(result.code).toBe(0);
  const bom = JSON.parse(result.stdout) as Bom;
  expect(await findFaults(bom)).toEqual([]);

  const tax = find(bom, "plugin:tax");
  expect(tax).toMatchObject({ type: "library", name: "tax", version: "1.2.0", description: "Taxes" });
  expect(propertiesOf(tax)).toEqual({
    "xcore:active": "true",
    "xcore:integrity": pinned.integrity, // what the same files are pinned to elsewhere
    "xcore:source": "plugins/tax",
  });
  expect(tax.hashes).toEqual([{ alg: "SHA-256", content: toHex(pinned.integrity) }]);
  const { digests } = readBunLock(Buffer.from(bunLock));
  const hashOf = (id: string): object => ({ alg: "SHA-512", content: toHex(digests.get(id) ?? "") });
  expect(tax.components).toEqual([
    {
      type: "library",
      "bom-ref": "plugin:tax/node_modules/@acme/tax",
      group: "@acme",
      name: "tax",
      version: "2.1.0",
      hashes: [hashOf("@acme/tax@2.1.0")],
      licenses: [{ expression: "Apache-2.0 OR MIT" }],
      purl: "pkg:npm/%40acme/tax@2.1.0",
    },
    {
      type: "library",
      "bom-ref": "plugin:tax/node_modules/rates",
      name: "rates",
      version: "1.0.0",
      hashes: [hashOf("rates@1.0.0")],
      licenses: [{ license: { id: "ISC" } }],
      purl: "pkg:npm/rates@1.0.0",
    },
  ] as Component[]);
  const edges = new Map(bom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
  expect(edges.get("plugin:tax")).toEqual(["plugin:tax/node_modules/@acme/tax", "plugin:remote/rules"]);
  expect(edges.get("plugin:tax/node_modules/@acme/tax")).toEqual(["plugin:tax/node_modules/rates"]);

  expect(propertiesOf(find(bom, "plugin:hello.ts"))["xcore:active"]).toBe("false");
  const fetched = find(bom, "plugin:remote/rules");
  expect(fetched).toMatchObject({ name: "rules", version: "1.0.0" });
  expect(fetched.externalReferences).toEqual([{ type: "distribution", url: rules.url }]);
  expect(propertiesOf(fetched)["xcore:integrity"]).toBe(rules.integrity);
  expect(result.stdout).not.toContain("hunter2");
});

test("xcore sbom from sources lists what bun.lock and node_modules say, and always the same", async () => {
  await using folder = await TestFolder.create();
  const [one, two] = await Promise.all([sbom(folder), sbom(folder, ["--json", "--out", "made/sbom.json"])]);
  expect(two).toEqual({ code: 0, stdout: "Wrote made/sbom.json\n", stderr: "" });
  const bom = JSON.parse(one.stdout) as Bom;
  const written = (await Bun.file(join(folder.path, "made/sbom.json")).json()) as Bom;
  expect(await findFaults(bom)).toEqual([]);
  expect(bom.metadata.component).toMatchObject({ version: manifest.version });
  expect(bom.metadata.component.licenses).toEqual([{ license: { id: manifest.license } }]);
  const { digests } = readBunLock(await Bun.file(join(import.meta.dir, "../../../bun.lock")).bytes());
  for (const [name, version] of Object.entries(manifest.dependencies)) {
    const found = find(bom, `xcore/node_modules/${name}`);
    expect([name, found.version]).toEqual([name, version]);
    expect(found.hashes?.[0]?.content).toBe(toHex(digests.get(`${name}@${version}`) ?? ""));
    expect(found.licenses).toHaveLength(1);
  }
  const names = bom.components.map(({ name }) => name);
  expect(names).toContain("bun");
  expect(["oxlint", "playwright-core", "fastify"].filter((name) => names.includes(name))).toEqual([]);

  expect(written.serialNumber).not.toBe(bom.serialNumber);
  expect(leaveOut(written)).toEqual(leaveOut(bom));
});

test("xcore sbom fails with what it couldn't read, and says in the list that it isn't whole", async () => {
  await using folder = await TestFolder.create({
    "plugins/good/plugin.json": { name: "good", version: "1.0.0" },
    "plugins/good/package.json": { dependencies: { left: "^1.0.0" } },
    "plugins/broken/plugin.json": '{ "name": 1 }',
    "config.json": {
      plugins: {
        remote: { gone: { url: "https://me:hunter2@plugins.example.com/gone/plugin.json", integrity: PIN } },
      },
    },
  });
  const { code, stdout, stderr } = await sbom(folder, ["--offline"]);
  expect(code).toBe(1);
  expect(stderr).toContain("xcore is offline");
  expect(stderr).toContain("Cannot list all that broken, good, gone is made of: see above");
  const bom = JSON.parse(stdout) as Bom;
  expect(await findFaults(bom)).toEqual([]);
  expect(bom.compositions).toContainEqual({
    aggregate: "incomplete",
    assemblies: ["plugin:broken", "plugin:good", "plugin:remote/gone"],
  });
  const gone = find(bom, "plugin:remote/gone");
  expect(gone.hashes).toEqual([{ alg: "SHA-256", content: toHex(PIN) }]);
  expect(gone.externalReferences?.[0]?.url).toBe("https://plugins.example.com/gone/plugin.json");
  expect(stdout + stderr).not.toContain("hunter2");
});

test("toLicenses() tells identifiers, expressions and names apart", () => {
  expect(toLicenses("MIT")).toEqual([{ license: { id: "MIT" } }]);
  expect(toLicenses("(MIT OR Apache-2.0)")).toEqual([{ expression: "(MIT OR Apache-2.0)" }]);
  expect(toLicenses("SEE LICENSE IN x.txt")).toEqual([{ license: { name: "SEE LICENSE IN x.txt" } }]);
});

const PIN = `sha256-${"A".repeat(43)}=`;

/** Runs it from the sources: what the executable prints is for test/executable.test.ts. */
async function sbom(folder: TestFolder, args: readonly string[] = []): Promise<Finished> {
  return xcore(folder, ["sbom", ...args], { command: FROM_SOURCES });
}

function find({ components }: Bom, ref: string): Component {
  const found = components.find((one) => one["bom-ref"] === ref);
  if (found === undefined) throw new Error(`there is no ${ref}`);
  return found;
}

function propertiesOf({ properties = [] }: Component): Record<string, string> {
  return Object.fromEntries(properties.map(({ name, value }) => [name, value]));
}

/** What is the same each time. */
function leaveOut(bom: Bom): object {
  return { ...bom, serialNumber: "", metadata: { ...bom.metadata, timestamp: "" } };
}

function below(folder: string, files: Readonly<Record<string, string | object>>) {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [`${folder}/${name}`, content]));
}

function toHex(integrity: string): string {
  return Buffer.from(integrity.slice(integrity.indexOf("-") + 1), "base64").toString("hex");
}
