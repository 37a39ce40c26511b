import { hkdfSync, randomUUID } from "node:crypto";
import { chmod, link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../errors/codes.ts";

const FILE_NAME = "jwt_secret_key";
const KEY_BYTES = 32;
const OWNER_ONLY = 0o600;
const ADVICE =
  `set JWT_SECRET_KEY or security.jwt_secret_key to 32 random characters or more ` +
  `("openssl rand -base64 32" makes some), or leave it out, and one is made`;

const MIN_LENGTH = 32; // characters
const MIN_DISTINCT = 8; // of 32 random hex digits, 14 are distinct; fewer than 8 are not to be seen
// As `simplify` leaves them. No random key of a sensible alphabet holds one of these by chance.
const EXAMPLE_WORDS = [
  "changeme",
  "changethis",
  "changeit",
  "replaceme",
  "replacethis",
  "votrenouvellecle",
  "votrecle",
  "votresecret",
  "maclesecrete",
  "clesecrete",
  "yoursecret",
  "yourjwtsecret",
  "yourkey",
  "yoursupersecret",
  "your256bit",
  "your512bit",
  "mysecret",
  "myjwtsecret",
  "supersecret",
  "topsecret",
  "secretkey",
  "jwtsecret",
  "astringsecretatleast",
  "insecure",
  "password",
  "placeholder",
  "examplekey",
  "exemple",
  "0123456789abcdef",
  "abcdefghijklmnop",
  "fischlvonluftschloss", // the JWT examples of Elysia
  "09d25e094faa6ca2556c818166b7a956", // the tutorial of FastAPI
];

export interface SecretKeyOptions {
  /** `security.jwt_secret_key`. */
  readonly configured: string | null;
  /** Absolute path of the folder that a generated key is kept in. */
  readonly dataDirectory: string;
  /** Whether a weak key may be used: `app.debug`. */
  readonly isDebug: boolean;
}

/** The one secret of an installation, from which the keys for each purpose are derived. */
export interface SecretKey {
  /** Returns 32 bytes, always the same for a purpose such as "access" (HKDF, RFC 5869): one tells nothing of another. */
  deriveKey(purpose: string): Uint8Array<ArrayBuffer>;
}

/**
 * Takes the configured key; with none, the one in the data directory, which is made if it isn't there.
 *
 * @throws AppError secret_key_refused for a key that is weak or a known example, except where `isDebug`
 */
export async function loadSecretKey({
  configured,
  dataDirectory,
  isDebug,
}: SecretKeyOptions): Promise<SecretKey> {
  const file = join(dataDirectory, FILE_NAME);
  const key = configured?.trim() ?? (await readKey(file)) ?? (await generateKey(dataDirectory, file));
  const weakness = findKeyWeakness(key);
  if (weakness !== null && (!isDebug || key === "")) {
    const where = configured === null ? `"${file}"` : "security.jwt_secret_key";
    const advice = configured === null ? "remove the file, and a new one is made" : ADVICE;
    throw fail("secret_key_refused", `Cannot use the secret key of ${where}: ${weakness}; ${advice}`);
  }
  return createSecretKey(key);
}

/** Creates the secret key of a text. */
export function createSecretKey(key: string): SecretKey {
  return {
    deriveKey: (purpose) => new Uint8Array(hkdfSync("sha256", key, "xcore", purpose, KEY_BYTES)),
  };
}

async function readKey(file: string): Promise<string | null> {
  try {
    const key = (await readFile(file, "utf8")).trim();
    // As a restored backup may have left it. Where modes mean nothing, or others own the file, it stays.
    await chmod(file, OWNER_ONLY).catch(() => {});
    return key;
  } catch (error) {
    if (isCode(error, "ENOENT")) return null;
    throw error;
  }
}

/** Makes the file in one step: of two processes that start at once, both end up with the same key. */
async function generateKey(directory: string, file: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(KEY_BYTES))).toString("base64url");
  const written = `${file}.${randomUUID()}`;
  try {
    await writeFile(written, `${key}\n`, { mode: OWNER_ONLY, flag: "wx", flush: true });
    await link(written, file);
    return key;
  } catch (error) {
    if (isCode(error, "EEXIST")) return (await readKey(file)) ?? "";
    if (!isCode(error, "EPERM", "ENOTSUP", "ENOSYS", "EOPNOTSUPP", "EMLINK")) throw error;
    return await writeKey(file, key);
  } finally {
    await rm(written, { force: true });
  }
}

/** For file systems without hard links. */
async function writeKey(file: string, key: string): Promise<string> {
  try {
    await writeFile(file, `${key}\n`, { mode: OWNER_ONLY, flag: "wx", flush: true });
    return key;
  } catch (error) {
    if (isCode(error, "EEXIST")) return (await readKey(file)) ?? "";
    throw error;
  }
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}

/** Says why a secret key isn't safe: too short, too plain, or one that an example has made known; null when it is. */
export function findKeyWeakness(key: string): string | null {
  const simple = simplify(key);
  if (EXAMPLE_WORDS.some((word) => simple.includes(word)) || simple === "secret")
    return "it is an example that anybody knows";
  if (key.length < MIN_LENGTH) return `it has fewer than ${MIN_LENGTH} characters`;
  const isRepeated = (key + key).indexOf(key, 1) <= key.length / 2;
  return new Set(key).size < MIN_DISTINCT || isRepeated ? "it repeats few characters" : null;
}

/** Small letters and digits alone, without accents: "Votre nouvelle clé" is "votrenouvellecle". */
function simplify(key: string): string {
  return key
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "");
}
