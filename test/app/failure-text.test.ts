import { expect, test } from "bun:test";
import { toListenError } from "../../src/app/failure-text.ts";

const NOT_HOSTS = ["no such host", "127.0.0.1:80", "http://localhost", "::g", "a..b", "x".repeat(300)];
const CODES = ["ENOENT", "EINVAL", "ENOTCONN", "EAI_AGAIN", "ENOTFOUND", "EADDRINUSE", ""];

function failWith(code: string): Error {
  return Object.assign(new Error(`${code}: listen`), { code });
}

test.each(NOT_HOSTS)("toListenError() says that %p has no address whatever the code", async (hostname) => {
  for (const error of [...CODES.map(failWith), new TypeError("baseURI must have a hostname"), "thrown"]) {
    const { code, message, cause } = await toListenError(error, { hostname, port: 80 });
    expect(code).toBe("port_unavailable");
    expect(message).toBe(
      `Cannot listen on ${hostname}:80: the host has no address; choose another with --host or server.host`,
    );
    expect(cause).toBe(error);
  }
});

test.each([
  ["EADDRINUSE", "choose another port with --port or server.port"],
  [
    "EACCES",
    "a service, which may (xcore service install), or choose one above 1023 with --port or server.port",
  ],
  ["EADDRNOTAVAIL", "choose another with --host or server.host"],
  ["EMFILE", "EMFILE: listen"],
  ["", ": listen"],
])("toListenError() says what to do about %p on an address", async (code, advice) => {
  for (const hostname of ["127.0.0.1", "0.0.0.0", "::1", "[::1]"]) {
    const { message } = await toListenError(failWith(code), { hostname, port: 80 });
    expect(message).toStartWith(`Cannot listen on ${hostname}:80: `);
    expect(message).toEndWith(advice);
    const setting = "server.tls.redirect_port";
    const redirects = await toListenError(failWith(code), { hostname, port: 80, setting });
    expect(redirects.message).toEndWith(advice.replace("--port or server.port", setting));
  }
});
