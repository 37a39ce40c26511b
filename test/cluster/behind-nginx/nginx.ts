import { join } from "node:path";
import { PrivateServer } from "../../faults/private-server.ts";

const DOCS = join(import.meta.dir, "../../../docs/scaling.md");
/** What the document calls the instances. */
const ADDRESS = /10\.0\.0\.\d:8000/g;

/** Starts an nginx in front of these instances, with the configuration that docs/scaling.md shows. */
export async function startNginx(instances: readonly string[]): Promise<PrivateServer> {
  const [, text = ""] = /^```nginx\n([^]*?)^```$/m.exec(await Bun.file(DOCS).text()) ?? [];
  const named = [...text.matchAll(ADDRESS)].length;
  if (named !== instances.length) {
    throw new Error(`docs/scaling.md shows nginx ${named} instances, expected ${instances.length}`);
  }
  const hosts = instances.map((url) => new URL(url).host);
  const http = text.replace(ADDRESS, () => hosts.shift() ?? "");
  return PrivateServer.start("nginx", { settings: { http } });
}
