import { InFlight, type Mount } from "../web/mounts.ts";
import type { AppContext } from "./context.ts";
import type { CoreApp, CoreParts } from "./core-routes.ts";

/** The mount of the core, which can also describe everything that is served now. */
export interface CoreMount extends Mount {
  /** The OpenAPI 3.1 document of the core and the plugins. */
  openApi(): Promise<Record<string, unknown>>;
  /** Loads and builds what the core serves before it is asked for. @throws what its sources throw */
  load(): Promise<void>;
}

/**
 * Returns what mounts the core, as the configuration is then. Its routes are loaded and built when one of them is first
 * asked for: they are much of the start of a server, and of its memory, and many serve plugins alone.
 */
export function createCoreBuilder(context: AppContext, parts: Omit<CoreParts, "appName">): () => CoreMount {
  const { name: appName } = context.live.loaded.config.app;
  let loading: Promise<() => CoreApp> | null = null;
  const load = (): Promise<() => CoreApp> =>
    (loading ??= import("./core-routes.ts").then((routes) =>
      routes.createCoreAppBuilder(context, { ...parts, appName }),
    ));
  return () => createCoreMount(async () => (await load())());
}

/** What asks for them asks often, or for many at once, and must be answered when others ask for too much. */
const FREE = /^\/(?:health|metrics)$|^\/docs\//;

function createCoreMount(build: () => Promise<CoreApp>): CoreMount {
  let app: CoreApp | null = null;
  let building: Promise<CoreApp> | null = null;
  const ready = (): Promise<CoreApp> => (building ??= build().then((built) => (app = built)));
  const inFlight = Object.assign(new InFlight(), { isFree: (path: string) => FREE.test(path) });
  return {
    prefix: "",
    plugin: null,
    inFlight,
    fetch: (request) => (app === null ? ready().then((built) => built.fetch(request)) : app.fetch(request)),
    openApi: async () => (await ready()).openApi(),
    load: async () => void (await ready()),
  };
}
