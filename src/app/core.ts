import { RequestMeter } from "../metrics/requests.ts";
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
  let loading: Promise<(streams: InFlight["streams"]) => CoreApp> | null = null;
  const load = (): Promise<(streams: InFlight["streams"]) => CoreApp> =>
    (loading ??= import("./core-routes.ts").then((routes) =>
      routes.createCoreAppBuilder(context, { ...parts, appName }),
    ));
  // A plugin's page may be the first that stands in the frame of the administration: the core's routes bring it.
  parts.templates.loadShell = async () => {
    await load();
    return parts.templates.loadShell();
  };
  const { monitoring } = context;
  return () => createCoreMount(async (streams) => (await load())(streams), monitoring);
}

/** What asks for them asks often, or for many at once, and must be answered when others ask for too much. */
const FREE = /^\/(?:health|metrics|system\/metrics)$|^\/(?:docs\/(?!guide\/search)|static\/|metrics\/)/;

/** The forms of rows, which may have files. */
const TAKES_FILES = /^\/ui\/records\//;

function createCoreMount(
  build: (streams: InFlight["streams"]) => Promise<CoreApp>,
  monitoring: AppContext["monitoring"],
): CoreMount {
  let app: CoreApp | null = null;
  let building: Promise<CoreApp> | null = null;
  const inFlight = Object.assign(new InFlight(), {
    isFree: (path: string) => FREE.test(path),
    takesFiles: ({ method, url }: Request) => method === "POST" && TAKES_FILES.test(new URL(url).pathname),
  });
  const ready = (): Promise<CoreApp> => (building ??= build(inFlight.streams).then((built) => (app = built)));
  const fetch: Mount["fetch"] = (request) =>
    app === null ? ready().then((built) => built.fetch(request)) : app.fetch(request);
  const routes = () => app?.routes() ?? [];
  return {
    prefix: "",
    plugin: null,
    inFlight,
    meter: monitoring && new RequestMeter(monitoring.metrics.core, routes),
    fetch: monitoring?.traceRequests(monitoring.metrics.core, fetch, routes) ?? fetch,
    openApi: async () => (await ready()).openApi(),
    load: async () => void (await ready()),
  };
}
