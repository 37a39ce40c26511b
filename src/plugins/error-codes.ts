import type { ErrorCode } from "../errors/codes.ts";

export const PLUGIN_ERROR_CODES = {
  plugin_not_found: { status: 404, meaning: "No plugin has this name" },
  plugin_unavailable: { status: 503, meaning: "The plugin is being loaded, or failed before it ever served" },
} as const satisfies Record<string, ErrorCode>;
