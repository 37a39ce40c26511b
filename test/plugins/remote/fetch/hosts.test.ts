import { expect, test } from "bun:test";
import { isPublicAddress } from "../../../../src/plugins/remote/fetch/public-address.ts";
import { TestFolder } from "../../../setup.ts";
import { createCertificate, failureOf, fetchFrom, FileHost, namesOf, redirectTo } from "../file-host.ts";

test("isPublicAddress() tells addresses of the internet from all others, however they are written", () => {
  const isPublic = "1.1.1.1 172.32.0.1 100.128.0.1 2606:4700::1111 ::ffff:1.1.1.1 64:ff9b::101:101".split(
    " ",
  );
  const isNot = (
    "0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 127.9.9.9 169.254.169.254 172.16.0.1 " +
    "172.31.9.9 192.168.1.1 192.0.0.8 198.18.0.1 224.0.0.1 255.255.255.255 240.0.0.1 " +
    ":: ::1 fe80::1 fe80::1%eth0 fc00::1 fd12::1 ff02::1 2001:db8::1 2002:7f00:1:: " +
    "::ffff:127.0.0.1 ::ffff:7f00:1 0:0:0:0:0:ffff:0a00:0001 ::127.0.0.1 " +
    "64:ff9b::7f00:1 64:ff9b:1::1 2001::1 localhost 1.1.1 1:2"
  ).split(" ");
  expect(isPublic.filter((address) => !isPublicAddress(address))).toEqual([]);
  expect([...isNot, ""].filter((address) => isPublicAddress(address))).toEqual([]);
});

test("fetchPlugin() refuses what a plugin's files name on private addresses, however they are written", async () => {
  const hosts = {
    "10.0.0.1": "10.0.0.1",
    "169.254.169.254": "169.254.169.254",
    "0x7f.1": "127.0.0.1",
    "2130706433": "127.0.0.1",
    "１２７.0.0.1": "127.0.0.1",
    "[::1]": "::1",
    "[::ffff:192.168.0.1]": "::ffff:c0a8:1",
    "[fd00::1]": "fd00::1",
    // Names that lead there.
    localhost: "127.0.0.1",
  };
  for (const [host, address] of Object.entries(hosts)) {
    await using server = new FileHost({ "/run.ts": `import "https://${host}/x.ts"` });
    const error = await failureOf(fetchFrom(server.url("/run.ts")));
    expect(error.message).toContain('/x.ts", which "run.ts" imports: ');
    expect(error.message).toContain(`is at the private address ${address}; if it is meant to be, add`);
    expect(error.message).toEndWith("to plugins.fetch.allow_hosts");
    expect(error.isTransient).toBe(false);
  }
});

test("fetchPlugin() refuses redirects to private addresses, to http: and to what is no URL of a file", async () => {
  await using secret = new FileHost({ "/x.ts": "export {}" });
  const targets = {
    "https://192.168.0.1/x.ts": "is at the private address 192.168.0.1",
    "https://localhost/x.ts": "is at the private address 127.0.0.1",
    "https://app.localhost/x.ts": "is at the private address 127.0.0.1",
    "https://localhost./x.ts": "is at the private address 127.0.0.1",
    [secret.url("/x.ts")]: 'it is no "https:" URL; serve it by HTTPS',
    "http://1.1.1.1/x.ts": 'it is no "https:" URL; serve it by HTTPS',
    "file:///etc/passwd": 'it is no "https:" URL',
    "data:text/javascript,0": 'it is no "https:" URL',
    "https://user:hunter2@example.com/x.ts": "a URL must hold no credentials",
  };
  for (const [target, message] of Object.entries(targets)) {
    await using host = new FileHost({
      "/run.ts": redirectTo(target),
      "/p/run.ts": 'import "./moved.ts"',
      "/p/moved.ts": redirectTo(target),
    });
    for (const path of ["/run.ts", "/p/run.ts"]) {
      const error = await failureOf(fetchFrom(host.url(path)));
      expect(error.message).toContain(message);
      expect(error.message).toContain(`where "${host.url(path === "/run.ts" ? path : "/p/moved.ts")}" leads`);
      expect(error.message).not.toContain("hunter2");
      expect(error.isTransient).toBe(false);
    }
  }
  expect(secret.requests).toEqual([]);
});

test("fetchPlugin() takes from private hosts what plugins.fetch.allow_hosts names, with a port or without", async () => {
  await using other = new FileHost({ "/x.ts": "export {}" });
  await using host = new FileHost({ "/run.ts": `import "${other.url("/x.ts")}"` });
  const { host: withPort, hostname } = new URL(other.url("/"));
  for (const allowHosts of [[withPort], [hostname]]) {
    const fetched = await fetchFrom(host.url("/run.ts"), { limits: { allowHosts } });
    expect(namesOf(fetched)).toEqual([other.url("/x.ts"), "run.ts"]);
    expect(fetched.hosts).toEqual([new URL(host.url("/")).host, withPort]);
  }
  for (const allowHosts of [[`${hostname}:1`], ["10.0.0.1"], []]) {
    const error = await failureOf(fetchFrom(host.url("/run.ts"), { limits: { allowHosts } }));
    expect(error.message).toContain('it is no "https:" URL');
  }
});

