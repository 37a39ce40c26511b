import { createFail, type ErrorCode } from "../../errors/codes.ts";

export const MAIL_ERROR_CODES = {
  mail_not_waiting: {
    status: 409,
    meaning: "The mail is being sent or has been: it can't be cancelled",
  },
  mail_not_kept: {
    status: 409,
    meaning: "The mail was sent or is being sent, and what it said isn't kept: it can't be sent again",
  },
  mail_not_sent: {
    status: 502,
    meaning: "The mail server can't be reached, or refuses the mail; the message says what to do",
  },
} as const satisfies Record<string, ErrorCode>;

/** Makes the AppError of a code of mail, or of one that all slices share. */
export const fail = createFail(MAIL_ERROR_CODES);
