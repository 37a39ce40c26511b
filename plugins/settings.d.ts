// What `xcore types` writes for a project: here, plugins are checked without it.
import type { settings } from "./todo/settings.ts";

declare module "xcore" {
  interface PluginSettings {
    todo: typeof settings;
  }
}
