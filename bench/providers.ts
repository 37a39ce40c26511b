/**
 * How long signing in by a provider takes here, without what the provider takes: the address that leads a browser to it, and
 * the one that it comes back to (a code exchanged, an ID token checked, roles by claims, a session), while 1,000 people who have
 * signed in so ask a guarded route, in the executable.
 *
 *   bun run build && bun bench/providers.ts [--people 1000] [--sign-ins 500] [--rate 200] [--executable dist/xcore]
 */
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { processorTimeUs } from "./load.ts";
import { printTable, toMs } from "./report.ts";
import { startServer } from "./server.ts";

const { values } = parseArgs({
  options: {
    people: { type: "string", default: "1000" },
    "sign-ins": { type: "string", default: "500" },
    rate: { type: "string", default: "200" },
    executable: { type: "string", default: "dist/xcore" },
  },
});
const people = Number(values.people);
const signIns = Number(values["sign-ins"]);
/** Requests of those who have signed in, a second. */
const rate = Number(values.rate);
const CLIENT = "bench";
const TOGETHER = 8;

/** What one sign-in has taken, in ms. */
interface Taken {
  readonly all: number;
  /** Of these, until the provider had answered. */
  readonly provider: number;
}

const keys = await generateKeyPair("ES256");
const jwk = { ...(await exportJWK(keys.publicKey)), kid: "1", use: "sig", alg: "ES256" };
/** How long the provider took for a code, by the code. */
const providerMs = new Map<string, number>();
const nonces = new Map<string, string>();
const issuer = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const { pathname, origin } = new URL(request.url);
    if (pathname === "/keys") return Response.json({ keys: [jwk] });
    if (pathname !== "/token") return Response.json(toMetadata(origin));
    const startedAt = performance.now();
    const code = new URLSearchParams(await request.text()).get("code") ?? "";
    const now = Math.floor(Date.now() / 1000);
    const claims = { email: `${code.split("-")[0]}@example.com`, email_verified: true, groups: ["staff"] };
    const id_token = await new SignJWT({ ...claims, nonce: nonces.get(code) ?? "" })
      .setProtectedHeader({ alg: "ES256", kid: "1" })
      .setIssuer(origin)
      .setAudience(CLIENT)
      .setSubject(code.split("-")[0] ?? "")
      .setIssuedAt(now)
      .setExpirationTime(now + 300)
      .sign(keys.privateKey);
    providerMs.set(code, performance.now() - startedAt);
    return Response.json({ access_token: "token", token_type: "bearer", id_token });
  },
});

function toMetadata(origin: string) {
  return {
    issuer: origin,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    jwks_uri: `${origin}/keys`,
    response_types_supported: ["code"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
  };
}

const project = await mkdtemp(join(tmpdir(), "xcore-bench-"));
await mkdir(join(project, "plugins"));
await cp(join(import.meta.dir, "../plugins/hello"), join(project, "plugins/hello"), { recursive: true });
const acme = {
  issuer: issuer.url.origin,
  client_id: CLIENT,
  provisioning: true,
  roles: [{ claim: "groups", value: "staff", role: "user" }],
};
await Bun.write(join(project, "config.json"), JSON.stringify({ auth: { providers: { acme } } }));
const server = await startServer((port) => [resolve(values.executable), "--port", port], { cwd: project });

/** Signs somebody in; returns their cookie and what it has taken. */
async function signIn(person: string): Promise<Taken & { readonly cookie: string }> {
  const startedAt = performance.now();
  const sent = await fetch(`${server.url}/auth/providers/acme/start`, { redirect: "manual" });
  const begunMs = performance.now() - startedAt;
  const asked = new URL(sent.headers.get("location") ?? "").searchParams;
  const code = `${person}-${crypto.randomUUID()}`;
  nonces.set(code, asked.get("nonce") ?? "");
  const answer = new URLSearchParams({ code, state: asked.get("state") ?? "" });
  const cookie = sent.headers.get("set-cookie")?.split(";")[0] ?? "";
  const backAt = performance.now();
  const back = await fetch(`${server.url}/auth/providers/acme/callback?${answer.toString()}`, {
    headers: { cookie },
    redirect: "manual",
  });
  const all = begunMs + performance.now() - backAt;
  if (back.status !== 303) throw new Error(`Nobody is signed in: ${back.status} ${await back.text()}`);
  const session = back.headers.getSetCookie().find((one) => one.includes("xcore_session=")) ?? "";
  const provider = providerMs.get(code) ?? 0;
  providerMs.delete(code);
  nonces.delete(code);
  return { all, provider, cookie: session.split(";")[0] ?? "" };
}

function percentile(times: readonly number[], share: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] ?? 0;
}

try {
  const cookies: string[] = [];
  let next = 0;
  const first: number[] = [];
  await Promise.all(
    Array.from({ length: TOGETHER }, async () => {
      while (next < people) {
        const person = `user${next++}`;
        // oxlint-disable-next-line no-await-in-loop -- one after another
        const { cookie, all, provider } = await signIn(person);
        first.push(all - provider);
        cookies.push(cookie);
      }
    }),
  );
  let isOver = false;
  let asked = 0;
  const others = (async () => {
    const startedAt = performance.now();
    while (!isOver) {
      const due = ((performance.now() - startedAt) / 1000) * rate;
      const now = Array.from({ length: Math.max(0, Math.floor(due - asked)) }, (_, index) =>
        fetch(`${server.url}/auth/me`, { headers: { cookie: cookies[(asked + index) % people] ?? "" } }),
      );
      asked += now.length;
      // oxlint-disable-next-line no-await-in-loop -- what is due, and then what is due by then
      for (const response of await Promise.all(now)) await response.text();
      // oxlint-disable-next-line no-await-in-loop -- as above
      await Bun.sleep(1);
    }
  })();
  const before = processorTimeUs(server.pid);
  const taken: Taken[] = [];
  for (let index = 0; index < signIns; index++) {
    // oxlint-disable-next-line no-await-in-loop -- one after another is what is measured
    taken.push(await signIn(`user${index % people}`));
  }
  isOver = true;
  await others;
  const ours = taken.map(({ all, provider }) => all - provider);
  const processorUs = processorTimeUs(server.pid) - before;
  printTable(
    [`signing in by a provider (${signIns})`, "p50", "p99", "goal"],
    [
      [
        `ours alone, beside ${people} people (${asked} requests)`,
        toMs(percentile(ours, 0.5)),
        toMs(percentile(ours, 0.99)),
        "20 ms",
      ],
      [
        "the provider's time, taken off",
        toMs(
          percentile(
            taken.map(({ provider }) => provider),
            0.5,
          ),
        ),
        toMs(
          percentile(
            taken.map(({ provider }) => provider),
            0.99,
          ),
        ),
        "",
      ],
      [
        `the first of each (${people}), ${TOGETHER} at once, ours alone`,
        toMs(percentile(first, 0.5)),
        toMs(percentile(first, 0.99)),
        "",
      ],
    ],
  );
  process.stdout.write(
    `processor time of the server: ${toMs(processorUs / 1000 / signIns)} a sign-in, requests of others included\n`,
  );
} finally {
  await server.stop();
  await issuer.stop(true);
  await rm(project, { recursive: true, force: true });
}
