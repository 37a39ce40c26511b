import type { Follower } from "./follower.ts";
import type { Ledger } from "./ledger.ts";
import type { Load } from "./load.ts";
import type { Person } from "./person.ts";
import type { Site } from "./site.ts";
import { explain, type Failure, type Window } from "./windows.ts";

const JOBS_MS = 120_000; // those of a killed process run again when their lease is over, and fail a few times
const LOOK_MS = 500;

interface Row {
  readonly id: number;
  readonly key: string;
}

/** What an invariant has found: nothing, or what breaks it. */
export interface Finding {
  readonly invariant: string;
  /** How much was looked at. */
  readonly checked: number;
  readonly wrong: readonly string[];
}

/** Compares what clients were told with what is there, once they have all ended. */
export async function audit(
  site: Site,
  {
    ledger,
    load,
    windows,
    follower,
  }: { ledger: Ledger; load: Load; windows: readonly Window[]; follower: Follower },
): Promise<Finding[]> {
  const { admin } = load;
  return [
    await checkNotes(admin, ledger),
    ...(await checkOrders(admin, ledger)),
    await checkUploads(load, ledger),
    await checkSessions(admin, ledger),
    checkStream(follower, ledger, windows),
    await checkCounts(site, admin),
    checkFailures(ledger.failures, windows),
    { invariant: "what was read on the way was right", checked: ledger.notes.size, wrong: ledger.wrong },
  ];
}

async function checkNotes(admin: Person, ledger: Ledger): Promise<Finding> {
  const { json } = await admin.ask("GET", "/soak/notes/export.json");
  const values = new Map((json as { key: string; value: number }[]).map(({ key, value }) => [key, value]));
  const wrong = [...ledger.notes]
    .filter(([key, { possible }]) => !possible.has(values.get(key) ?? null))
    .map(
      ([key, { possible }]) =>
        `note ${key} is ${values.get(key) ?? "gone"} instead of ${[...possible].map((value) => value ?? "gone").join(" or ")}`,
    );
  return {
    invariant: "no acknowledged write is lost, no refused one made",
    checked: ledger.notes.size,
    wrong,
  };
}

/** Each order that is there has a job that has run, once. */
async function checkOrders(admin: Person, ledger: Ledger): Promise<Finding[]> {
  const orders = new Set((await readAll(admin, "/soak/orders")).map(({ key }) => key));
  const lost = [...ledger.orders].flatMap(([key, outcome]) => {
    if (outcome === "acknowledged" && !orders.has(key)) return [`order ${key} was acknowledged and is lost`];
    return outcome === "refused" && orders.has(key) ? [`order ${key} was refused and is there`] : [];
  });
  const deadline = performance.now() + JOBS_MS;
  let runs = await readAll(admin, "/soak/runs");
  const left = (): string[] => {
    const ran = new Set(runs.map(({ key }) => key));
    return [...orders].filter((key) => !ran.has(key));
  };
  while (left().length > 0 && performance.now() < deadline) {
    await Bun.sleep(LOOK_MS);
    runs = await readAll(admin, "/soak/runs");
  }
  const seen = new Set<string>();
  const doubled = runs.filter(({ key }) => seen.size === seen.add(key).size);
  const dead = (await admin.ask("GET", "/system/jobs?state=dead")).json.total as number;
  return [
    {
      invariant: "no acknowledged order is lost, no refused one made",
      checked: ledger.orders.size,
      wrong: lost,
    },
    {
      invariant: "the job of each order ran, and each moment of the task once",
      checked: runs.length,
      wrong: [
        ...left().map((key) => `the job of order ${key} hasn't run`),
        ...doubled.map(({ key }) => `"${key}" ran twice`),
        ...(dead === 0 ? [] : [`${dead} jobs are dead`]),
      ],
    },
  ];
}

async function readAll(admin: Person, path: string): Promise<Row[]> {
  const all: Row[] = [];
  for (;;) {
    const { json } = await admin.ask("GET", `${path}?after=${all.at(-1)?.id ?? 0}`);
    const rows = (json ?? []) as Row[];
    if (rows.length === 0) return all;
    all.push(...rows);
  }
}

async function checkUploads(load: Load, ledger: Ledger): Promise<Finding> {
  const before = ledger.wrong.length;
  const wrong: string[] = [];
  for (const [id, { isThere }] of ledger.uploads) {
    if (isThere === null) continue;
    if (isThere) await load.checkUpload(load.admin, id);
    else await load.admin.ask("GET", `/soak/files/${id}`, { expected: [404] });
  }
  wrong.push(...ledger.wrong.splice(before));
  return { invariant: "uploads read back equal, deleted ones are gone", checked: ledger.uploads.size, wrong };
}

async function checkSessions(admin: Person, { endedTokens }: Ledger): Promise<Finding> {
  for (const token of endedTokens.slice(-200)) await admin.ask("GET", "/auth/me", { token, expected: [401] });
  return {
    invariant: "sessions that were ended are refused",
    checked: Math.min(endedTokens.length, 200),
    wrong: [],
  };
}

/**
 * What a killed process, or one that Redis was away from, has written last it may have told nobody of; nor is anybody told of
 * what came and went within a moment.
 */
function checkStream(follower: Follower, ledger: Ledger, windows: readonly Window[]): Finding {
  const made = [...ledger.notes].filter(
    ([, { madeAt, possible }]) =>
      madeAt !== null &&
      !possible.has(null) &&
      madeAt > follower.resetAt &&
      !windows.some(({ from, to }) => madeAt > from - 1000 && madeAt < to + 1000),
  );
  const wrong = made
    .filter(([, { id }]) => !follower.told.has(id as number))
    .map(
      ([key, { madeAt }]) =>
        `the stream of changes never told of note ${key}, made at ${Math.round(madeAt ?? 0)} ms, ${sinceFault(madeAt ?? 0, windows)}`,
    );
  return { invariant: "the stream of changes told of each row", checked: made.length, wrong };
}

/** What is cached follows its table, on both instances. */
async function checkCounts(site: Site, admin: Person): Promise<Finding> {
  const { total } = (await admin.ask("GET", "/soak/notes?per_page=1")).json as { total: number };
  const authorization = `Bearer ${await admin.token()}`;
  const counts = await Promise.all(
    site.instances.map(
      async ({ url }) =>
        (
          (await (await fetch(`${url}/soak/count`, { headers: { authorization } })).json()) as {
            count: number;
          }
        ).count,
    ),
  );
  const wrong = counts
    .filter((count) => count !== total)
    .map((count) => `${count} rows are cached, ${total} are there`);
  return { invariant: "what is cached by a table is as the table", checked: counts.length, wrong };
}

function checkFailures(failures: readonly Failure[], windows: readonly Window[]): Finding {
  const wrong = failures
    .filter((failure) => explain(failure, windows) === null)
    .map((failure) => {
      const { request, instance, status, code, detail, from, to } = failure;
      const during = windows.find((window) => from <= window.to && to >= window.from)?.fault;
      return `${request} of instance ${instance}: ${status ?? "no answer"} ${code} "${detail}" after ${Math.round(to - from)} ms, at ${Math.round(from)} ms, ${during === undefined ? sinceFault(from, windows) : `during "${during}"`}`;
    });
  return { invariant: "each failure has a fault, and the code of that", checked: failures.length, wrong };
}

/** "1200 ms after "Redis killed"": what was last broken before a moment. */
function sinceFault(moment: number, windows: readonly Window[]): string {
  const last = windows.findLast(({ to }) => to <= moment);
  return last === undefined ? "before any fault" : `${Math.round(moment - last.to)} ms after "${last.fault}"`;
}
