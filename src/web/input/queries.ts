import { invalidRequest } from "../../errors/codes.ts";
import { isTypeBoxSchema } from "../../errors/plain-schema.ts";
import { decodeText, splitPairs } from "./text-pairs.ts";
import { propertyOf, type ReadSent, readerOf } from "./text-values.ts";

type Query = Record<string, unknown>;

/** Reads the query of a URL, from the character behind "?" on. */
export type QueryReader = (url: string, start: number) => Query;

const COMMA = ",";

/**
 * Creates what reads the queries of one route. A parameter that comes several times is a list: where the route's schema
 * expects one value, it is refused; where there is no schema, whoever asks for it is told so. Elysia takes the last one,
 * and splits lists at commas which were encoded because they are part of a value.
 */
export function createQueryReader(schema: unknown): QueryReader {
  const rule = isTypeBoxSchema(schema) ? schema : null;
  const readers = new Map<string, ReadSent | null>();
  const find = (name: string): ReadSent | null => {
    const known = readers.get(name);
    if (known !== undefined || rule === null) return known ?? null;
    const property = propertyOf(rule, name);
    if (property === undefined) return null; // not remembered: strangers make up names
    const read = readerOf(property);
    readers.set(name, read);
    return read;
  };
  return (url, start) => {
    const query = Object.create(null) as Query;
    let several = null as Map<string, string[]> | null;
    splitPairs(url, start, (name, raw) => {
      const first = query[name] as string | undefined;
      if (first === undefined) query[name] = raw;
      else if (several?.get(name)?.push(raw) === undefined) (several ??= new Map()).set(name, [first, raw]);
    });
    for (const name in query) {
      const raws: readonly string[] = several?.get(name) ?? [query[name] as string];
      const read = find(name);
      if (read !== null) query[name] = readRaw(read, raws);
      else if (raws.length === 1) query[name] = decodeText(raws[0] ?? "");
      else if (schema === undefined) refuseRepeated(query, name);
      else query[name] = raws.map(decodeText);
    }
    return query;
  };
}

function readRaw(read: ReadSent, raws: readonly string[]): unknown {
  return read({
    values: raws.map(decodeText),
    split: (index) => (raws[index] ?? "").split(COMMA).map(decodeText),
  });
}

/** Without a schema, a value is text by its type: nobody is given one of several in silence, or a list. */
function refuseRepeated(query: Query, name: string): void {
  Object.defineProperty(query, name, {
    enumerable: true,
    get() {
      throw invalidRequest([{ path: `/query/${name}`, code: "repeated", message: "Sent more than once" }]);
    },
  });
}
