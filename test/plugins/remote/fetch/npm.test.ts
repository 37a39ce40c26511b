import { exists, readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { TestFolder } from "../../../setup.ts";
import { TestRegistry } from "../../packages/registry.ts";
import { failureOf, fetchFrom, FileHost, namesOf, textsOf, type FetchTestOptions } from "../file-host.ts";

async function createProject(npmrc: string): Promise<{ folder: TestFolder; options: FetchTestOptions }> {
  const folder = await TestFolder.create({ ".npmrc": npmrc });
  return { folder, options: { tmp: join(folder.path, "data/tmp"), projectDirectory: folder.path } };
}

function pluginFiles(version: string): Record<string, string | object> {
  return {
    "plugin.json": { name: "crm", version },
    "run.ts": 'import tax from "tax";',
    "package.json": { dependencies: { tax: "^1.0.0" }, scripts: { postinstall: "touch ran" } },
    "plugin.json.sig": "signed",
  };
}

test("fetchPlugin() takes an npm package from the project's registry, and makes its version exact", async () => {
  await using registry = await TestRegistry.start({
    "@acme/crm@1.0.0": pluginFiles("1.0.0"),
    "@acme/crm@1.1.0": pluginFiles("1.1.0"),
    "tax@1.0.0": { "index.js": "" },
  });
  const { folder, options } = await createProject(registry.npmrc);
  await using _ = folder;
  const latest = await fetchFrom("npm:@acme/crm", options);
  expect(latest.location).toEqual({
    kind: "npm",
    text: "npm:@acme/crm@1.1.0",
    name: "@acme/crm",
    version: "1.1.0",
  });
  expect(latest.snapshot.entry).toBe("plugin.json");
  expect(namesOf(latest)).toEqual(["package.json", "plugin.json", "run.ts"]);
  expect(Buffer.from(latest.snapshot.signatures ?? []).toString()).toBe("signed");
  expect(latest.hosts).toEqual([new URL(registry.url).host]);
  const exact = await fetchFrom("npm:@acme/crm@1.0.0", options);
  expect(textsOf(exact)["plugin.json"]).toBe('{"name":"crm","version":"1.0.0"}');
  expect(exact.location.text).toBe("npm:@acme/crm@1.0.0");
  expect(await readdir(join(folder.path, "data/tmp"))).toEqual([]);
});

test("fetchPlugin() asks for nothing that an npm package depends on", async () => {
  await using internal = new FileHost({});
  const url = internal.url("/latest/meta-data");
  await using registry = await TestRegistry.start({
    "crm@1.0.0": {
      ...pluginFiles("1.0.0"),
      "package.json": {
        dependencies: {
          archive: `${url}.tgz`,
          repository: `git+${url}.git`,
          file: "file:/etc",
          tax: "1.0.0",
        },
        optionalDependencies: { optional: `${url}.tgz` },
        peerDependencies: { peer: `${url}.tgz` },
      },
    },
  });
  const { folder, options } = await createProject(registry.npmrc);
  await using _ = folder;
  expect(namesOf(await fetchFrom("npm:crm@^1.0.0", options))).toContain("run.ts");
  expect(internal.requests).toEqual([]);
  expect(new Set(registry.requests)).toEqual(new Set(["GET /crm", "GET /crm/-/crm-1.0.0.tgz"]));
});

test("fetchPlugin() says why an npm package can't be had, and leaves nothing behind", async () => {
  await using registry = await TestRegistry.start({
    "crm@1.0.0": { "index.js": "" },
    "large@1.0.0": { "plugin.json": " ".repeat(5000) },
  });
  const { folder, options } = await createProject(registry.npmrc);
  await using _ = folder;
  const messages = {
    "npm:crm": "the package holds no plugin.json, so it is no plugin of xcore",
    "npm:crm@9.9.9": 'Cannot fetch "npm:crm@9.9.9": No matching version found; see',
    "npm:missing": 'Cannot fetch "npm:missing": 404 Not Found: http',
    "npm:crm@old": 'Cannot fetch "npm:crm@old": Dist-tag not found; see',
    "npm:large": "1000 bytes",
  };
  for (const [place, message] of Object.entries(messages)) {
    const error = await failureOf(fetchFrom(place, { ...options, limits: { maxBytes: 1000 } }));
    expect(error.message).toContain(message);
    expect(error.isTransient).toBe(false);
  }
  expect(await readdir(join(folder.path, "data/tmp"))).toEqual([]);
});

test("fetchPlugin() says that a registry can't be reached, without its credentials", async () => {
  const registry = await TestRegistry.start({});
  const { url } = registry;
  await registry[Symbol.asyncDispose]();
  const { folder, options } = await createProject(`registry=${url.replace("//", "//user:hunter2@")}\n`);
  await using _ = folder;
  const error = await failureOf(fetchFrom("npm:crm@1.0.0", options));
  expect(error.message).toStartWith('Cannot fetch "npm:crm@1.0.0": ');
  expect(error.message).not.toContain("hunter2");
  expect(error.isTransient).toBe(true);
});

test("fetchPlugin() leaves nothing of an npm package behind when it is stopped, or can't begin", async () => {
  await using registry = await TestRegistry.start({ "crm@1.0.0": pluginFiles("1.0.0") });
  const { folder, options } = await createProject(registry.npmrc);
  await using _ = folder;
  const release = registry.hold();
  const ending = new AbortController();
  const fetched = fetchFrom("npm:crm", { ...options, signal: ending.signal });
  await registry.asked;
  const reason = new Error("the server stops");
  ending.abort(reason);
  expect(await fetched.catch((error: unknown) => error)).toBe(reason);
  release();
  expect(await readdir(join(folder.path, "data/tmp"))).toEqual([]);

  await folder.write({ taken: "a file" });
  const error = await failureOf(fetchFrom("npm:crm", { ...options, tmp: join(folder.path, "taken/tmp") }));
  expect(error.message).toContain("Cannot make a folder in");
  expect(await exists(join(folder.path, "taken/tmp"))).toBe(false);
});
