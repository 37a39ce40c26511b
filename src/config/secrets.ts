import { isSecretName } from "../log/secret-names.ts";
import { type KeyPath, startsWithPath } from "./json/values.ts";

/** What stands in the place of a masked value. */
export const MASK = "***";

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
