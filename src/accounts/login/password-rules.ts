import { fail } from "../identity/error-codes.ts";

/** Characters that every password has. */
const MIN_LENGTH = 8;
/** Characters that the password of somebody who may do everything has. */
const MIN_ADMINISTRATOR_LENGTH = 12;
const MAX_LENGTH = 1024;
/** Parts of an email that are shorter say nothing. */
const MIN_PART = 3;
const MIN_DIFFERENT = 4;

/** Whose password it will be. */
export interface PasswordOwner {
  /** Normalized, see `normalizeEmail`. */
  readonly email: string;
  /** Whether they may do everything, or soon will. @default false */
  readonly isAdministrator?: boolean;
  /** Field of the request that holds it. @default "password" */
  readonly field?: string;
}

/** @throws AppError validation_error unless it has 8 to 1024 characters, all of which can be typed and kept */
export function assertPassword(password: string, field = "password"): void {
  throwProblem(findProblem(password, MIN_LENGTH), field);
}

/**
 * Checks a password that somebody chooses, beyond what `assertPassword` does: an administrator's has 12 characters, and
 * nobody's is what is guessed first, a common one or the email.
 *
 * @throws AppError validation_error with what is wrong
 */
export async function assertChoice(
  password: string,
  { email, isAdministrator = false, field = "password" }: PasswordOwner,
): Promise<void> {
  const minimum = isAdministrator ? MIN_ADMINISTRATOR_LENGTH : MIN_LENGTH;
  throwProblem(findProblem(password, minimum), field);
  const text = password.normalize("NFKC").toLowerCase();
  if (isOfEmail(text, email)) throwProblem("it is made of the email", field);
  if (new Set(text).size < MIN_DIFFERENT) throwProblem("it repeats a few characters", field);
  if (await isCommon(text)) throwProblem("it is one that many people use, and that is tried first", field);
}

/** Whether it is as long as that of an administrator has to be. */
export function isLongPassword(password: string): boolean {
  return countCharacters(password) >= MIN_ADMINISTRATOR_LENGTH;
}

/** What is said of a password that is too short for the role that its owner is to get. */
export const SHORT_FOR_ADMINISTRATOR = `it has fewer than ${MIN_ADMINISTRATOR_LENGTH} characters, which whoever may do everything needs`;

function throwProblem(problem: string | null, field: string): void {
  if (problem === null) return;
  const message = `Cannot use the password: ${problem}`;
  const errors = [{ path: `/body/${field}`, code: "invalid", message }];
  throw fail("validation_error", message, { errors });
}

function findProblem(password: string, minimum: number): string | null {
  if (!password.isWellFormed()) return "it holds half of a character";
  if (password.includes("\0")) return "it holds the character U+0000";
  const length = countCharacters(password);
  if (length < MIN_LENGTH) return `it has fewer than ${MIN_LENGTH} characters`;
  if (length < minimum) return SHORT_FOR_ADMINISTRATOR;
  return length > MAX_LENGTH ? `it has more than ${MAX_LENGTH} characters` : null;
}

/** Counts characters, not code units, nor a letter and its marks for two, up to a little more than may be. */
function countCharacters(password: string): number {
  return Array.from(password.slice(0, 2 * MAX_LENGTH + 2).normalize("NFC")).length;
}

/** Whether it holds the name before the "@", or is little more than parts of the email. */
function isOfEmail(text: string, email: string): boolean {
  const [local = "", domain = ""] = email.toLowerCase().split("@");
  if (local.length > MIN_PART && text.includes(local)) return true;
  const parts = [local, domain, ...local.split(/[^\p{L}\p{N}]+/u), ...domain.split(".")]
    .filter((part) => part.length >= MIN_PART)
    .toSorted((a, b) => b.length - a.length);
  const rest = parts.reduce((left, part) => left.replaceAll(part, ""), text);
  return rest !== text && Array.from(rest).length < MIN_LENGTH;
}

async function isCommon(text: string): Promise<boolean> {
  if (text.includes("\n")) return false;
  // Only who chooses a password needs them.
  const { readCommonPasswords } = await import("./common-passwords.ts");
  const common = await readCommonPasswords();
  // "Password123!" is as common as "password123".
  return [text, text.replace(/[^\p{L}\p{N}]+$/u, "")].some((word) => common.includes(`\n${word}\n`));
}
