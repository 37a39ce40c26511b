import { isSecretName } from "./secret-names.ts";

export interface RedactorOptions {
  /** Shows a stack in terms of the sources, such as a plugin's own file and line. */
  mapStack?: (stack: string) => string;
}

/** Turns any value into plain data that is safe to write to a log. */
export type Redactor = (value: unknown) => unknown;

const redacted = "[redacted]";
const maxDepth = 8;
const maxValues = 1000;
const maxText = 16_384; // characters
const maxUserinfo = 256; // characters, also what keeps the pattern below linear
// Userinfo ends at the last "@" before the path. The second half takes a password that holds "/", "?" or "#"
// unencoded, which is just what the "invalid URL" messages of drivers print; the digits are a port.
const urlCredentials = new RegExp(
  String.raw`://(?:[^\s/?#"<>]{0,${maxUserinfo}}@|[^\s:/?#"@[]{0,128}:(?!\d{1,5}(?:[/?#\s"]|$))[^\s"<>]{0,${maxUserinfo}}@)`,
  "g",
);
/** A name in front of the value that it stands for. */
const shownKey = /(['"])([A-Za-z_$][\w$-]{1,63})\1(?:: ?| => )|\b([A-Za-z_$][\w$]{1,63}): /g;
/** The same as JSON has it, which is no prose. */
const jsonKey = /"([A-Za-z_$][\w$-]{1,63})": ?/g;
const scheme = /bearer|basic/i;
const harmless = /^(?:null|undefined|true|false)\b/;
// Of a query, or of a connection string: "?token=…", ";Password=…".
const namedValue = /([\w-]{1,64})=([^&\s#;"'<>]+)/g;
/** As a header has it, also in the midst of prose: "Authorization: Bearer …". "Basic" alone is a word like any other. */
const schemeValue =
  /\b(bearer\s{1,8}|authorization["']?\s{0,8}[:=]\s{0,8}["']?basic\s{1,8})[\w.~+/-]{6,}=*/gi;
/** What opens a WebSocket or stream, in the URL of that: see accounts/browser/tickets.ts. */
const ticket = /^ticket=xt_/;
const knownKeys = new Map<string, boolean>();

/**
 * Makes a function that copies values into plain data for the log. What stands under a key such as `password`,
 * `access_token` or `X-Api-Key`, at any depth, and the credentials in URLs become "[redacted]". It takes what
 * JSON refuses: cycles, BigInts, getters and `toJSON` that throw. Errors become `{ type, message, code, stack,
 * cause }`. At most 8 levels, 1,000 values and 16,384 characters a text are kept.
 */
export function createRedactor(options: RedactorOptions = {}): Redactor {
  return (value) => new Walk(options).copy(value, 0);
}

/** The text with the credentials of URLs, and what is named as a secret, in it redacted, and cut to 16,384 characters. */
export function redactText(text: string): string {
  // Cut after redacting: half a URL would keep half a password.
  let kept = text.length > maxText ? text.slice(0, maxText + 2 * maxUserinfo) : text;
  if (kept.includes("://")) kept = kept.replace(urlCredentials, `://${redacted}@`);
  if (kept.includes("=")) {
    kept = kept.replace(namedValue, (pair, name: string) =>
      isSecretKey(name) || ticket.test(pair) ? `${name}=${redacted}` : pair,
    );
  }
  if (kept.includes('":')) kept = hideNamed(kept, jsonKey);
  if (scheme.test(kept)) kept = kept.replace(schemeValue, `$1${redacted}`);
  if (text.length <= maxText) return kept;
  return `${kept.slice(0, maxText)}… [${text.length - maxText} more characters]`;
}

/**
 * The text of a value as it is shown to a person, such as by `console.log`, redacted as `redactText` does and where
 * something stands under the name of a secret: `{ password: 'x' }`, `token => [ 'x' ]`, `"authorization": "Bearer x"`.
 */
export function redactShown(text: string): string {
  return redactText(hideNamed(text, shownKey));
}

/** Hides what stands behind the names of secrets. @param pattern whose groups are the names */
function hideNamed(text: string, pattern: RegExp): string {
  let shown = "";
  let kept = 0;
  for (const match of text.slice(0, 4 * maxText).matchAll(pattern)) {
    const start = match.index + match[0].length;
    const name = match.slice(1).findLast((group) => group !== undefined) ?? "";
    if (match.index < kept || !isSecretKey(name) || harmless.test(text.slice(start, start + 10))) continue;
    shown += text.slice(kept, start) + redacted;
    kept = endOfShown(text, start);
  }
  return shown + text.slice(kept);
}

/** Where a shown value ends: before the comma, the line or the bracket that follows it. */
function endOfShown(text: string, start: number): number {
  let depth = 0;
  let quote = "";
  for (let at = start; at < text.length; at++) {
    const character = text.charAt(at);
    if (quote !== "") {
      if (character === "\\") at++;
      else if (character === quote) quote = "";
    } else if (character === "'" || character === '"' || character === "`") quote = character;
    else if (character === "{" || character === "[" || character === "(") depth++;
    else if (character === "}" || character === "]" || character === ")") {
      if (depth === 0) return text.charAt(at - 1) === " " ? at - 1 : at;
      depth--;
    } else if (depth === 0 && (character === "," || character === "\n")) return at;
  }
  return text.length;
}

class Walk {
  readonly #options: RedactorOptions;
  readonly #ancestors = new Set<object>();
  #left = maxValues;

  constructor(options: RedactorOptions) {
    this.#options = options;
  }

  copy(value: unknown, depth: number): unknown {
    if (typeof value === "string") return redactText(value);
    if (typeof value === "bigint" || typeof value === "symbol") return redactText(String(value));
    if (typeof value === "function") return undefined;
    if (typeof value !== "object" || value === null) return value;
    if (depth > maxDepth || --this.#left < 0) return "[too deep or too long]";
    if (this.#ancestors.has(value)) return "[circular]";
    this.#ancestors.add(value);
    try {
      return this.#copyObject(value, depth + 1);
    } catch {
      return "[unreadable]";
    } finally {
      this.#ancestors.delete(value);
    }
  }

  #copyObject(value: object, depth: number): unknown {
    if (Error.isError(value) || value instanceof Error) return this.#copyError(value, depth);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    if ("toJSON" in value && typeof value.toJSON === "function") {
      const json: unknown = value.toJSON("");
      return typeof json === "object" && json !== null
        ? this.#copyPlain(json, depth)
        : this.copy(json, depth);
    }
    return this.#copyPlain(value, depth);
  }

  #copyPlain(value: object, depth: number): unknown {
    if (Array.isArray(value)) return this.#copyItems(value, depth);
    if (value instanceof Set) return this.#copyItems([...value], depth);
    const copy: Record<string, unknown> = {};
    const keys = value instanceof Map ? [...value.keys()] : Object.keys(value);
    for (const [index, key] of keys.entries()) {
      if (this.#left <= 0) {
        copy["…"] = `[${keys.length - index} more keys]`;
        break;
      }
      this.#left--;
      const name = String(key);
      // Not an assignment: "__proto__" would set the prototype.
      Object.defineProperty(copy, redactText(name), {
        value: this.#copyField(
          name,
          () => (value instanceof Map ? value.get(key) : Reflect.get(value, name)),
          depth,
        ),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return copy;
  }

  #copyItems(items: readonly unknown[], depth: number): unknown[] {
    const copy: unknown[] = [];
    for (let index = 0; index < items.length; index++) {
      if (--this.#left < 0) {
        copy.push(`[${items.length - index} more items]`);
        break;
      }
      const item = this.#read(() => items[index], depth);
      copy.push(item === undefined ? null : item);
    }
    return copy;
  }

  #copyField(name: string, read: () => unknown, depth: number): unknown {
    const value = this.#read(read, depth);
    // Whether a secret is set at all is worth knowing, and gives nothing away.
    const isHarmless = value === undefined || value === null || typeof value === "boolean";
    return isSecretKey(name) && !isHarmless ? redacted : value;
  }

  #copyError(error: object, depth: number): Record<string, unknown> {
    const read = (key: string): unknown => this.#read(() => Reflect.get(error, key), depth);
    const [type, code, stack, cause, errors] = ["name", "code", "stack", "cause", "errors"].map(read);
    return {
      type: typeof type === "string" ? type : "Error",
      message: read("message"),
      ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
      ...(typeof stack === "string" ? { stack: this.#mapStack(stack) } : {}),
      ...(cause === undefined ? {} : { cause }),
      ...(Array.isArray(errors) ? { errors } : {}),
    };
  }

  #mapStack(stack: string): string {
    try {
      return redactText(this.#options.mapStack?.(stack) ?? stack);
    } catch {
      return stack;
    }
  }

  #read(read: () => unknown, depth: number): unknown {
    try {
      return this.copy(read(), depth);
    } catch {
      return "[unreadable]";
    }
  }
}

function isSecretKey(name: string): boolean {
  let isSecret = knownKeys.get(name);
  if (isSecret === undefined) {
    isSecret = isSecretName(name);
    if (knownKeys.size >= 2000) knownKeys.clear();
    knownKeys.set(name, isSecret);
  }
  return isSecret;
}
