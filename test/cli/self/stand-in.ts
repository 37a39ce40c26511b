// A newer xcore that can be run and is no good: what its process does once it is to take over stands in `behaviour`.
const behaviour = await Bun.file("behaviour")
  .text()
  .catch(() => "");
const args = process.argv.slice(2);
if (args.includes("--version")) {
  const { platform, arch } = process;
  const version = behaviour === "" ? "99.0.0" : (/^version (.*)$/.exec(behaviour)?.[1] ?? "99.0.0");
  process.stdout.write(
    JSON.stringify({
      name: "xcore",
      version,
      build: "stand-in",
      commit: null,
      bun: Bun.version,
      platform,
      arch,
    }),
  );
  process.exit(0);
}
process.on("message", () => {
  if (behaviour === "fails") {
    process.send?.({ problem: "its database is too old" });
    process.exit(1);
  }
  process.send?.({ ready: { version: "99.0.0", isSameAddress: false, serving: ["x"] } });
  if (behaviour === "dies") setTimeout(() => process.exit(7), 500);
});
setTimeout(() => process.exit(9), 60_000);
