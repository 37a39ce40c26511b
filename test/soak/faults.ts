import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Load } from "./load.ts";
import { toRun } from "./plugin.ts";
import type { Instance, Site } from "./site.ts";
import type { Window } from "./windows.ts";

const FREEZE_MS = 3000;
const HEAL_MS = 60_000; // whatever isn't well by then never will be
const LOOK_MS = 20;

const AWAY = ["database_unavailable", "database_timeout", "outcome_unknown"];
const FULL = ["storage_full", "database_full"];

/** Something that breaks, or is changed, and is as it was when it resolves. */
interface Fault {
  readonly name: string;
  readonly codes?: readonly string[];
  /** Whether connections of the instance that is ended break. */
  readonly breaksVictim?: boolean;
  inflict(): Promise<void>;
}

/** Breaks one thing after the other, and keeps when each was broken. */
export class Faults {
  readonly windows: Window[] = [];
  /** The longest time from the end of a fault until all works again, in ms. */
  slowestHealingMs = 0;
  readonly #site: Site;
  readonly #load: Load;
  readonly #all: readonly Fault[];

  constructor(site: Site, load: Load) {
    this.#site = site;
    this.#load = load;
    this.#all = [
      ...faultsOfProcesses(site),
      ...this.#reloads(),
      ...faultsOfServers(site),
      ...faultsOfDisk(site),
    ];
  }

  get names(): readonly string[] {
    return this.#all.map(({ name }) => name);
  }

  /** Inflicts the next one, and resolves when all instances work again. */
  async next(): Promise<void> {
    const fault = this.#all[this.windows.length % this.#all.length] as Fault;
    const window: Window = {
      fault: fault.name,
      from: performance.now(),
      to: Number.POSITIVE_INFINITY,
      codes: fault.codes ?? [],
      instance: fault.breaksVictim === true ? this.#site.victim.number : null,
    };
    this.windows.push(window);
    await fault.inflict();
    const endedAt = performance.now();
    await Promise.all(this.#site.instances.map((instance) => this.#heal(instance, fault.name)));
    window.to = performance.now();
    this.slowestHealingMs = Math.max(this.slowestHealingMs, window.to - endedAt);
  }

  /** Waits until an instance takes a write and an upload again. */
  async #heal(instance: Instance, fault: string): Promise<void> {
    const deadline = performance.now() + HEAL_MS;
    const authorization = `Bearer ${await this.#load.admin.token()}`;
    for (;;) {
      const form = new FormData();
      form.append("file", new File(["x"], "probe.txt"));
      const sent = await fetch(`${instance.url}/soak/files`, {
        method: "POST",
        headers: { authorization },
        body: form,
      }).catch(() => null);
      if (sent?.ok === true) return;
      if (performance.now() > deadline)
        throw new Error(
          `Instance ${instance.number} doesn't work a minute after "${fault}": ${sent?.status}`,
        );
      await Bun.sleep(LOOK_MS);
    }
  }

  #reloads(): Fault[] {
    const { instances } = this.#site;
    return [
      {
        name: "plugin saved",
        inflict: async () => {
          const version = crypto.randomUUID();
          const run = toRun(version);
          await Promise.all(
            instances.map(async (instance) => {
              await instance.folder.write({ "plugins/soak/run.ts": run });
              while ((await readVersion(instance)) !== version) await Bun.sleep(LOOK_MS);
            }),
          );
        },
      },
      {
        name: "plugin reloaded",
        inflict: async () => void (await this.#load.admin.ask("PUT", "/system/plugins/soak/reload")),
      },
      {
        name: "configuration read again",
        inflict: async () => instances.forEach(({ pid }) => process.kill(pid, "SIGHUP")),
      },
    ];
  }
}

async function readVersion({ url }: Instance): Promise<string> {
  return (await fetch(`${url}/soak/version`)).text();
}

function faultsOfProcesses({ victim }: Site): Fault[] {
  return (["SIGKILL", "SIGTERM"] as const).map((signal) => ({
    name: signal === "SIGKILL" ? "server killed" : "server stopped",
    breaksVictim: true,
    inflict: async () => {
      await victim.end(signal);
      await victim.start();
    },
  }));
}

function faultsOfServers({ database, redis }: Site): Fault[] {
  const servers = [
    { name: "Redis", server: redis, codes: [] },
    ...(database === null ? [] : [{ name: "database", server: database, codes: AWAY }]),
  ];
  return servers.flatMap(({ name, server, codes }) => [
    {
      name: `${name} frozen for ${FREEZE_MS / 1000} s`,
      codes,
      inflict: async () => {
        server.freeze();
        await Bun.sleep(FREEZE_MS);
        server.thaw();
      },
    },
    {
      name: `${name} killed`,
      codes,
      inflict: async () => {
        await server.kill();
        await server.restart();
      },
    },
    {
      name: `${name} restarted`,
      codes,
      inflict: async () => {
        await server.stop();
        await server.restart();
      },
    },
  ]);
}

function faultsOfDisk({ disk }: Site): Fault[] {
  if (disk === null) return [];
  const filler = join(disk, "filler");
  return [
    {
      name: `disk full for ${FREEZE_MS / 1000} s`,
      codes: FULL,
      inflict: async () => {
        // What clients remove meanwhile is filled again.
        for (const end = performance.now() + FREEZE_MS; performance.now() < end;) {
          await Bun.spawn(["dd", "if=/dev/zero", `of=${filler}`, "bs=64K", "oflag=append", "conv=notrunc"], {
            stderr: "ignore",
          }).exited;
          await Bun.sleep(LOOK_MS);
        }
        await rm(filler);
      },
    },
  ];
}
