import type { PluginManager } from "../manager.ts";

const MAX_WAIT_MS = 100_000; // for a plugin to be loaded: connections without a byte are closed soon after

export interface FollowingOptions {
  readonly manager: PluginManager;
  /** Reads config.json again and applies it; resolves once the plugins follow it. */
  readonly reloadConfig: () => Promise<void>;
}

/**
 * Makes the running server follow config.json, and try again to load a plugin whose entry is as it was. Resolves once
 * the plugin serves or has failed, or when that takes too long.
 */
export async function followConfig({ manager, reloadConfig }: FollowingOptions, id: string): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, MAX_WAIT_MS);
  const failureOf = () => manager.list().find((record) => record.id === id)?.failure ?? null;
  const load = async (): Promise<void> => {
    const known = failureOf();
    await reloadConfig();
    if (known !== null && failureOf() === known) await manager.refresh(new Set([id]));
    await manager.settled(id);
  };
  await Promise.race([load(), late.promise]);
  clearTimeout(timer);
}
