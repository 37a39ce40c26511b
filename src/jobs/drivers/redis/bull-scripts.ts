import type { createBunRedisClient } from "bullmq/dist/esm/classes/bun-redis-client.js";
import { addDelayedJob } from "bullmq/dist/esm/scripts/addDelayedJob-6.js";
import { addPrioritizedJob } from "bullmq/dist/esm/scripts/addPrioritizedJob-9.js";
import { extendLocks } from "bullmq/dist/esm/scripts/extendLocks-1.js";
import { getStateV2 } from "bullmq/dist/esm/scripts/getStateV2-8.js";
import { moveJobFromActiveToWait } from "bullmq/dist/esm/scripts/moveJobFromActiveToWait-9.js";
import { moveStalledJobsToWait } from "bullmq/dist/esm/scripts/moveStalledJobsToWait-9.js";
import { moveToActive } from "bullmq/dist/esm/scripts/moveToActive-11.js";
import { moveToDelayed } from "bullmq/dist/esm/scripts/moveToDelayed-11.js";
import { moveToFinished } from "bullmq/dist/esm/scripts/moveToFinished-14.js";
import { promote } from "bullmq/dist/esm/scripts/promote-9.js";
import { removeJob } from "bullmq/dist/esm/scripts/removeJob-2.js";
import { updateProgress } from "bullmq/dist/esm/scripts/updateProgress-3.js";
import { version } from "bullmq/dist/esm/version.js";

/** Of BullMQ's scripts, those that are used: all together are half a megabyte. */
const SCRIPTS = [
  addDelayedJob,
  addPrioritizedJob,
  extendLocks,
  getStateV2,
  moveJobFromActiveToWait,
  moveStalledJobsToWait,
  moveToActive,
  moveToDelayed,
  moveToFinished,
  promote,
  removeJob,
  updateProgress,
];

/** Has a client know BullMQ's scripts, by the names that it calls them. */
export function defineScripts(adapter: ReturnType<typeof createBunRedisClient>): void {
  for (const { name, content, keys } of SCRIPTS) {
    adapter.defineCommand(`${name}:${version}`, { numberOfKeys: keys, lua: content });
  }
}
