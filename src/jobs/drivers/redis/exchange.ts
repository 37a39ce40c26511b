import type { JobJson } from "bullmq";
import { RedisUnavailableError } from "../../../cache/redis/errors.ts";
import type { Exchange } from "../../contract/backend.ts";
import type { Claim, ClaimedJob, Outcome } from "../../contract/records.ts";
import { MOST_LOST } from "./bull-queue.ts";
import { type Plan, planClaims, tellUnreadable } from "./claim.ts";
import { type BullClient, isReply } from "./connection.ts";
import { forgetSteps, isNotOurs, mayFetchNext, noteInDatabase, noteInRedis } from "./finish.ts";
import type { Ground } from "./ground.ts";
import { toClaimed } from "./jobs.ts";

/** What BullMQ answers: a job and its id, and how long none of its name may start, or when one is due. */
type Answer = readonly unknown[];

/** What an exchange takes part in beside the jobs. */
export interface Surroundings {
  /** Is told when a delayed job is due, in ms from now. */
  readonly expect: (inMs: number) => void;
  /** Is told that rows of the database may have become free. */
  readonly handOver: () => void;
}

/** Notes how tries have ended, and takes jobs: with the note of one comes the next of its name. */
export class Exchanger {
  readonly #ground: Ground;
  readonly #around: Surroundings;
  /** Claimed by an exchange that has failed otherwise: they belong to this process all the same. */
  #carried: ClaimedJob[] = [];

  constructor(ground: Ground, around: Surroundings) {
    this.#ground = ground;
    this.#around = around;
  }

  async exchange({ worker, outcomes, wanted, places }: Exchange): Promise<Claim> {
    const ground = this.#ground;
    await noteInDatabase(ground, worker, outcomes);
    const carried = this.#carried;
    this.#carried = [];
    const waits = new Map<string, number>();
    const jobs = [...carried];
    try {
      const finishing = Map.groupBy(
        outcomes.filter((one) => mayFetchNext(ground, one)),
        ({ job }) => job.name,
      );
      const counts = new Map([...finishing].map(([name, some]) => [name, some.length]));
      const most = places - carried.length;
      const plan = await planClaims(ground, { wanted, places: most, finishing: counts });
      const answers = await this.#send(worker, outcomes, plan);
      const failed: Outcome[] = [];
      for (const { name, answer } of answers) {
        const taken = this.#read(name, answer, waits);
        if (taken === null) continue;
        if ("job" in taken) jobs.push(taken.job);
        else if ("outcome" in taken) failed.push(taken.outcome);
        else await this.#remove(worker, name, taken.id); // oxlint-disable-line no-await-in-loop -- hardly ever
      }
      const [only, ...others] = wanted;
      const isPlenty = most > 0 && jobs.length - carried.length >= most && others.length === 0;
      ground.plenty = isPlenty && only !== undefined ? only.name : null;
      for (const outcome of failed) await this.#note(worker, outcome); // oxlint-disable-line no-await-in-loop -- hardly ever
    } catch (error) {
      this.#carried.push(...jobs);
      throw error;
    }
    await this.#forget(outcomes);
    // They come from several questions at once.
    const { held } = ground;
    const rankOf = ({ id }: ClaimedJob): number => held.get(id)?.rank ?? 0;
    jobs.sort((a, b) => rankOf(a) - rankOf(b) || (a.id < b.id ? -1 : 1));
    return { jobs, waits };
  }

