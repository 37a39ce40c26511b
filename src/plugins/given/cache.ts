import type { AppCache } from "../../cache/cache.ts";
import type { Meter } from "../../metrics/meter.ts";
import type * as sdk from "../../sdk/xcore.ts";

interface CacheOwner {
  readonly name: string;
  readonly version: string;
  /** Measures what it does; null: nobody does. */
  readonly meter: Pick<Meter, "cache"> | null;
}

/**
 * Creates the `cache` and `cached` of one generation of a plugin: it shares its keys with the other generations, and what
 * they keep under them with those of the same version alone.
 */
export function createPluginCache(
  cache: Pick<AppCache, "namespace">,
  { name, version, meter }: CacheOwner,
): Pick<typeof sdk, "cache" | "cached"> {
  const namespace = cache.namespace(name, version, meter?.cache);
  return { cache: namespace, cached: (work, options) => namespace.cached(work, options) };
}
