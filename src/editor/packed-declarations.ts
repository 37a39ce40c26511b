const FAST = 3;

/** Compresses files of text, a path each. @param level of zstd, 22 for the smallest */
export function packDeclarations(files: ReadonlyMap<string, string>, level = FAST): Promise<Uint8Array> {
  return Bun.zstdCompress(JSON.stringify(Object.fromEntries(files)), { level });
}

/** Returns the files of text that `packDeclarations` has compressed. */
export async function unpackDeclarations(packed: Uint8Array): Promise<Map<string, string>> {
  const json = new TextDecoder().decode(await Bun.zstdDecompress(packed));
  return new Map(Object.entries(JSON.parse(json) as Record<string, string>));
}
