// "key" alone is a secret, "keyboard" and "monkey" aren't: what stands by itself must be the whole word.
const SECRET_WORD =
  /(?:secret|passwo?r?d|passphrase|token|credential|apikey|secretkey|privatekey|accesskey|encryptionkey|cookie|authorization|bearer)s?$|^(?:keys?|pwd|pass|otp|pin|jwt|recoverycodes?)$/;
const SECRET_NAME = /(?:recovery|backup|otp)codes?$/;
// `access_token_expire_minutes` and `password_hash_algorithm` say something about a secret: they hold none.
const ABOUT_WORD =
  /^(?:milliseconds|ms|seconds|minutes|hours|days|at|ttl|expire|expires|expiry|length|count|size|max|min|algorithm|enabled|required|type|endpoint|name|domain)$/;
const MAX_LENGTH = 256; // characters

/**
 * Tells whether a key, a variable or a header of this name holds a secret: `jwt_secret_key`, `DB_PASSWORD`, `apiKey`.
 * `config show` and the log hide the same ones.
 */
export function isSecretName(name: string): boolean {
  const words = name
    .slice(0, MAX_LENGTH)
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== "");
  if (ABOUT_WORD.test(words.at(-1) ?? "")) return false;
  return words.some((word) => SECRET_WORD.test(word)) || SECRET_NAME.test(words.join(""));
}
