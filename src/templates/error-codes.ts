import { createFail } from "../errors/codes.ts";

/** Codes of errors of pages. */
export const TEMPLATE_ERROR_CODES = {
  template_not_found: { status: 500, meaning: "A page names a template that isn't there" },
  template_failed: {
    status: 500,
    meaning:
      "A template can't be rendered; in development the answer says where and why, as the log always does",
  },
} as const;

export const fail = createFail(TEMPLATE_ERROR_CODES);
