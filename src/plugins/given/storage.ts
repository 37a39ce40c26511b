import { fail } from "../../errors/codes.ts";
import type * as sdk from "../../sdk/xcore.ts";
import { type StoredFile, THUMBNAIL_SIZES } from "../../storage/contract/stored-file.ts";
import type { Library } from "../../storage/library.ts";
import type { Storage } from "../../storage/storage.ts";

const MAX_KEY = 255;
const MAX_LISTED = 1000;
const LISTED = 100;
const HOUR_S = 3600;
/** Links are for now: who is to have a file for long has an account. */
const MAX_LINK_S = 30 * 86_400;

/** Creates the `storage` of a plugin: its own files, and those of its rows. */
export function createPluginStorage(plugin: string, storage: Pick<Storage, "library">): sdk.PluginStorage {
  const open = async (name: sdk.FileName): Promise<{ library: Library; file: StoredFile }> => {
    const wanted = typeof name === "string" ? toKey(name) : name;
    const library = await storage.library();
    const file = await library.catalogue.find(plugin, wanted);
    if (file !== null) return { library, file };
    throw fail(
      "not_found",
      `Cannot find the file ${JSON.stringify(typeof name === "string" ? name : name.id)}`,
    );
  };
  return {
    async put(content, { key, ...options } = {}) {
      const known = key === undefined ? null : toKey(key);
      return (await storage.library()).put(plugin, known, content, options);
    },
    async get(name) {
      const wanted = typeof name === "string" ? toKey(name) : name;
      return (await storage.library()).catalogue.find(plugin, wanted);
    },
    async bytes(name) {
      const { library, file } = await open(name);
      return library.bytes(file);
    },
    async stream(name, range) {
      const { library, file } = await open(name);
      return library.stream(file, range);
    },
    async serve(name, request, options = {}) {
      assertThumb(options.thumb);
      const { library, file } = await open(name);
      return library.answer(file, request, options);
    },
    async url(name, { expiresIn = HOUR_S } = {}) {
      if (!(expiresIn > 0 && expiresIn <= MAX_LINK_S))
        throw new RangeError(
          `Cannot make a link for ${expiresIn} seconds: it can be good for up to ${MAX_LINK_S}, 30 days`,
        );
      const { library, file } = await open(name);
      return library.linkTo(file, expiresIn);
    },
    async delete(key) {
      const known = toKey(key);
      return (await storage.library()).remove(plugin, known);
    },
    async list({ prefix = "", after, limit = LISTED } = {}) {
      if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LISTED)
        throw new RangeError(`Cannot list ${limit} files: it can be 1 to ${MAX_LISTED} at a time`);
      const { catalogue } = await storage.library();
      return catalogue.list(plugin, { prefix, after: after ?? null, limit });
    },
  };
}

function assertThumb(size: string | undefined): void {
  if (size === undefined || THUMBNAIL_SIZES.some((one) => one === size)) return;
  throw new RangeError(
    `Cannot make a thumbnail of ${JSON.stringify(size)}: it can be ${THUMBNAIL_SIZES.join(", ")}`,
  );
}

/** Keys are never paths of a disk; these would be to whoever takes them for some. */
function toKey(key: unknown): string {
  const isText = typeof key === "string" && key.length > 0 && key.length <= MAX_KEY && key.isWellFormed();
  const isUsable =
    isText && !/[\p{Cc}\\]/u.test(key) && key.split("/").every((part) => !/^\.{0,2}$/.test(part));
  if (isUsable) return key;
  throw new TypeError(
    `Cannot use ${JSON.stringify(key)} as the key of a file: expected 1 to ${MAX_KEY} characters such as "invoices/2026-1.pdf", without "..", "\\" and empty parts`,
  );
}
