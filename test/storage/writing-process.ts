import { LocalBackend } from "../../src/storage/local/backend.ts";

// Writes a file of so many MB, piece by piece, and says how it went: `bun writing-process.ts DIRECTORY ID MB [hangs]`.
const [directory = "", id = "", size = "1", hangs] = process.argv.slice(2);

async function* toChunks(): AsyncGenerator<Uint8Array> {
  for (let mb = 0; mb < Number(size); mb += 1) yield new Uint8Array(1_048_576);
  if (hangs === undefined) return;
  process.stdout.write("written\n");
  await new Promise(() => setInterval(() => {}, 1000));
}

try {
  await new LocalBackend(directory).write(id, toChunks());
  process.stdout.write("done\n");
} catch (error) {
  process.stdout.write(`${(error as { readonly code?: string }).code}\n`);
}
