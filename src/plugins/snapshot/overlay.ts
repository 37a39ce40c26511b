import { isUrlName, nameImport, type Snapshot } from "./snapshot.ts";
import type { OpenedSnapshot } from "./store.ts";

/** Bytes of files by absolute path. */
export type Overlay = ReadonlyMap<string, Uint8Array>;

/** The files of a snapshot by absolute path: the bundler takes them in place of the disk's. */
export function toOverlay({ snapshot, pathOf }: OpenedSnapshot): Overlay {
  return new Map([...snapshot.files].map(([name, content]) => [pathOf(name), content]));
}

/** Whether imports of a snapshot lead elsewhere than their paths say. */
export function needsResolver({ files, redirects }: Snapshot): boolean {
  return redirects.size > 0 || [...files.keys()].some(isUrlName);
}

/** Makes the bundler find modules that are named by URLs, and follow redirects, within a snapshot. */
export function createSnapshotResolver({ snapshot, pathOf }: OpenedSnapshot): Bun.BunPlugin {
  const { files, redirects } = snapshot;
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
