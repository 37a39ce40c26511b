import { expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };

const PROJECT = join(import.meta.dir, "..");
const WORKFLOWS = join(PROJECT, ".github/workflows");

interface Job {
  readonly uses?: string;
  readonly "timeout-minutes"?: number;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly steps?: readonly { readonly uses?: string; readonly run?: string }[];
}

interface Workflow {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

test("workflows may do little, and take actions by their commits", async () => {
  const names = (await readdir(WORKFLOWS)).toSorted();
  expect(names).toEqual(["ci.yml", "release.yml"]);
  for (const name of names) {
    // oxlint-disable-next-line no-await-in-loop -- two files
    const { permissions, jobs } = await readWorkflow(name);
    expect(permissions).toEqual({ contents: "read" });
    for (const { uses, steps = [], "timeout-minutes": minutes } of Object.values(jobs)) {
      if (uses === undefined) expect(minutes).toBeGreaterThan(0);
      else expect(uses).toBe("./.github/workflows/ci.yml");
      const actions = steps.flatMap((step) => step.uses ?? []);
      expect(actions.filter((action) => !/^actions\/[\w-]+@[0-9a-f]{40}$/.test(action))).toEqual([]);
    }
  }
});

test("workflows run the Bun that the project asks for, and build every executable that build.ts can", async () => {
  const { jobs } = await readWorkflow("release.yml");
  const runs = Object.values({ ...(await readWorkflow("ci.yml")).jobs, ...jobs }).flatMap(({ steps = [] }) =>
    steps.flatMap(({ run }) => run ?? []),
  );
  const versions = runs.flatMap((run) => [...run.matchAll(/bun@([\w.]+)/g)].map(([, version]) => version));
  expect(new Set(versions)).toEqual(new Set([manifest.engines.bun]));
  const built = runs.flatMap((run) => [...run.matchAll(/--target (\S+)/g)].map(([, target]) => target));
  const build = await Bun.file(join(PROJECT, "build.ts")).text();
  const known = [...build.matchAll(/^ {2}"([a-z]+-\w+)": \{ os:/gm)].map(([, target]) => target);
  expect(known).toHaveLength(5);
  expect(built).toEqual(known);
});

async function readWorkflow(name: string): Promise<Workflow> {
  return Bun.YAML.parse(await Bun.file(join(WORKFLOWS, name)).text()) as Workflow;
}
