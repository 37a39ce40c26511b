import { basename } from "node:path";
import { type JsonDocument, parseJsonDocument } from "../../config/json/document.ts";
import { setJsonPath } from "../../config/json/edit.ts";
import { isJsonObject, valueAt } from "../../config/json/values.ts";
import type { Config } from "../../config/schema.ts";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../failure/error-codes.ts";
import { replaceFile } from "../../files/replace.ts";
import { readTextFile } from "../../files/text.ts";

/** A plugin from elsewhere, as `plugins.remote.<name>` of config.json has it. */
export type RemoteEntry = Config["plugins"]["remote"][string];

/** Where an entry says that its plugin is, in the order in which the places are tried. */
export function placesOf({ url, urls }: RemoteEntry): readonly string[] {
  return urls ?? (url === undefined ? [] : [url]);
}

/** What a plugin is pinned to. */
export interface Pin {
  /** Where it is found, in the order in which the places are tried; null leaves them as they are written. */
  readonly places: readonly string[] | null;
  readonly integrity: string;
}

/** What a key of a plugin's settings is set to; `undefined` takes it out. */
export interface SettingChange {
  readonly path: readonly string[];
  readonly value: unknown;
}

const REMOTE = ["plugins", "remote"];
const SETTINGS = ["plugins", "settings"];
const EMPTY = "{\n}\n";

/**
 * Writes what config.json says of plugins, and keeps everything else in the file as it was written, comments included.
 * Changes are made one after another. A file that isn't there is made.
 */
export class PluginEntries {
  readonly #file: string;
  #writing: Promise<unknown> = Promise.resolve();

  /** @param file absolute path of config.json */
  constructor(file: string) {
    this.#file = file;
  }

  /** Pins a plugin; what else its entry says stays. @throws AppError conflict when the file can't be used, plugin_not_kept when it can't be written */
  async pin(name: string, { places, integrity }: Pin): Promise<void> {
    await this.#change((text) => {
      const path = [...REMOTE, name];
      const known = valueAt(parse(text).value, path);
      const [url, ...others] = places ?? [];
      const isSingle = others.length === 0;
      if (!isJsonObject(known)) {
        const place = places === null ? {} : isSingle ? { url } : { urls: places };
        return setJsonPath(text, path, { ...place, integrity });
      }
      const pinned = setJsonPath(text, [...path, "integrity"], integrity);
      if (places === null) return pinned;
      const key = isSingle ? "url" : "urls";
      const placed = setJsonPath(pinned, [...path, key], isSingle ? url : places);
      return setJsonPath(placed, [...path, isSingle ? "urls" : "url"], undefined);
    });
  }

  /** Writes whether a plugin is loaded. @throws AppError conflict when the file can't be used, plugin_not_kept when it can't be written */
  async setActive(name: string, active: boolean): Promise<void> {
    await this.#change((text) => setJsonPath(text, [...REMOTE, name, "active"], active));
  }

  /** The text of the file; that of an empty one where there is none. @throws AppError conflict when it can't be used */
  read(): string {
    const read = readTextFile(this.#file);
    if (read.state === "unreadable") throw this.#refuse(`expected ${read.expected}, found ${read.found}`);
    const text = read.state === "missing" ? EMPTY : read.text;
    this.#assertUsable(text);
    return text;
  }

  /**
   * Writes keys of a plugin's settings.
   *
   * @param over what the file must hold still. @default anything
   * @throws AppError conflict when the file can't be used, or holds something else; plugin_not_kept when it can't be written
   */
  async setSettings(name: string, changes: readonly SettingChange[], over?: string): Promise<void> {
    await this.#change((text) => {
      if (over !== undefined && over !== text)
        throw this.#refuse("it was changed at the same time", "try again");
      return this.withSettings(text, name, changes);
    });
  }

  /** Returns the text of the file with keys of a plugin's settings changed. @throws AppError conflict where it can't be */
  withSettings(text: string, name: string, changes: readonly SettingChange[]): string {
    return changes.reduce((written, { path, value }) => {
      const whole = [...SETTINGS, name, ...path];
      const { value: values } = parse(written);
      for (let length = SETTINGS.length; length < whole.length; length += 1) {
        const around = valueAt(values, whole.slice(0, length));
        if (around === undefined || isJsonObject(around)) continue;
        throw this.#refuse(`"${whole.slice(0, length).join(".")}" is no object`);
      }
      const isNothing = valueAt(values, whole) === undefined && value === undefined;
      return isNothing ? written : setJsonPath(written, whole, value);
    }, text);
  }

  /**
   * Takes a plugin out, then does `next`; puts it back when that fails.
   *
   * @throws AppError conflict when the file can't be used, or doesn't list the plugin; plugin_not_kept when it can't be
   * written
   */
  async remove(name: string, next: () => Promise<void>): Promise<void> {
    const path = [...REMOTE, name];
    let entry: unknown;
    const before = await this.#change((text) => {
      entry = valueAt(parse(text).value, path);
      if (entry === undefined)
        throw this.#refuse(`it doesn't list "${name}", which a variable sets`, "change that");
      return setJsonPath(text, path, undefined);
    });
    try {
      await next();
    } catch (error) {
      await this.#change((text) => {
        const isUntouched = text === setJsonPath(before, path, undefined);
        return isUntouched ? before : setJsonPath(text, path, entry);
      });
      throw error;
    }
  }

  /** Returns the text before the change. */
  #change(change: (text: string) => string): Promise<string> {
    const writing = this.#writing.then(() => this.#write(change));
    this.#writing = writing.catch(() => {});
    return writing;
  }

  async #write(change: (text: string) => string): Promise<string> {
    this.read();
    let before = EMPTY;
    await replaceFile(this.#file, (text) => {
      before = text ?? before;
      this.#assertUsable(before);
      return change(before);
    }).catch((error: NodeJS.ErrnoException) => {
      throw error.syscall === undefined ? error : this.#notWritten(error);
    });
    return before;
  }

  #assertUsable(text: string): void {
    const document = parse(text);
    const [fault] = document.faults;
    if (fault !== undefined) {
      const { line, column } = fault.position;
      throw this.#refuse(`${fault.message} (line ${line}, column ${column})`);
    }
    for (const path of [[], ["plugins"], REMOTE]) {
      const value = valueAt(document.value, path);
      if (isJsonObject(value) || (value === undefined && path.length > 0)) continue;
      throw this.#refuse(`${path.length === 0 ? "it" : `"${path.join(".")}"`} is no object`);
    }
  }

  #notWritten(error: NodeJS.ErrnoException): AppError {
    const isFull = error.code === "ENOSPC" || error.code === "EDQUOT";
    const advice = isFull ? "make room on that disk" : "let the user that xcore runs as write there";
    const message = `Cannot change ${basename(this.#file)}: it can't be written (${error.code}); ${advice}`;
    return fail("plugin_not_kept", message, { cause: error });
  }

  #refuse(reason: string, advice = "correct it first"): AppError {
    return fail("conflict", `Cannot change ${basename(this.#file)}: ${reason}; ${advice}`);
  }
}

function parse(text: string): JsonDocument {
  return parseJsonDocument(text.replace(/^\uFEFF/, ""));
}
