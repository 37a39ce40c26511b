/** Whether a request takes an answer that is compressed by gzip (RFC 9110, 12.5.3). */
export function acceptsGzip({ headers }: Request): boolean {
  const codings = (headers.get("accept-encoding") ?? "")
    .toLowerCase()
    .split(",")
    .map((coding) => coding.replaceAll(/\s/g, "").split(";"));
  const coding = codings.find(([name]) => name === "gzip") ?? codings.find(([name]) => name === "*");
  return coding !== undefined && !coding.slice(1).some((parameter) => /^q=0(\.0*)?$/.test(parameter));
}
