/** Shorter ones are refused for their length. */
const MIN_LENGTH = 8;

/**
 * Returns the passwords that people choose most often, in small letters, each on a line of its own between line ends.
 * In the executable they are a compressed file: build.ts puts a module that reads it in the place of this one.
 */
export async function readCommonPasswords(): Promise<string> {
  const { dictionary } = await import("@zxcvbn-ts/language-common");
  const passwords = dictionary["passwords-common"];
  if (passwords === undefined) throw new TypeError("Cannot read the common passwords: the package has none");
  const long = passwords.filter((password) => password.length >= MIN_LENGTH);
  return `\n${long.join("\n")}\n`;
}
