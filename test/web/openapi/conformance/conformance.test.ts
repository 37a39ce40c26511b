import { join } from "node:path";
import { expect, test } from "bun:test";
import { fc, toRuns } from "../../../properties.ts";
import { type Files, TestApp } from "../../../setup.ts";
import { ADMIN_ROLE } from "../../../../src/accounts/rights/builtin-roles.ts";
import { listOperations, type Operation, type Sample, toSamples } from "./operations.ts";
import { Samples, type Schema } from "./samples.ts";

const PLUGINS = join(import.meta.dir, "../../../../plugins");
const TIMEOUT_MS = 240_000;
/** A resource with all that one can have. */
const DESK: Files = {
  "desk/plugin.json": { name: "desk", version: "1.0.0" },
  "desk/schema.ts": `import { boolean, date, decimal, enumOf, file, id, integer, json, table, text, timestamp, uuid, varchar } from "xcore/schema";
export const tickets = table("desk_tickets", {
  id: id(), title: varchar(80).notNull(), body: text(), state: enumOf(["open", "done"]).notNull().default("open"), count: integer(),
  cost: decimal(12, 2), due_on: date(), at: timestamp(), is_urgent: boolean(), more: json(), ref: uuid(), photo: file({ types: ["image/*"] }), deleted_at: timestamp(),
});`,
  "desk/run.ts": `import { createRouter, resource } from "xcore";
import { tickets } from "./schema.ts";
export default createRouter().use(resource(tickets, { search: ["title"], softDelete: true, history: true, comments: true, attachments: true }));`,
  // As `xcore db generate desk` writes it.
  "desk/drizzle/sqlite/0000_desk.sql":
    "CREATE TABLE `desk_tickets` ( `id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `title` text(80) NOT NULL, `body` text, `state` text DEFAULT 'open' NOT NULL, `count` integer, `cost` numeric(12, 2), `due_on` text, `at` integer, `is_urgent` integer, `more` text, `ref` text, `photo` text, `deleted_at` integer, CONSTRAINT `desk_tickets_title_length` CHECK(length(\"title\") <= 80), CONSTRAINT `desk_tickets_state_check` CHECK(\"state\" in ('open', 'done')) );",
};

