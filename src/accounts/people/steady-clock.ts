/**
 * The time in ms since the epoch as it goes on from the start of the process, whatever the system's clock is set to
 * meanwhile: for what lasts seconds or minutes. It falls behind while the machine sleeps.
 */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}
