import { type KeyPath, startsWithPath } from "./json/values.ts";

/** What stands in the place of a masked value. */
const MASK = "***";

const SECRET_WORD =
  /(?:secret|password|passwd|passphrase|token|credential|apikey)s?$|^(?:keys?|pwd|pass|authorization)$/;
// `access_token_expire_minutes` and `password_hash_algorithm` say something about a secret: they hold none.
const ABOUT_WORD =
  /^(?:milliseconds|ms|seconds|minutes|hours|days|ttl|expire|expires|expiry|length|count|size|max|min|algorithm|enabled|required|type|endpoint)$/;

/** Tells whether a key or a variable of this name holds a secret: `jwt_secret_key`, `DB_PASSWORD`, `apiKey`. */
export function isSecretName(name: string): boolean {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== "");
  return words.some((word) => SECRET_WORD.test(word)) && !ABOUT_WORD.test(words.at(-1) ?? "");
}

/**
 * Copies a value with its secrets replaced by "***", so that it can be printed or logged: everything under a
 * key that looks like a secret, at any depth and inside the settings of plugins as well, and the credentials
 * in URLs. `null`, `true` and `false` stay, for they tell nothing.
 *
 * @param paths more values to mask, such as `LoadedConfig.secretPaths`
 */
export function maskSecrets<T>(value: T, paths?: readonly KeyPath[]): T;
export function maskSecrets(value: unknown, paths: readonly KeyPath[] = []): unknown {
  return maskValue(value, false, paths, []);
}

/** Copies a value with every string and number in it replaced by "***". */
export function maskAll(value: unknown): unknown {
  return maskValue(value, true, [], []);
}

function maskValue(value: unknown, isHidden: boolean, paths: readonly KeyPath[], path: KeyPath): unknown {
  const isSecret = isHidden || paths.some((secret) => startsWithPath(path, secret));
  if (typeof value === "string") return isSecret ? MASK : maskUrl(value);
  if (typeof value === "number") return isSecret ? MASK : value;
  if (Array.isArray(value)) {
    return value.map((item, index) => maskValue(item, isSecret, paths, [...path, index]));
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      maskValue(member, isSecret || isSecretName(key), paths, [...path, key]),
    ]),
  );
}

function maskUrl(text: string): string {
  if (!text.includes("://") && !text.includes("=")) return text;
  return (
    text
      .replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/?#]*@/gi, `$1${MASK}@`)
      // A password with "/" or "#" in it ends at the last "@"; "host:8080/@name" is a port, not a password.
      .replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/:@]*:(?!\d+(?:\/|$))\S*@/gi, `$1${MASK}@`)
      .replace(/([\w-]+)=([^&\s#;]+)/g, (pair, name: string) =>
        isSecretName(name) ? `${name}=${MASK}` : pair,
      )
  );
}
