import { expect, test } from "bun:test";
import { serveRedirects, toSecureOrigin } from "../../../src/web/https/redirect.ts";
import { exchange } from "../raw-socket.ts";

const NAMES = ["erp.example.com", "*.example.org", "127.0.0.1", "::1"];
const KNOWN = { origin: "https://www.example.com:8443", names: NAMES, port: 443 };

test.each([
  ["www.example.com", "https://www.example.com:8443"],
  ["ERP.example.com:80", "https://erp.example.com"],
  ["shop.example.org", "https://shop.example.org"],
  ["127.0.0.1:8080", "https://127.0.0.1"],
  ["[::1]:8080", "https://[::1]"],
  ["evil.com", "https://www.example.com:8443"],
  ["erp.example.com.evil.com", "https://www.example.com:8443"],
])("toSecureOrigin() sends on who asks for %s to %s", (host, origin) => {
  expect(toSecureOrigin(host, KNOWN)).toBe(origin);
});

test("toSecureOrigin() knows no origin for a host of somebody else", () => {
  expect(toSecureOrigin("evil.com", { origin: null, names: NAMES, port: 8443 })).toBeNull();
  expect(toSecureOrigin("erp.example.com", { origin: null, names: NAMES, port: 8443 })).toBe(
    "https://erp.example.com:8443",
  );
});

test("requests by HTTP are sent on with their path, and challenges answered", async () => {
  using server = serveRedirects({
    hostname: "127.0.0.1",
    port: 0,
    isShared: false,
    site: () => ({ origin: null, names: NAMES, port: 443 }),
    answerChallenge: async (token) => (token === "known_-1" ? "known_-1.thumbprint" : null),
  });
  const ask = (line: string, host = "erp.example.com") =>
    exchange(server.url.origin, `${line} HTTP/1.1\nHost: ${host}`);
  const located = async (...asked: [string, string?]) =>
    /^HTTP\/1\.1 308 .*\r\nlocation: (.*?)\r\n/is.exec(await ask(...asked))?.[1];
  expect(await located("GET /a/b%20c?d=e&f=//evil.com")).toBe(
    "https://erp.example.com/a/b%20c?d=e&f=//evil.com",
  );
  expect(await located("POST //evil.com/x")).toBe("https://erp.example.com//evil.com/x");
  const form = await exchange(
    server.url.origin,
    "POST /form HTTP/1.1\nHost: erp.example.com\nContent-Length: 100000",
    "a=b",
  );
  expect(form).toMatch(/^HTTP\/1\.1 308 /);
  expect(form).toMatch(/location: https:\/\/erp\.example\.com\/form\r\n/i);
  expect(await located("GET http://evil.com/x")).toBe("https://erp.example.com/x");
  expect(await located("GET /%0d%0aset-cookie:a=b")).toBe("https://erp.example.com/%0d%0aset-cookie:a=b");
  for (const host of ["evil.com", "erp.example.com@evil.com", "evil.com/erp.example.com", ""]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const answer = await ask("GET /", host);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer).not.toMatch(/location:/i);
  }
  const challenge = "/.well-known/acme-challenge/";
  expect(await ask(`GET ${challenge}known_-1`, "127.0.0.1")).toEndWith("\r\n\r\nknown_-1.thumbprint");
  for (const token of ["unknown", "..%2fknown_-1", "known_-1/", ""]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await ask(`GET ${challenge}${token}`)).toStartWith("HTTP/1.1 404 ");
  }
});
