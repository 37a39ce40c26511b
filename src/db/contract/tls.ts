import { readFileSync } from "node:fs";
import { fail } from "../../errors/codes.ts";

/** What `node:tls` is told; null for an unencrypted connection. */
export type Tls = { readonly rejectUnauthorized: boolean; readonly ca?: string } | null;

/** `sslmode` in the words of PostgreSQL, MySQL's and SQLAlchemy's. */
const CHECKS_CERTIFICATE: Readonly<Record<string, boolean | null>> = {
  disable: null,
  disabled: null,
  false: null,
  require: false,
  required: false,
  true: false,
  "verify-ca": true,
  verify_ca: true,
  "verify-full": true,
  verify_identity: true,
};

/** The options that this reads. */
export const TLS_OPTIONS = ["sslmode", "ssl-mode", "ssl", "sslrootcert"] as const;

/** @throws Error for a mode that doesn't exist */
export function assertTlsMode(options: Readonly<Record<string, string>>): void {
  checksCertificate(options);
}

/**
 * Reads how to encrypt connections from the options of a database URL. `sslmode=require` encrypts without knowing
 * whom it talks to; `verify-full` checks the certificate, against `sslrootcert` (a file) or the system's
 * authorities.
 *
 * @throws Error for a mode that doesn't exist, or a file that can't be read
 */
export function toTls(options: Readonly<Record<string, string>>): Tls {
  const isChecked = checksCertificate(options);
  if (isChecked === null) return null;
  const file = options["sslrootcert"];
  return { rejectUnauthorized: isChecked, ...(file === undefined ? {} : { ca: readCertificate(file) }) };
}

/** Null without encryption. */
function checksCertificate(options: Readonly<Record<string, string>>): boolean | null {
  const mode = options["sslmode"] ?? options["ssl-mode"] ?? options["ssl"] ?? "disable";
  const checks = CHECKS_CERTIFICATE[mode.toLowerCase()];
  if (checks !== undefined) return checks;
  throw fail(
    "config_invalid",
    'Cannot read "sslmode" of the database URL: use "disable", "require" or "verify-full"',
  );
}

function readCertificate(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw fail("config_invalid", `Cannot read "${file}", the "sslrootcert" of the database URL`);
  }
}
