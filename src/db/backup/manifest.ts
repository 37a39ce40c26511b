import { type Static, Type } from "@sinclair/typebox";
import { findFaults } from "../../config/validation.ts";
import { DatabaseError } from "../contract/database-error.ts";

/** Name of the first file of a backup, which describes the others. */
export const MANIFEST_NAME = "manifest.json";
/** Bytes that the manifest may have. */
export const MAX_MANIFEST_SIZE = 16 * 1024 * 1024;

const FORMAT = 1;

/** Shown on terminals, where control characters could hide what a restore is about to do. */
const Shown = Type.String({ maxLength: 255, pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f]*$" });

const MemberSchema = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 255 }),
  size: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
});

const ManifestSchema = Type.Object({
  format: Type.Literal(FORMAT),
  xcore_version: Shown,
  dialect: Type.Union([Type.Literal("sqlite"), Type.Literal("postgres"), Type.Literal("mysql")]),
  created_at: Shown,
  plugins: Type.Array(Shown),
  members: Type.Array(MemberSchema),
});

/** A file of a backup. */
export type BackupMember = Static<typeof MemberSchema>;

/** What a backup holds. */
export type BackupManifest = Static<typeof ManifestSchema>;

/** Writes the manifest of a backup. */
export function formatManifest(manifest: Omit<BackupManifest, "format">): string {
  return `${JSON.stringify({ format: FORMAT, ...manifest }, null, 2)}\n`;
}

/**
 * Reads the manifest of a backup.
 *
 * @param shown the backup, for errors
 * @throws DatabaseError
 */
export function parseManifest(text: string, shown: string): BackupManifest {
  const value = parseJson(text);
  if (findFaults(value, ManifestSchema).length === 0) return value as BackupManifest;
  const format = typeof value === "object" && value !== null && "format" in value ? value.format : undefined;
  const isNewer = typeof format === "number" && format > FORMAT;
  throw new DatabaseError(
    isNewer ? "other" : "corrupt",
    isNewer
      ? `Cannot restore "${shown}": a newer xcore wrote it; use that version`
      : `Cannot restore "${shown}": its ${MANIFEST_NAME} is not one of xcore's`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
