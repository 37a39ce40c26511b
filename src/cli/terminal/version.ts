import { commit, executableDigest } from "../../plugins/build/executable.ts";

const SHORT = 12; // characters of a digest

/** What xcore says of itself. */
export interface Build {
  readonly name: "xcore";
  readonly version: string;
  /** SHA-256 of all that the executable is made of; null from sources. */
  readonly build: string | null;
  /** Of git, with "+" where files differed from it; null where that isn't known. */
  readonly commit: string | null;
  readonly bun: string;
  readonly platform: string;
  readonly arch: string;
}

/** Says which xcore this is. */
export function readBuild(version: string): Build {
  const { platform, arch } = process;
  return { name: "xcore", version, build: executableDigest, commit, bun: Bun.version, platform, arch };
}

/** Writes it as one line for people, which begins with the version. */
export function describeBuild({ version, build, commit: made, bun, platform, arch }: Build): string {
  const from = build === null ? "from its sources" : `build ${build.slice(0, SHORT)}`;
  const of = made === null ? [] : [`commit ${made.slice(0, SHORT)}${made.endsWith("+") ? "+" : ""}`];
  return `${version} (${[from, ...of, `Bun ${bun}`, `${platform}-${arch}`].join(", ")})`;
}
