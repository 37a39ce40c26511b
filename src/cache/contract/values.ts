/** A value as it is cached: nobody who has a part of it can change it for others. */
export interface Kept {
  readonly value: unknown;
  /** Whether all who ask get the same: its objects and arrays are frozen, and it has nothing that can't be. */
  readonly isShared: boolean;
  /** Whether JSON has all of it as it is. */
  readonly isPlain: boolean;
  /** In bytes, about. */
  readonly size: number;
}

const WORD_BYTES = 8;
const OBJECT_BYTES = 48;
const MAX_DEPTH = 1000;

export const BYTE_ARRAYS = {
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const;

export type ByteArrayName = keyof typeof BYTE_ARRAYS;

/**
 * Copies a value as it can be cached: what JSON knows, and dates, maps, sets, big integers, bytes, `undefined` and every
 * number. What has a `toJSON` becomes what that returns.
 *
 * @throws TypeError for anything else, with its place, and for what contains itself
 */
export function keep(value: unknown): Kept {
  const keeper = new Keeper();
  const copy = keeper.copy(value, "");
  return { value: copy, isShared: keeper.isShared, isPlain: keeper.isPlain, size: keeper.size };
}

/** Returns the value for somebody who may do with it what they like. */
export function giveOut(kept: Kept): unknown {
  return kept.isShared ? kept.value : copyOut(kept.value);
}

class Keeper {
  isShared = true;
  isPlain = true;
  size = 0;
  #depth = 0;

  copy(value: unknown, path: string): unknown {
    this.size += WORD_BYTES;
    switch (typeof value) {
      case "string":
        this.size += value.length;
        return value;
      case "number":
        if (!Number.isFinite(value) || Object.is(value, -0)) this.isPlain = false;
        return value;
      case "boolean":
        return value;
      case "undefined":
      case "bigint":
        this.isPlain = false;
        return value;
      case "object":
        return value === null ? null : this.#copyObject(value, path);
      default:
        throw uncacheable(`a ${typeof value}`, path);
    }
  }

  #copyObject(value: object, path: string): unknown {
    this.size += OBJECT_BYTES;
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw uncacheable("what contains itself or is nested too deep", path);
    try {
      if (Array.isArray(value)) {
        return Object.freeze(Array.from(value, (item, index) => this.copy(item, `${path}[${index}]`)));
      }
      return this.#copySpecial(value, path) ?? this.#copyMembers(value, path);
    } finally {
      this.#depth -= 1;
    }
  }

  /** Undefined for a plain object. */
  #copySpecial(value: object, path: string): unknown {
    const made = this.#copyUnfrozen(value, path);
    if (made !== undefined) {
      this.isShared = false;
      this.isPlain = false;
      return made;
    }
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === "function") return this.copy(toJSON.call(value, ""), path);
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === null || prototype === Object.prototype || hasNoClass(prototype)) return undefined;
    throw uncacheable(`an instance of ${nameOf(prototype)}`, path);
  }

  /** Undefined for what can be frozen. */
  #copyUnfrozen(value: object, path: string): unknown {
    if (value instanceof Date) return new Date(value);
    if (value instanceof Map) {
      return new Map(Array.from(value, ([key, member]) => [this.copy(key, path), this.copy(member, path)]));
    }
    if (value instanceof Set) return new Set(Array.from(value, (member) => this.copy(member, path)));
    if (!ArrayBuffer.isView(value)) return undefined;
    this.size += value.byteLength;
    const bytes = copyBytes(value);
    if (bytes === null) throw uncacheable(`a ${nameOf(value)}`, path);
    return bytes;
  }

  #copyMembers(value: object, path: string): unknown {
    const members = Object.entries(value).map(([key, member]) => {
      this.size += key.length;
      return [key, this.copy(member, `${path}.${key}`)] as const;
    });
    return Object.freeze(Object.fromEntries(members));
  }
}

function copyOut(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return Object.freeze(value.map(copyOut));
  if (value instanceof Date) return new Date(value);
  if (value instanceof Map) {
    return new Map(Array.from(value, ([key, member]) => [copyOut(key), copyOut(member)]));
  }
  if (value instanceof Set) return new Set(Array.from(value, copyOut));
  if (ArrayBuffer.isView(value)) return copyBytes(value);
  return Object.freeze(
    Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copyOut(member)])),
  );
}

/** A Buffer becomes the Uint8Array that it is. Null for a DataView. */
function copyBytes(view: ArrayBufferView): ArrayBufferView | null {
  const name = (Object.keys(BYTE_ARRAYS) as ByteArrayName[]).find((one) => view instanceof BYTE_ARRAYS[one]);
  if (name === undefined) return null;
  const { buffer, byteOffset, byteLength } = view;
  return new BYTE_ARRAYS[name](buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
}

/** Whether it only hides or shows members, as the prototype of a page does. */
function hasNoClass(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === Object.prototype && !Object.hasOwn(prototype, "constructor");
}

function nameOf(value: object): string {
  return (value as { constructor?: { name?: string } }).constructor?.name ?? "a class";
}

function uncacheable(what: string, path: string): TypeError {
  const place = path === "" ? "" : ` at "${path.replace(/^\./, "")}"`;
  return new TypeError(`Cannot cache ${what}${place}`);
}