  /** Sends all at once; what fails for a name alone is left out. */
  async #send(
    worker: string,
    outcomes: readonly Outcome[],
    plan: Plan,
  ): Promise<{ readonly name: string; readonly answer: Answer }[]> {
    const ground = this.#ground;
    const answers: { name: string; answer: Answer }[] = [];
    if (outcomes.length === 0 && plan.size === 0) return answers;
    const left = new Map(plan);
    const send = async (client: BullClient): Promise<void> => {
      const sent = [
        ...outcomes.map((outcome) => {
          const { name } = outcome.job;
          const count = left.get(name) ?? 0;
          const fetchesNext = count > 0 && mayFetchNext(ground, outcome);
          if (fetchesNext) left.set(name, count - 1);
          const note = { worker, outcome, fetchesNext };
          return { name, isNote: true, answer: noteInRedis(client, ground, note) };
        }),
        ...[...left].flatMap(([name, count]) => {
          const queue = client.queue(name);
          return Array.from({ length: count }, () => ({
            name,
            isNote: false,
            answer: queue.moveToActive(worker) as Promise<Answer>,
          }));
        }),
      ];
      const settled = await Promise.allSettled(sent.map(({ answer }) => answer));
      let failure: unknown = null;
      for (const [at, { name, isNote }] of sent.entries()) {
        const result = settled[at] as PromiseSettledResult<Answer>;
        if (result.status === "fulfilled") answers.push({ name, answer: result.value });
        else if (!this.#isPassedOver(result.reason, name, isNote)) failure = result.reason;
      }
      if (failure !== null) throw failure;
    };
    try {
      await ground.connection.run(send);
    } catch (error) {
      for (const { name, answer } of answers) this.#carry(name, answer);
      throw error;
    }
    return answers;
  }

  #carry(name: string, answer: Answer): void {
    const claimed = toTaken(name, answer);
    if (claimed === null) return;
    this.#ground.held.set(claimed.job.id, claimed.held);
    this.#carried.push(claimed.job);
  }

  /** Whether an exchange goes on without. */
  #isPassedOver(error: unknown, name: string, isNote: boolean): boolean {
    if (isNotOurs(error)) return true;
    if (isNote || !isReply(error)) return false;
    tellUnreadable(this.#ground, name, error);
    return true;
  }

  /** What an answer brings: a job, one that has failed already, or what is none; null for nothing. */
  #read(
    name: string,
    answer: Answer,
    waits: Map<string, number>,
  ): { job: ClaimedJob } | { outcome: Outcome } | { id: string } | null {
    const { held, log } = this.#ground;
    const [found, id, limitMs, dueAt] = answer;
    if (typeof limitMs === "number" && limitMs > 0) waits.set(name, limitMs);
    if (typeof dueAt === "number" && dueAt > 0) this.#around.expect(Math.max(dueAt - Date.now(), 0));
    if (typeof found !== "object" || found === null) return null;
    const claimed = toTaken(name, answer);
    if (claimed === null) {
      log.error({ job: name, job_id: String(id) }, "what is in Redis for a job isn't one: it is taken out");
      return { id: String(id) };
    }
    const { job } = claimed;
    held.set(job.id, claimed.held);
    if ((found as JobJson).deferredFailure === undefined) return { job };
    const error = `The process that ran it has ended ${MOST_LOST} times before it was done`;
    log.error({ job: name, job_id: job.id }, "a job is dead: the process that ran it has ended too often");
    return { outcome: { job, as: "dead", error } };
  }

  async #note(worker: string, outcome: Outcome): Promise<void> {
    const ground = this.#ground;
    await noteInDatabase(ground, worker, [outcome]);
    await ground.connection
      .run((client) => noteInRedis(client, ground, { worker, outcome, fetchesNext: false }))
      .catch(passNotOurs);
    ground.held.delete(outcome.job.id);
    this.#around.handOver();
  }

  async #remove(worker: string, name: string, id: string): Promise<void> {
    const minimal = { id, opts: {} } as never;
    await this.#ground.connection
      .run((client) => client.queue(name).moveToCompleted(minimal, null, true, worker, false))
      .catch(passNotOurs);
  }

  async #forget(outcomes: readonly Outcome[]): Promise<void> {
    const { held } = this.#ground;
    if (outcomes.some(({ job }) => held.get(job.id)?.isKept === true)) this.#around.handOver();
    const unkept = outcomes.filter((one) => one.as === "completed" && one.keepMs === 0);
    const ids = unkept.flatMap(({ job }) => (held.get(job.id)?.hasSteps === true ? [job.id] : []));
    for (const { job } of outcomes) held.delete(job.id);
    await forgetSteps(this.#ground, ids);
  }
}

function toTaken(name: string, [found, id]: Answer): ReturnType<typeof toClaimed> {
  if (typeof found !== "object" || found === null) return null;
  return toClaimed(name, { ...(found as JobJson), id: String(id) });
}

function passNotOurs(error: unknown): void {
  if (!isNotOurs(error)) throw error;
}

/** Whether an error says that Redis is away, which the log has been told of. */
export function isAbsence(error: unknown): boolean {
  return error instanceof RedisUnavailableError;
}
