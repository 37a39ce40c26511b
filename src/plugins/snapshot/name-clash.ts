/**
 * Finds two names of files that can't stand beside each other everywhere: those that differ in nothing but case or
 * in how their accents are encoded, which are one file on macOS and Windows, and a file that is the folder of another.
 *
 * @param names paths with slashes, each once
 */
export function findNameClash(names: Iterable<string>): readonly [string, string] | null {
  const places = new Map<string, { path: string; isFile: boolean; name: string }>();
  for (const name of names) {
    for (let end = name.indexOf("/"); ; end = name.indexOf("/", end + 1)) {
      const isFile = end === -1;
      const path = isFile ? name : name.slice(0, end);
      const folded = path.normalize("NFC").toLowerCase();
      const other = places.get(folded);
      if (other === undefined) places.set(folded, { path, isFile, name });
      else if (other.path !== path || other.isFile || isFile) return [other.name, name];
      if (isFile) break;
    }
  }
  return null;
}
