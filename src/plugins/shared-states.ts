import { eq } from "drizzle-orm";
import type { Logger } from "pino";
import type { CoreStore } from "../accounts/people/store.ts";
import type { ChangeFeed } from "../cluster/change-feed.ts";
import { isJsonObject, type JsonObject } from "../config/json/values.ts";
import type { SettingChange } from "./remote/installer.ts";

/** What was asked of plugins on all instances. */
export interface AskedStates {
  /** Whether they are in service, by name: it counts over `active` of their files and of config.json. */
  readonly active: ReadonlyMap<string, boolean>;
  /** Their settings by name, as they were typed: they count over those of config.json, key by key. */
  readonly settings: Readonly<Record<string, JsonObject>>;
}

export interface SharedStatesOptions {
  readonly store: CoreStore;
  readonly feed: ChangeFeed;
  readonly log: Logger;
}

const TOPIC = "plugins";
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;

/**
 * What administrators have asked of plugins on all instances. It is kept in the table `plugin_states`; the feed only tells
 * the others to read it again, which they do as well at the start, when Redis is back, and when changes were lost. So all come to
 * the same, whatever was away meanwhile, and nothing that stands in Redis is believed, or is a secret.
 */
export class SharedStates {
  readonly #options: SharedStatesOptions;
  #asked: AskedStates = { active: new Map(), settings: {} };
  #reading: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;
  #applied: Promise<unknown> = Promise.resolve();
  #retry: { readonly timer: Timer; readonly ms: number } | null = null;
  #apply: () => Promise<unknown> = async () => {};
  #unfollow: () => void = () => {};
  #isClosed = false;

  constructor(options: SharedStatesOptions) {
    this.#options = options;
  }

  /** What is asked, as it was last read. */
  get asked(): AskedStates {
    return this.#asked;
  }

  /** What it sets of the configuration; see `LoadConfigOptions.shared`. */
  get config(): JsonObject {
    const { settings } = this.#asked;
    return Object.keys(settings).length === 0 ? {} : { plugins: { settings } };
  }

  /** Reads what is asked, before anything runs. @throws DatabaseError */
  async load(): Promise<void> {
    this.#asked = await this.#read();
  }

  /**
   * Applies what is asked from now on, here and on other instances.
   *
   * @param apply makes the running plugins follow what is asked now; resolves once they do
   */
  follow(apply: () => Promise<unknown>): void {
    this.#apply = apply;
    const look = (): void => void this.#look();
    this.#unfollow = this.#options.feed.follow(TOPIC, { onChange: look, onReset: look, onReturn: look });
  }

  /**
   * Asks for a plugin to be in service, or not, on all instances; resolves once this one follows.
   *
   * @param active null leaves it to the files of each instance
   * @throws DatabaseError
   */
  async setActive(name: string, active: boolean | null): Promise<void> {
    const { db, tables } = this.#options.store;
    const asked = { is_active: active, changed_at: new Date() };
    await db
      .insert(tables.pluginStates)
      .values({ name, ...asked })
      .onConflictDoUpdate({ target: tables.pluginStates.name, set: asked });
    await this.#tell();
  }

  /**
   * Sets keys of a plugin's settings on all instances; resolves once this one follows.
   *
   * @param changes values as they were typed: references to variables are replaced by each instance; `undefined` leaves a
   * key to the config.json of each
   * @throws DatabaseError
   */
  async setSettings(name: string, changes: readonly SettingChange[]): Promise<void> {
    const { db, tables } = this.#options.store;
    const { pluginStates } = tables;
    await db.transaction(async (tx) => {
      // Locks the row, so that of two keys that are set at once none is lost.
      await tx
        .insert(pluginStates)
        .values({ name })
        .onConflictDoUpdate({ target: pluginStates.name, set: { name } });
      const [row] = await tx.select().from(pluginStates).where(eq(pluginStates.name, name)).for("update");
      const settings = withKeys(toSettings(row?.settings), changes);
      await tx
        .update(pluginStates)
        .set({ settings: Object.keys(settings).length === 0 ? null : settings, changed_at: new Date() })
        .where(eq(pluginStates.name, name));
    });
    await this.#tell();
  }

