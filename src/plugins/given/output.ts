import type { Writable } from "node:stream";

type Output = "stdout" | "stderr";
type Terminal = NodeJS.WriteStream & Writable;

/** What tells about the terminal, and works on it. */
const OF_TERMINAL = [
  "isTTY",
  "fd",
  "columns",
  "rows",
  "getWindowSize",
  "getColorDepth",
  "hasColors",
  "clearLine",
  "clearScreenDown",
  "cursorTo",
  "moveCursor",
] as const;

/** Makes a stream that writes where the process does, and that whoever has it may end: the server logs on. */
export function createOutput(name: Output): Terminal {
  const { Writable: Base } = process.getBuiltinModule("node:stream");
  const target = process[name];
  const stream = new Base({
    decodeStrings: false,
    write: (chunk: string | Uint8Array, encoding, done) => void target.write(chunk, encoding, done),
  });
  for (const property of OF_TERMINAL) {
    const get = (): unknown => {
      const value: unknown = Reflect.get(target, property);
      return typeof value === "function" ? value.bind(target) : value;
    };
    Object.defineProperty(stream, property, { get, configurable: true });
  }
  return stream as Terminal;
}
