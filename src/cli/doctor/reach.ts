import { createCommandCache } from "../../app/cache.ts";
import { askRunningServer } from "../../app/command-channel.ts";
import { type Address, findListenFailure } from "../../app/failure-text.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { examineAcme, examineCertificate, findRedirectAddress } from "../../web/https/https.ts";
import { redactText } from "../../log/redact.ts";
import { type Finding, ok, problem, toMessage, warning } from "./findings.ts";

const CONNECT_MS = 5000;

/** Looks at the certificate; one in files that no server could use is said of the configuration. */
export async function checkCertificate(loaded: LoadedConfig): Promise<Finding[]> {
  const standing = await examineAcme(loaded);
  if (standing !== null) return [describeStanding(standing, loaded)];
  const examined = await examineCertificate(loaded).catch(() => null);
  if (examined === null) return [];
  const { expiresAt, concern } = examined;
  if (concern === null) return [ok("tls", `the certificate is good until ${expiresAt.toISOString()}`)];
  return [
    warning(
      "tls",
      `the certificate needs attention: ${concern}`,
      "see that it is renewed, for the host of server.public_url, and with those behind it",
    ),
  ];
}

function describeStanding(
  { certificate, problem: why, concern }: NonNullable<Awaited<ReturnType<typeof examineAcme>>>,
  { config }: LoadedConfig,
): Finding {
  const advice =
    "see that port 80 of each domain leads to server.tls.redirect_port; the server asks again by itself, and at once upon SIGHUP";
  if (certificate !== null) {
    const until = `the certificate is good until ${certificate.expiresAt.toISOString()}`;
    if (why !== null) return warning("tls", `${until}, and none was issued after it: ${why}`, advice);
    return concern === null
      ? ok("tls", until)
      : warning("tls", `the certificate needs attention: ${concern}`, advice);
  }
  if (why !== null) return problem("tls", `the authority has issued no certificate: ${why}`, advice);
  const domains = config.server.tls.acme?.domains.join(", ");
  return ok("tls", `there is no certificate for ${domains} yet: the server asks for it when it starts`);
}

/** Looks at whether the cache answers that instances share. */
export async function checkCache(loaded: LoadedConfig): Promise<Finding[]> {
  const { backend } = loaded.config.cache;
  if (backend === "memory") return [ok("cache", "in the memory of the server")];
  const advice = `see that it runs, and that ${backend === "redis" ? "redis.url" : "cache"} in config.json has its address; until then nothing is cached`;
  try {
    const cache = await createCommandCache(loaded);
    try {
      const { available } = await cache.stats();
      return [
        available ? ok("cache", `${backend} answers`) : problem("cache", `${backend} doesn't answer`, advice),
      ];
    } finally {
      cache.close();
    }
  } catch (error) {
    return [problem("cache", toMessage(error), advice)];
  }
}

/** Looks at whether the Redis answers by which instances follow each other. */
export async function checkRedis({ config: { redis } }: LoadedConfig): Promise<Finding[]> {
  if (redis.url === null) return [];
  const shown = redactText(redis.url);
  const client = new Bun.RedisClient(redis.url, { connectionTimeout: CONNECT_MS, autoReconnect: false });
  try {
    await client.connect();
    await client.send("PING", []);
    return [ok("redis", `${shown} answers`)];
  } catch (error) {
    const advice = "see that it runs, and that redis.url has its address and password";
    return [problem("redis", `${shown} doesn't answer: ${toMessage(error)}`, advice)];
  } finally {
    client.close();
  }
}

/** Looks at whether the server of mail is reached, and lets in; no mail is sent. */
export async function checkMail({ config: { mail } }: LoadedConfig): Promise<Finding[]> {
  const [{ probeServer }, { MailFailure }] = await Promise.all([
    import("../../mail/smtp/probe.ts"),
    import("../../mail/smtp/failures.ts"),
  ]);
  try {
    const found = await probeServer(mail);
    if (found === null)
      return [ok("mail", "none is sent: mail.url isn't set, and the log says what would have been")];
    const { server, hasTls, user } = found;
    return [
      ok(
        "mail",
        `${server} answers${hasTls ? ", with TLS" : ""}${user === null ? "" : `, and lets ${user} in`}`,
      ),
    ];
  } catch (error) {
    const advice =
      error instanceof MailFailure && error.advice !== "" ? error.advice : "see mail in config.json";
    return [problem("mail", toMessage(error), advice)];
  }
}

/** Looks at whether a server could listen where it is to, or does already. */
export async function checkPort(loaded: LoadedConfig): Promise<Finding[]> {
  if ((await askRunningServer(loaded)) !== null) return [ok("port", "a server runs for this project")];
  const { host: hostname, port } = loaded.config.server;
  const redirects = findRedirectAddress(loaded);
  return Promise.all([
    checkAddress({ hostname, port }),
    ...(redirects === null ? [] : [checkAddress(redirects)]),
  ]);
}

async function checkAddress(address: Address): Promise<Finding> {
  const { hostname, port, setting = "server.port" } = address;
  const shown = `${hostname}:${port}`;
  try {
    // By itself: servers that share a port would let one more in.
    const server = Bun.serve({ hostname, port, reusePort: false, fetch: () => new Response(null) });
    await server.stop(true);
    return ok("port", `${shown} is free`);
  } catch (error) {
    const { reason, advice } = await findListenFailure(error, address);
    return problem(
      "port",
      `cannot listen on ${shown}: ${reason}`,
      advice ?? `choose another with ${setting}`,
    );
  }
}
