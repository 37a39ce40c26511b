import { createFail, type ErrorCode } from "../../errors/codes.ts";

export const PLUGIN_ERROR_CODES = {
  plugin_not_found: { status: 404, meaning: "No plugin has this name" },
  plugin_unavailable: { status: 503, meaning: "The plugin is being loaded, or failed before it ever served" },
  plugin_fetch_failed: { status: 502, meaning: "No host gave the plugin; another try may have more luck" },
  plugin_refused: {
    status: 422,
    meaning: "The plugin is not what was asked for, not signed, or can't be used",
  },
  plugin_not_kept: {
    status: 500,
    meaning: "The plugin can't be written to the data directory, or its pin to config.json",
  },
} as const satisfies Record<string, ErrorCode>;

/** Makes the AppError of a code of plugins, or of one that all slices share. */
export const fail = createFail(PLUGIN_ERROR_CODES);