  async #tell(): Promise<void> {
    this.#options.feed.publish(TOPIC, null);
    await this.#refresh();
    await this.#applied;
  }

  /**
   * Removes a plugin from this instance by `work`: nobody asks for it to be in service any more, and those that have it go
   * by their files. That it was taken out of service stays.
   *
   * @throws what `work` throws, with everything as it was
   */
  async remove(name: string, work: () => Promise<void>): Promise<void> {
    if (this.#asked.active.get(name) !== true) return work();
    // Before: it would be missed here.
    await this.setActive(name, null);
    try {
      await work();
    } catch (error) {
      await this.setActive(name, true);
      throw error;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#unfollow();
    clearTimeout(this.#retry?.timer);
  }

  /** Reads again until the database answers. */
  async #look(): Promise<void> {
    try {
      await this.#refresh();
    } catch (error) {
      this.#lookLater(error);
    }
  }

  #lookLater(error: unknown): void {
    if (this.#isClosed) return;
    const ms = this.#retry === null ? FIRST_RETRY_MS : Math.min(this.#retry.ms * 2, LAST_RETRY_MS);
    clearTimeout(this.#retry?.timer);
    this.#retry = { ms, timer: setTimeout(() => void this.#look(), ms).unref() };
    const retry = `asked again in ${ms / 1000} s`;
    this.#options.log.warn(
      { err: error },
      `it isn't known what is asked of plugins on all instances: ${retry}`,
    );
  }

  /** Reads what is asked now, and has it applied where it differs. */
  #refresh(): Promise<void> {
    // The read that is under way may have begun before the latest change was committed.
    return (this.#next ??= this.#reading
      .catch(() => {})
      .then(() => {
        this.#next = null;
        return (this.#reading = this.#readAndApply());
      }));
  }

  async #readAndApply(): Promise<void> {
    const asked = await this.#read();
    clearTimeout(this.#retry?.timer);
    this.#retry = null;
    if (this.#isClosed || Bun.deepEquals(asked, this.#asked)) return;
    this.#asked = asked;
    const { log } = this.#options;
    this.#applied = this.#apply().catch((error: unknown) =>
      log.error({ err: error }, "what is asked of plugins on all instances can't be applied"),
    );
  }

  async #read(): Promise<AskedStates> {
    const { db, tables } = this.#options.store;
    const { name, is_active: isActive, settings } = tables.pluginStates;
    const rows = await db.select({ name, isActive, settings }).from(tables.pluginStates).orderBy(name);
    return {
      active: new Map(rows.flatMap((row) => (row.isActive === null ? [] : [[row.name, row.isActive]]))),
      settings: Object.fromEntries(
        rows.flatMap((row) => (isJsonObject(row.settings) ? [[row.name, row.settings]] : [])),
      ),
    };
  }
}

function toSettings(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** Copies settings as they are after changes. */
export function withKeys(settings: JsonObject, changes: readonly SettingChange[]): JsonObject {
  return changes.reduce((all, { path, value }) => withKey(all, path, value), settings);
}

/** Copies settings with a key set, or without it; objects that are left empty go with it. */
function withKey(settings: JsonObject, path: readonly string[], value: unknown): JsonObject {
  const [key = "", ...rest] = path;
  const below = toSettings(Object.hasOwn(settings, key) ? settings[key] : undefined);
  const next = rest.length === 0 ? value : withKey(below, rest, value);
  const { [key]: _, ...others } = settings;
  const isEmpty = next === undefined || (rest.length > 0 && Object.keys(next as JsonObject).length === 0);
  return isEmpty ? others : { ...settings, [key]: next };
}
