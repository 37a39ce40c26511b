import { Worker } from "node:worker_threads";

const CHECK_MS = 1000;
const GRACE_MS = 3000; // for whoever can still clean up after itself

const CODE = `
const parent = process.ppid;
const timer = setInterval(() => {
  if (process.ppid === parent) return;
  clearInterval(timer);
  setTimeout(() => process.kill(process.pid, "SIGKILL"), ${GRACE_MS});
}, ${CHECK_MS});
`;

/**
 * Ends this process soon after the one that started it, even while code here keeps the thread busy: a test that was
 * given up for an endless loop must not leave it running. (On Windows the id of the parent stays.)
 */
export function endWithParent(): void {
  new Worker(CODE, { eval: true }).unref();
}
