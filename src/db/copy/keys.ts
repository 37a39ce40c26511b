import { DatabaseError } from "../contract/database-error.ts";
import type { KeyPart, Raw } from "./contract.ts";

/** Returns a part of a key as it is kept, to read on from. */
export function toKeyPart(value: Raw): KeyPart {
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString("base64") };
  return typeof value === "string" ? { text: value } : { number: String(value) };
}

/** The error of rows that refer to others which aren't there, once all are copied. */
export function orphans({
  table,
  parent,
}: {
  readonly table: string;
  readonly parent: string;
}): DatabaseError {
  return new DatabaseError(
    "other",
    `Cannot finish the copy: rows of "${table}" refer to rows of "${parent}" that aren't there`,
  );
}
