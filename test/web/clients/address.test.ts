import { expect, test } from "bun:test";
import { createClientAddress, toAddressKey } from "../../../src/web/clients/address.ts";

const via = (hops: string) => new Headers({ "x-forwarded-for": hops });

test.each([
  { proxies: [], connection: "9.9.9.9", hops: "1.2.3.4", address: "9.9.9.9" },
  { proxies: ["10.0.0.0/8"], connection: "9.9.9.9", hops: "1.2.3.4", address: "9.9.9.9" },
  { proxies: ["10.0.0.0/8"], connection: "10.1.1.1", hops: "1.2.3.4", address: "1.2.3.4" },
  { proxies: ["10.0.0.0/8"], connection: "::ffff:10.1.1.1", hops: "1.2.3.4", address: "1.2.3.4" },
  { proxies: ["10.0.0.0/8"], connection: "10.1.1.1", hops: "6.6.6.6, 1.2.3.4, 10.2.2.2", address: "1.2.3.4" },
  { proxies: ["10.0.0.0/8"], connection: "10.1.1.1", hops: "10.3.3.3", address: "10.3.3.3" },
  { proxies: ["10.0.0.0/8"], connection: "10.1.1.1", hops: "unknown", address: "10.1.1.1" },
  { proxies: ["10.0.0.0/8"], connection: "10.1.1.1", hops: "", address: "10.1.1.1" },
  { proxies: ["127.0.0.1"], connection: "127.0.0.1", hops: "2001:db8::1", address: "2001:db8::1" },
  { proxies: ["fd00::/8"], connection: "fd00::1", hops: "1.2.3.4", address: "1.2.3.4" },
  { proxies: ["nonsense", "10.0.0.0/99"], connection: "10.1.1.1", hops: "1.2.3.4", address: "10.1.1.1" },
])("createClientAddress($proxies) tells $address when $connection forwards for $hops", (one) => {
  expect(createClientAddress(one.proxies)(one.connection, via(one.hops))).toBe(one.address);
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["", ""],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001:0002::9", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
])("toAddressKey() makes %j %j", (address, key) => {
  expect(toAddressKey(address)).toBe(key);
});
