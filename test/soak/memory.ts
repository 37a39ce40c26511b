import { readdir } from "node:fs/promises";
import { residentMb } from "../../bench/server.ts";
import { median } from "../../bench/report.ts";

/** What an instance holds while nobody asks it for anything. */
export interface Sample {
  /** Minutes from the beginning. */
  readonly minute: number;
  readonly mb: number;
  readonly descriptors: number;
}

/** How what is held grows from the first to the last sample, by a line that outliers don't move. */
export interface Growth {
  readonly from: number;
  readonly to: number;
  /** 0.1 is a tenth more at the end. */
  readonly share: number;
}

const LOOKS = 5;
const LOOK_MS = 100;

/** Looks at a process that has nothing to do (Linux). */
export async function takeSample(pid: number, minute: number): Promise<Sample> {
  const looks: number[] = [];
  while (looks.length < LOOKS) {
    looks.push(await residentMb(pid));
    await Bun.sleep(LOOK_MS);
  }
  return { minute, mb: median(looks), descriptors: (await readdir(`/proc/${pid}/fd`)).length };
}

/** Fits a line after Theil and Sen: its slope is the median of those between any two samples. */
export function fitGrowth(samples: readonly Sample[], pick: (sample: Sample) => number): Growth {
  const slopes = samples.flatMap((one, index) =>
    samples.slice(index + 1).map((other) => (pick(other) - pick(one)) / (other.minute - one.minute)),
  );
  const slope = median(slopes);
  const offset = median(samples.map((sample) => pick(sample) - slope * sample.minute));
  const [from = 0, to = 0] = [samples[0], samples.at(-1)].map((end) => offset + slope * (end?.minute ?? 0));
  return { from, to, share: (to - from) / from };
}
