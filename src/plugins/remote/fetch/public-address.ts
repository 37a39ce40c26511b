import { BlockList, isIPv4 } from "node:net";

// The registries of special addresses: https://www.iana.org/assignments/iana-ipv4-special-registry and its IPv6 twin.
const SPECIAL_IPV4 = toBlockList("ipv4", [
  ["0.0.0.0", 8], // this network
  ["10.0.0.0", 8],
  ["100.64.0.0", 10], // between a carrier and its customers
  ["127.0.0.0", 8],
  ["169.254.0.0", 16], // link-local: where clouds answer with credentials
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
]);
/** All global unicast addresses; any other is loopback, link-local, unique-local or multicast. */
const GLOBAL_IPV6 = toBlockList("ipv6", [["2000::", 3]]);
const SPECIAL_IPV6 = toBlockList("ipv6", [
  ["2001::", 23], // Teredo among them, which holds an IPv4 address
  ["2001:db8::", 32],
  ["2002::", 16], // 6to4, which holds an IPv4 address
  ["3fff::", 20],
]);

/** Whether an IP address, IPv6 without brackets, is one of the public internet. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !SPECIAL_IPV4.check(address, "ipv4");
  const groups = toGroups(address);
  if (groups === null) return false;
  const embedded = toEmbeddedIPv4(groups);
  if (embedded !== null) return !SPECIAL_IPV4.check(embedded, "ipv4");
  return GLOBAL_IPV6.check(address, "ipv6") && !SPECIAL_IPV6.check(address, "ipv6");
}

/** The IPv4 address in a mapped one (`::ffff:0:0/96`), or in one of a NAT64 (`64:ff9b::/96`). */
function toEmbeddedIPv4(groups: readonly number[]): string | null {
  const prefix = groups
    .slice(0, 6)
    .map((group) => group.toString(16))
    .join(":");
  if (prefix !== "0:0:0:0:0:ffff" && prefix !== "64:ff9b:0:0:0:0") return null;
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 255])
    .join(".");
}

/** The eight numbers of an IPv6 address, however it is written; null for what is none, or has a zone. */
function toGroups(address: string): number[] | null {
  const host = URL.parse(`http://[${address}]/`)?.hostname;
  if (host === undefined) return null;
  const [head = "", tail] = host.slice(1, -1).split("::");
  const [before, after] = [head, tail ?? ""].map((part) => (part === "" ? [] : part.split(":")));
  if (before === undefined || after === undefined) return null;
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16));
}

function toBlockList(family: "ipv4" | "ipv6", subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, bits] of subnets) list.addSubnet(network, bits, family);
  return list;
}
