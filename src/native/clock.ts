/** Milliseconds that only go on, in C. A handler of signals may ask for them too. */
export const CLOCK = `
typedef long long i64;
extern int clock_gettime(int clock, i64 *time);

static i64 now(void) {
  i64 time[2];
  clock_gettime(${process.platform === "darwin" ? 6 : 1}, time); // CLOCK_MONOTONIC
  return time[0] * 1000 + time[1] / 1000000;
}
`;
