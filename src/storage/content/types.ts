import { fail } from "../contract/error-codes.ts";
import { canBe, detectType, hasSignature, toKnownType } from "./signatures.ts";

/** What there is to tell the type of a file by. */
export interface Evidence {
  /** Its first bytes. */
  readonly head: Uint8Array;
  readonly name: string;
  /** What its sender says it is, "" for nothing. */
  readonly declared: string;
}

const ANY = "application/octet-stream";
const SVG = "image/svg+xml";
const UTF_16 = [
  [0xfe, 0xff],
  [0xff, 0xfe],
];

/**
 * Finds of which type a file is: by its first bytes where the type has a signature, otherwise by its name, and by what its sender says
 * where the name tells nothing.
 *
 * @throws AppError file_refused where these don't agree
 */
export function decideType({ head, name, declared }: Evidence): string {
  const found = detectType(head);
  const said = toKnownType(Bun.file(name).type) ?? toKnownType(declared);
  if (found !== null) {
    if (said === null || found === said) return found;
    if (canBe(found, said)) return said;
    throw refuse(name, said, `its content is ${found}`);
  }
  if (said === null) return ANY;
  if (hasSignature(said)) throw refuse(name, said, "its content isn't");
  if (said.startsWith("text/") && isBinary(head)) throw refuse(name, said, "its content isn't text");
  return said;
}

/** Whether a type is one of those that are taken: "image/*" stands for all images but SVG, which may hold script. */
export function isTaken(type: string, taken: readonly string[]): boolean {
  return taken.some((one) =>
    one.endsWith("/*")
      ? type.startsWith(one.slice(0, -1)) && type !== SVG
      : (toKnownType(one) ?? one) === type,
  );
}

function isBinary(head: Uint8Array): boolean {
  return head.includes(0) && !UTF_16.some(([first, second]) => head[0] === first && head[1] === second);
}

function refuse(name: string, said: string, reason: string): Error {
  return fail("file_refused", `Cannot take ${JSON.stringify(name)} as ${said}: ${reason}`);
}
