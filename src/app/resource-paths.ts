import type { PluginManager } from "../plugins/manager.ts";
import type { Resource } from "../resources/resources.ts";

/** Where a resource is served, as far as its plugin shows it: a router around it may have a prefix of its own. */
export function pathOf({ plugin, name }: Resource, plugins: PluginManager): string {
  const current = plugins.list().find((record) => record.name === plugin)?.current;
  const path = `${current?.manifest.api_prefix ?? `/${plugin}`}/${name}`;
  const paths = (current?.surface.routes ?? [])
    .filter(({ method }) => method === "GET")
    .map((one) => one.path);
  return paths.includes(path) ? path : (paths.find((one) => one.endsWith(`/${name}`)) ?? path);
}
