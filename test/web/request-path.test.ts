import { expect, test } from "bun:test";
import { pathOf, withRoutableUrl } from "../../src/web/request-path.ts";
import { plugin, TestApp } from "../setup.ts";
import { exchange } from "./raw-socket.ts";

const urls: [string, string][] = [
  ["http://localhost/", "/"],
  ["http://localhost:8000/a/b?c=/d", "/a/b"],
  ["http://localhost/a?b", "/a"],
  ["http://localhost/?a=1", "/"],
  ["http://localhost", "/"],
  ["http://a/b", "/b"],
  ["https://a/b?c", "/b"],
  ["http://[::1]:80/a", "/a"],
  ["http://localhost//a", "//a"],
  ["/a", "/a"],
  ["/a/b?c=/d", "/a/b"],
  ["/documents/system/plugins", "/documents/system/plugins"],
  ["/", "/"],
  ["a:80", "/"],
];

test.each(urls)("pathOf() finds in %p the path %p", (url, path) => {
  expect(pathOf(url)).toBe(path);
});

test("withRoutableUrl() returns a request with a long host as it is", () => {
  const request = new Request("http://localhost/a");
  expect(withRoutableUrl(request)).toBe(request);
});

test("withRoutableUrl() keeps method, headers and body of a request with a short host", async () => {
  const request = new Request("http://a/b?c=1", { method: "POST", headers: { "x-a": "1" }, body: "body" });
  const routable = withRoutableUrl(request);
  expect([routable.url, routable.method, routable.headers.get("x-a"), await routable.text()]).toEqual([
    "http://localhost/b?c=1",
    "POST",
    "1",
    "body",
  ]);
});

const heads: [string, string][] = [
  ["a host of one letter", "GET /x/path?q=1 HTTP/1.1\nHost: a"],
  ["a host of two letters", "GET /x/path?q=1 HTTP/1.1\nHost: ab"],
  ["a host of three letters", "GET /x/path?q=1 HTTP/1.1\nHost: abc"],
  ["a short host with a port", "GET /x/path?q=1 HTTP/1.1\nHost: a:81"],
  ["a long host", "GET /x/path?q=1 HTTP/1.1\nHost: a-long-host.example.com:8080"],
  ["an IPv6 host", "GET /x/path?q=1 HTTP/1.1\nHost: [::1]:8080"],
  ["an empty host", "GET /x/path?q=1 HTTP/1.1\nHost:"],
  ["a host that isn't one", "GET /x/path?q=1 HTTP/1.1\nHost: a b"],
  ["a host with a path", "GET /x/path?q=1 HTTP/1.1\nHost: user:pass@evil/health"],
  ["a host with a query", "GET /x/path?q=1 HTTP/1.1\nHost: evil?/health#"],
  ["HTTP/1.0 without a host", "GET /x/path?q=1 HTTP/1.0"],
  ["an absolute target", "GET http://other.example/x/path?q=1 HTTP/1.1\nHost: localhost"],
];

test("a plugin is found whatever the host that the client names", async () => {
  await using app = await TestApp.start({
    plugins: plugin("x", '.get("/path", ({ query, path }) => path + " " + query.q)'),
  });
  for (const [name, head] of heads) {
    const [status = "", body = ""] = (await exchange(app.url, head)).split("\r\n\r\n");
    expect([name, status.slice(0, 15), body]).toEqual([name, "HTTP/1.1 200 OK", "/x/path 1"]);
  }
});

test("a path can't pass for another one by naming no host", async () => {
  await using app = await TestApp.start();
  const response = await exchange(app.url, "GET /documents/health HTTP/1.0");
  expect(response).toStartWith("HTTP/1.1 404");
  expect(response).toContain('"instance":"/documents/health"');
});
