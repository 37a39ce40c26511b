import { createFail, type ErrorCode } from "../../errors/codes.ts";

export const JOB_ERROR_CODES = {
  job_payload_too_large: {
    status: 413,
    meaning:
      "The payload of a background job is larger than 1 MB of JSON: keep what it works on in a file or a table",
  },
  job_not_ended: {
    status: 409,
    meaning: "The job waits or runs: it can be cancelled, and not run again",
  },
  task_not_here: {
    status: 409,
    meaning: "The plugin of the task doesn't serve, or doesn't have it any more: it can't be run",
  },
  task_failed: {
    status: 500,
    meaning: "A task that `xcore tasks run` has run failed; the log says why",
  },
  task_running: {
    status: 409,
    meaning: "The task runs, and doesn't overlap with itself; try again once it has ended",
  },
} as const satisfies Record<string, ErrorCode>;

/** Makes the AppError of a code of jobs, or of one that all slices share. */
export const fail = createFail(JOB_ERROR_CODES);