test("fetchPlugin() connects to the address that it has looked up, and asks it for the name", async () => {
  await using folder = await TestFolder.create();
  const tls = await createCertificate(folder.path, "DNS:localhost");
  await using host = new FileHost({ "/run.ts": 'import "./a.ts"', "/a.ts": "" }, tls);
  const fetched = await fetchFrom(host.url("/run.ts", "localhost"), { ca: tls.cert });
  expect(namesOf(fetched)).toEqual(["a.ts", "run.ts"]);
  expect(new Set(host.hostHeaders)).toEqual(new Set([host.host]));
  expect(fetched.hosts).toEqual([host.host]);

  await using foreign = new FileHost({ "/run.ts": `import "${host.url("/a.ts", "localhost")}"` });
  const limits = { allowHosts: [host.host] };
  expect(namesOf(await fetchFrom(foreign.url("/run.ts"), { ca: tls.cert, limits }))).toHaveLength(2);
  const refused = await failureOf(fetchFrom(foreign.url("/run.ts"), { ca: tls.cert }));
  expect(refused.message).toContain('"localhost" is at the private address 127.0.0.1');
});

test("fetchPlugin() refuses certificates that nobody vouches for, or that are of another name", async () => {
  await using folder = await TestFolder.create();
  const tls = await createCertificate(folder.path, "DNS:other.example,IP:127.0.0.1");
  await using host = new FileHost({ "/run.ts": "export {}" }, tls);
  const unknown = await failureOf(fetchFrom(host.url("/run.ts")));
  expect(unknown.message).toContain(
    "the certificate of its host is not valid for it (DEPTH_ZERO_SELF_SIGNED_CERT)",
  );
  expect(unknown.isTransient).toBe(false);
  // The connection that is kept for the address is not taken for the name.
  expect(namesOf(await fetchFrom(host.url("/run.ts"), { ca: tls.cert }))).toEqual(["run.ts"]);
  const misnamed = await failureOf(fetchFrom(host.url("/run.ts", "localhost"), { ca: tls.cert }));
  expect(misnamed.message).toContain("is not valid for it (ERR_TLS_CERT_ALTNAME_INVALID)");
  expect(misnamed.isTransient).toBe(false);

  await using plain = new FileHost({ "/run.ts": "" });
  const untold = await failureOf(fetchFrom(plain.url("/run.ts").replace("http:", "https:")));
  expect(untold.message).toContain("its host doesn't speak TLS");
});

test("fetchPlugin() says that a host can't be reached or found", async () => {
  const gone = new FileHost({});
  const url = gone.url("/run.ts");
  await gone[Symbol.asyncDispose]();
  const refused = await failureOf(fetchFrom(url));
  expect(refused.message).toBe(`Cannot fetch "${url}": its host can't be reached (ECONNREFUSED)`);
  expect(refused.isTransient).toBe(true);
  const unknown = await failureOf(fetchFrom("https://plugins.invalid/run.ts"));
  expect(unknown.message).toContain('the name "plugins.invalid" can\'t be found');
  expect(unknown.isTransient).toBe(true);
});

test("fetchPlugin() asks nobody when it is offline", async () => {
  await using host = new FileHost({ "/run.ts": "" });
  await using folder = await TestFolder.create({
    "local/plugin.json": {},
    "local/run.ts": "export {}",
    "far/plugin.json": {},
    "far/run.ts": `import "${host.url("/run.ts")}"`,
  });
  const limits = { isOffline: true };
  for (const place of [host.url("/run.ts"), "npm:crm", `${folder.path}/far`]) {
    const error = await failureOf(fetchFrom(place, { limits }));
    expect(error.message).toContain("xcore is offline; leave out --offline, or set plugins.offline to false");
    expect(error.isTransient).toBe(false);
  }
  expect(namesOf(await fetchFrom(`${folder.path}/local`, { limits }))).toHaveLength(2);
  expect(host.requests).toEqual([]);
});

// The variable is the whole process's, so this one has its own.
test("fetchPlugin() leaves names to a proxy, and checks the addresses that it is given all the same", async () => {
  const code = `
    import { fetchPlugin } from ${JSON.stringify(`${import.meta.dir}/../../../../src/plugins/remote/fetch/fetch.ts`)};
    import { fetchOptions } from ${JSON.stringify(`${import.meta.dir}/../file-host.ts`)};
    const asked = [];
    const proxy = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data(socket, data) {
      asked.push(String(data).split("\\r\\n")[0]);
      socket.end("HTTP/1.1 502 Bad Gateway\\r\\ncontent-length: 0\\r\\n\\r\\n");
    } } });
    const host = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response('import "https://10.0.0.1/x.ts"') });
    process.env.https_proxy = "http://127.0.0.1:" + proxy.port;
    const messages = [];
    for (const place of ["https://plugins.invalid/run.ts", host.url.href + "run.ts"]) {
      const location = { kind: "http", text: place, url: new URL(place) };
      messages.push(await fetchPlugin(location, fetchOptions()).then(() => "", (error) => error.message));
    }
    console.log(JSON.stringify({ asked, messages }));
    process.exit();
  `;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/_proxy$/i.test(name)));
  const child = Bun.spawn([process.execPath, "-e", code], { env, stdio: ["ignore", "pipe", "inherit"] });
  const { asked, messages } = (await new Response(child.stdout).json()) as Record<string, string[]>;
  expect(asked).toEqual(["CONNECT plugins.invalid:443 HTTP/1.1"]);
  expect(messages?.[0]).toContain("https://plugins.invalid/run.ts");
  expect(messages?.[1]).toContain('"10.0.0.1" is at the private address 10.0.0.1');
});
