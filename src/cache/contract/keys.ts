import { encodeValue } from "./codec.ts";
import { keep } from "./values.ts";

/** @throws TypeError for what is no text, or none at all */
export function assertKey(key: unknown): asserts key is string {
  if (typeof key !== "string" || key === "") {
    throw new TypeError(
      `Cannot use ${typeof key === "string" ? "an empty text" : `a ${typeof key}`} as a key of the cache`,
    );
  }
}

/**
 * Writes the arguments of a call as text: the same for equal ones, and another for all others.
 *
 * @throws TypeError for arguments that can't be cached
 */
export function toArgumentText(args: readonly unknown[]): string {
  const [only] = args;
  if (args.length === 1 && typeof only === "number") return String(Object.is(only, -0) ? 0 : only);
  return args.map((argument) => toText(argument)).join(",");
}

function toText(argument: unknown): string {
  switch (typeof argument) {
    case "string":
      return JSON.stringify(argument);
    case "number":
    case "boolean":
    case "undefined":
      return String(argument);
    default:
      return encodeValue(keep(sorted(argument, 0)));
  }
}

/** With the members of plain objects in one order. */
function sorted(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null || depth > 100) return value;
  if (Array.isArray(value)) return value.map((item) => sorted(item, depth + 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([key, member]) => [key, sorted(member, depth + 1)]));
}

/**
 * Makes what tells whether a key begins with `scope` and its rest matches a pattern, in which `*` stands for any characters.
 *
 * @throws TypeError for what is no pattern
 */
export function toMatcher(pattern: string, scope = ""): (key: string) => boolean {
  assertKey(pattern);
  const [first = "", ...others] = pattern.split("*");
  const last = others.pop();
  const start = scope + first;
  if (last === undefined) return (key) => key === start;
  // Each part at the first place where it fits: no key takes longer than to look through it, as with an expression it might.
  return (key) => {
    const end = key.length - last.length;
    let at = start.length;
    if (at > end || !key.startsWith(start) || !key.endsWith(last)) return false;
    return others.every((part) => {
      const found = key.indexOf(part, at);
      at = found + part.length;
      return found !== -1 && at <= end;
    });
  };
}
