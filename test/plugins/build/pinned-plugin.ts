import { join } from "node:path";
import pino from "pino";
import { type OpenedSnapshot, SnapshotStore } from "../../../src/plugins/snapshot/store.ts";
import { createPinnedFiles, type PinnedFiles } from "../../../src/plugins/source/pinned.ts";
import type { TestFolder } from "../../setup.ts";

/** Keeps a plugin from elsewhere, whose bytes are checked by then. */
export async function keep(
  folder: TestFolder,
  files: Readonly<Record<string, string>>,
  entry = "plugin.json",
): Promise<OpenedSnapshot> {
  const cache = join(folder.path, "data/plugins");
  const store = new SnapshotStore({
    cache,
    vendor: join(folder.path, "vendor"),
    log: pino({ level: "silent" }),
  });
  const manifest = { "plugin.json": '{"name":"crm","version":"1.0.0"}' };
  const texts = Object.entries({ ...(entry === "plugin.json" && manifest), ...files });
  const bytes = new Map(texts.map(([name, text]) => [name, new TextEncoder().encode(text)]));
  return store.put({ entry, files: bytes, redirects: new Map(), signatures: null });
}

/** The files of a plugin that was kept. */
export function filesOf(opened: OpenedSnapshot): PinnedFiles {
  const { root, integrity } = opened;
  const source = {
    id: "remote:crm",
    basename: "crm",
    shown: "https://example.com/",
    shownManifest: "https://example.com/plugin.json",
    show: (file: string): string => file.replace(`${root}/`, ""),
    paths: [root],
    isActive: true,
    remote: { places: ["https://example.com/"], integrity },
  };
  return createPinnedFiles(source, opened);
}
