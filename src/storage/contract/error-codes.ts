import { createFail, type ErrorCode } from "../../errors/codes.ts";

/** Codes of what is done with files. */
export const STORAGE_ERROR_CODES = {
  file_refused: {
    status: 415,
    meaning: "The file isn't of the type that its name and its sender say, or of none that is taken here",
  },
  image_refused: {
    status: 422,
    meaning:
      "No thumbnail can be made: the file is no image that can be read, is damaged or has too many pixels",
  },
  link_refused: {
    status: 403,
    meaning: "The link to the file is over, or isn't whole: ask for a new one",
  },
  storage_full: {
    status: 507,
    meaning: "The disk of the files is full; nothing was kept",
  },
  storage_unavailable: {
    status: 503,
    meaning:
      "Where the files are kept can't be reached, or refuses the server; try again, as retry-after says",
  },
} as const satisfies Record<string, ErrorCode>;

/** Makes the AppError of a code of files, or of one that all slices share. */
export const fail = createFail(STORAGE_ERROR_CODES);
