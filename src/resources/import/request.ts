import { fail } from "../../errors/codes.ts";
import type { Format, ImportFile } from "./source.ts";
import { unreadable } from "./source.ts";

const XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const FORMATS: ReadonlyMap<string, Format> = new Map([
  ["text/csv", "csv"],
  ["text/plain", "csv"],
  ["text/tab-separated-values", "csv"],
  ["application/csv", "csv"],
  ["application/vnd.ms-excel", "csv"], // as browsers on Windows call CSV
  ["application/json", "json"],
  [XLSX, "xlsx"],
]);
const EXTENSIONS: ReadonlyMap<string, Format> = new Map([
  ["csv", "csv"],
  ["txt", "csv"],
  ["tsv", "csv"],
  ["json", "json"],
  ["xlsx", "xlsx"],
]);
/** How every archive of ZIP begins. */
const ZIP = [0x50, 0x4b, 0x03, 0x04];

/**
 * Reads the file of a request: its body, or the only file of a form.
 *
 * @throws AppError unsupported_media_type, validation_error
 */
export async function readImportFile(request: Request): Promise<ImportFile> {
  const given = request.headers.get("content-type") ?? "";
  if (!typeOf(given).startsWith("multipart/")) {
    assertPlain(request);
    return toFile(new Uint8Array(await request.arrayBuffer()), given, "");
  }
  const form = await request.formData().catch((cause: unknown) => {
    throw fail("parse_error", "Cannot read the body: it is not what its content-type says", { cause });
  });
  const values: unknown[] = [...form.values()];
  const files = values.filter((value): value is File => value instanceof Blob);
  const [file] = files;
  if (file === undefined || files.length > 1) throw unreadable("expected one file in the form");
  return toFile(new Uint8Array(await file.arrayBuffer()), file.type, file.name);
}

/** What is packed could be a thousand times as large. */
function assertPlain({ headers }: Request): void {
  const coding = headers.get("content-encoding") ?? "identity";
  if (coding === "identity") return;
  throw fail("unsupported_media_type", "Cannot read a body with a content-encoding: send it as it is", {
    headers: { "accept-encoding": "identity" },
  });
}

function toFile(bytes: Uint8Array, type: string, name: string): ImportFile {
  const charset = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(type)?.[1] ?? null;
  const extension = /\.(\w+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
  const said = FORMATS.get(typeOf(type)) ?? EXTENSIONS.get(extension);
  const format = ZIP.every((byte, at) => bytes[at] === byte) ? "xlsx" : (EXTENSIONS.get(extension) ?? said);
  if (format === undefined)
    throw fail("unsupported_media_type", `Cannot import it: send text/csv, application/json or ${XLSX}`);
  return { bytes, format, charset };
}

function typeOf(contentType: string): string {
  return (contentType.split(";")[0] ?? "").trim().toLowerCase();
}
