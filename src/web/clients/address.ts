import { BlockList, isIP, isIPv6 } from "node:net";

/** Tells a client's address from that of the connection and the request's headers. */
export type ClientAddress = (connection: string, headers: Headers) => string;

/**
 * Creates what tells the address of a client behind proxies: the last one in `x-forwarded-for` that is none of
 * theirs. From any other connection the header is not believed, for anybody can send it.
 *
 * @param proxies addresses and networks ("10.0.0.0/8"); one that is neither is passed over
 */
export function createClientAddress(proxies: readonly string[]): ClientAddress {
  if (proxies.length === 0) return (connection) => toPlain(connection);
  const isTrusted = createTrust(proxies);
  return (connection, headers) => {
    let address = toPlain(connection);
    const hops = (headers.get("x-forwarded-for") ?? "").split(",").map((hop) => toPlain(hop.trim()));
    while (isIP(address) !== 0 && isTrusted(address)) {
      const hop = hops.pop();
      if (hop === undefined || isIP(hop) === 0) break;
      address = hop;
    }
    return address;
  };
}

/** Creates what tells whether the address of a connection is one of these proxies, as createClientAddress takes them. */
export function createTrust(proxies: readonly string[]): (connection: string) => boolean {
  if (proxies.length === 0) return () => false;
  const trusted = toBlockList(proxies);
  return (connection) => {
    const address = toPlain(connection);
    return trusted.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  };
}

/** Returns the key to count a client's address under: of IPv6 the network of 64 bits, which one customer has. */
export function toAddressKey(address: string): string {
  if (!address.includes(":") || !isIPv6(address)) return address;
  const [head = "", tail] = address.toLowerCase().split("%", 1)[0]?.split("::") ?? [];
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - countGroups(left) - countGroups(right);
  const groups = [...left, ...Array.from({ length: zeros }, () => "0"), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}

function toBlockList(proxies: readonly string[]): BlockList {
  const list = new BlockList();
  for (const proxy of proxies) {
    const [address = "", bits] = proxy.split("/");
    const version = isIP(address);
    if (version === 0) continue;
    const family = version === 6 ? "ipv6" : "ipv4";
    const length = bits === undefined ? null : Number(bits);
    if (length === null) list.addAddress(address, family);
    else if (length <= (version === 6 ? 128 : 32)) list.addSubnet(address, length, family);
  }
  return list;
}

/** An IPv4 address that came over an IPv6 socket, as IPv4. */
function toPlain(address: string): string {
  return address.startsWith(":") ? address.replace(/^::ffff:(?=\d+\.)/i, "") : address;
}

/** Counts 16-bit groups: an IPv4 address at the end stands for two. */
function countGroups(groups: readonly string[]): number {
  return groups.length + (groups.at(-1)?.includes(".") === true ? 1 : 0);
}
