import { join } from "node:path";
import type { Dialect } from "../../db/contract/driver.ts";
import { type Migration, parseMigrations } from "../../db/migrations/files.ts";
import { isUrlName, nameImport, type Snapshot } from "../snapshot/snapshot.ts";
import type { OpenedSnapshot } from "../snapshot/store.ts";
import type { Overlay, PluginFiles, PluginSource } from "./files.ts";
import { isInside } from "../../files/paths.ts";
import { isTemplateName } from "../../templates/sources/disk.ts";
import { createFolderFiles, createSingleFile } from "./local.ts";

const TEMPLATES = "templates/";

/** The files of a plugin from elsewhere. */
export interface PinnedFiles extends PluginFiles {
  readonly opened: OpenedSnapshot;
  readonly overlay: Overlay;
}

/**
 * A plugin that is a snapshot: it stands on the disk as a folder or a single file, but its bytes are those that were
 * checked, whatever the disk says by now.
 */
export function createPinnedFiles(source: PluginSource, opened: OpenedSnapshot): PinnedFiles {
  const { snapshot, directory, root, pathOf } = opened;
  const { entry, files } = snapshot;
  const path = isFolder(snapshot) ? root : join(root, entry);
  const onDisk = (isFolder(snapshot) ? createFolderFiles : createSingleFile)(source, path, path);
  return {
    ...onDisk,
    opened,
    overlay: new Map([...files].map(([name, content]) => [pathOf(name), content])),
    resolver: createResolver(opened),
    holds: (file) => isInside(directory, file),
    readManifest: async () => new TextDecoder().decode(files.get(entry)),
    read: async (name) => (isFolder(snapshot) ? (files.get(name) ?? null) : null),
    readTemplates: async () => readPinnedTemplates(snapshot),
    readMigrations: async (dialect) =>
      parsePinnedMigrations(snapshot, dialect, join(root, "drizzle", dialect)),
    bringsPackages: () => false,
  };
}

/**
 * Reads the migrations for a kind of database from the bytes of a snapshot.
 *
 * @param folder path to show in errors
 * @throws InvalidMigrationError
 */
export function parsePinnedMigrations(snapshot: Snapshot, dialect: Dialect, folder: string): Migration[] {
  const prefix = `drizzle/${dialect}/`;
  const own = isFolder(snapshot) ? [...snapshot.files] : [];
  const found = own
    .filter(([name]) => name.startsWith(prefix) && !name.includes("/", prefix.length))
    .map(([name, content]) => [name.slice(prefix.length), content] as const);
  return parseMigrations(folder, new Map(found));
}

function readPinnedTemplates(snapshot: Snapshot): ReadonlyMap<string, string> {
  const own = isFolder(snapshot) ? [...snapshot.files] : [];
  const found = own.filter(([name]) => name.startsWith(TEMPLATES) && isTemplateName(name));
  return new Map(
    found.map(([name, content]) => [name.slice(TEMPLATES.length), new TextDecoder().decode(content)]),
  );
}

/** Whether a snapshot is that of a folder with a plugin.json, rather than of a single file. */
export function isFolder({ entry }: Pick<Snapshot, "entry">): boolean {
  return entry === "plugin.json";
}

/** Makes the bundler find modules that are named by URLs, and follow redirects; null for a snapshot without either. */
function createResolver({ snapshot, pathOf }: OpenedSnapshot): Bun.BunPlugin | null {
  const { files, redirects } = snapshot;
  if (redirects.size === 0 && ![...files.keys()].some(isUrlName)) return null;
  const names = new Map([...files.keys()].map((name) => [pathOf(name), name]));
  return {
    name: "xcore-snapshot",
    setup(builder) {
      builder.onResolve({ filter: /^(https?:\/\/|\.{0,2}\/)/ }, ({ path: specifier, importer }) => {
        const importing = names.get(importer);
        // The bundler's own entry, which is on no disk, is found by saying so.
        if (importing === undefined) return specifier.startsWith("/") ? { path: specifier } : undefined;
        const name = nameImport(importing, specifier);
        if (name === null) return undefined;
        const target = redirects.get(name) ?? name;
        return files.has(target) ? { path: pathOf(target) } : undefined;
      });
    },
  };
}
