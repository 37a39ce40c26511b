import { readArchive } from "./archive-files.ts";
import type { FetchWork } from "./fetch-plugin.ts";
import { ModuleGraph } from "./module-graph.ts";
import { signatureNameOf, type Snapshot } from "../../snapshot/snapshot.ts";

const ENTRY = "plugin.json";

/**
 * Makes a snapshot of a plugin's archive and of what its code imports from URLs.
 *
 * @param about `subject`: what errors call it; `signatures`: those beside it, before those in it
 */
export async function takeArchive(
  packed: Uint8Array,
  about: { readonly subject: string; readonly signatures: Uint8Array | null },
  work: FetchWork,
): Promise<Snapshot> {
  const files = await readArchive(packed, work.budget, about.subject);
  const signatures = about.signatures ?? files.get(signatureNameOf(ENTRY)) ?? null;
  files.delete(signatureNameOf(ENTRY));
  return takeFolder(files, signatures, work);
}

/** Makes a snapshot of the files of a plugin's folder and of what its code imports from URLs. */
export async function takeFolder(
  files: ReadonlyMap<string, Uint8Array>,
  signatures: Uint8Array | null,
  work: FetchWork,
): Promise<Snapshot> {
  const graph = new ModuleGraph(work);
  graph.add(files);
  return { entry: ENTRY, signatures, ...(await graph.finish()) };
}