test(
  "each operation that is documented answers as it is documented, whoever asks for whatever",
  async () => {
    const plugins = { ...(await readPlugins(["crm", "blog", "todo"])), ...DESK };
    await using app = await TestApp.start({ plugins, config: { plugins: { offline: true } } });
    const document: Schema = (await app.get("/openapi.json")).body;
    const samples = new Samples(document);
    const operations = listOperations(document);
    expect(operations.length).toBeGreaterThan(150);
    expect(operations.filter(({ path }) => path.startsWith("/desk/")).length).toBeGreaterThan(20);
    const callers = new Callers(app);
    const wrong: string[] = [];
    for (const [index, operation] of operations.entries()) {
      const asking = await callers.of(operation);
      const known = await findKnown(app, document, operation);
      const { seed, numRuns } = toRuns(2);
      const made = fc.sample(toSamples(operation, samples, known), { seed: seed + index, numRuns });
      for (const [number, sample] of made.entries()) {
        for (const [caller, headers] of Object.entries(asking)) {
          // Who may not is refused before anything is looked at: once is enough.
          if (number > 0 && caller !== "administrator") continue;
          const fault = await findFault(app, { operation, samples, sample, caller, headers });
          if (fault !== null) wrong.push(`${caller}, ${show(sample)}: ${fault}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  },
  TIMEOUT_MS,
);

/** A request, to be sent again by hand. */
function show({ url, init: { method, body }, isValid }: Sample): string {
  const sent = typeof body === "string" || body instanceof URLSearchParams ? ` ${body.toString()}` : "";
  return `${method} ${url}${sent} (${isValid ? "valid" : "not valid"})`;
}

async function readPlugins(names: readonly string[]): Promise<Files> {
  const paths = names.flatMap((name) => [...new Bun.Glob(`${name}/**/*.{ts,json,sql}`).scanSync(PLUGINS)]);
  const kept = paths.filter((path) => !path.endsWith(".test.ts"));
  return Object.fromEntries(
    await Promise.all(kept.map(async (path) => [path, await Bun.file(join(PLUGINS, path)).text()] as const)),
  );
}

/** Those who ask, by where they ask: somebody new each time where they may end their sessions, or themselves. */
class Callers {
  readonly #app: TestApp;
  readonly #made = new Map<string, Promise<Readonly<Record<string, Record<string, string>>>>>();

  constructor(app: TestApp) {
    this.#app = app;
  }

  of({ method, path }: Operation): Promise<Readonly<Record<string, Record<string, string>>>> {
    const [, area = ""] = path.split("/");
    const name = area === "auth" || area === "admin" ? `${method} ${path}` : area;
    const made = this.#made.get(name) ?? this.#make(this.#made.size);
    this.#made.set(name, made);
    return made;
  }

  async #make(number: number) {
    const admin = await this.#app.createUser(`admin-${number}@example.com`, [ADMIN_ROLE]);
    const user = await this.#app.createUser(`user-${number}@example.com`);
    return { nobody: {}, user: { ...user.headers }, administrator: { ...admin.headers } };
  }
}

/** What the list above each parameter of a path has for it, by name: but for the first role, without which nobody may do anything. */
async function findKnown(
  app: TestApp,
  document: Schema,
  { path }: Operation,
): Promise<Record<string, unknown[]>> {
  const known: Record<string, unknown[]> = {};
  for (const { 1: name = "", index } of path.matchAll(/\/\{(\w+)\}/g)) {
    const list = path.slice(0, index);
    if (document.paths[list]?.get === undefined) continue;
    // oxlint-disable-next-line no-await-in-loop -- the next list is below what this one has
    const { body } = await app.getAsAdmin(
      list.replaceAll(/\{(\w+)\}/g, (_, one: string) =>
        JSON.stringify(known[one]?.[0] ?? 1).replaceAll('"', ""),
      ),
    );
    const items: Schema[] = body?.items ?? (Array.isArray(body) ? body : []);
    const others = items.filter((item) => item.name !== ADMIN_ROLE);
    known[name] = others
      .map((item) => item[name] ?? item.id ?? item.name)
      .filter((value) => value !== undefined);
  }
  return known;
}

interface Asked {
  readonly operation: Operation;
  readonly samples: Samples;
  readonly sample: Sample;
  readonly caller: string;
  readonly headers: Record<string, string>;
}

/** Asks, and says how the answer isn't what the document says; null where it is. */
async function findFault(
  app: TestApp,
  { operation: { operation }, samples, sample, caller, headers }: Asked,
): Promise<string | null> {
  const response = await app.fetch(sample.url, {
    ...sample.init,
    headers: { ...(sample.init.headers as Record<string, string>), ...headers },
  });
  const { status } = response;
  const type = response.headers.get("content-type")?.split(";")[0] ?? "";
  const isStream = type === "text/event-stream";
  const text = isStream ? (await response.body?.cancel(), "") : await response.text();
  if (status >= 500) return `${status} ${text.slice(0, 300)}`;
  const documented: Schema = operation.responses[status] ?? operation.responses.default;
  if (documented === undefined || (operation.responses[status] === undefined && status < 400))
    return `${status} isn't documented`;
  const isGuarded =
    operation.security?.length > 0 && operation.security.every((way: object) => Object.keys(way).length > 0);
  if (isGuarded && caller === "nobody" && status !== 401) return `${status} without a token`;
  const isScoped =
    isGuarded && operation.security.some((way: Record<string, string[]>) => (way["bearer"]?.length ?? 0) > 0);
  if (isScoped && caller === "user" && status !== 403) return `${status} without the permission`;
  if (!sample.isValid && status < 400) return `${status} for what isn't valid`;
  const content = documented.content;
  if (content === undefined) return null;
  const media: Schema = Object.entries(content).find(([name]) => name.split(";")[0] === type)?.[1];
  if (media === undefined)
    return `${status} is ${type || "nothing"}, documented as ${Object.keys(content).join(", ")}`;
  if (media.schema === undefined || isStream || !type.endsWith("json")) return null;
  const faults = samples.findFaults(media.schema, JSON.parse(text));
  return faults.length === 0 ? null : `${status} ${faults.slice(0, 3).join("; ")}: ${text.slice(0, 300)}`;
}
