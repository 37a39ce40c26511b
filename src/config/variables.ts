/** A variable of the environment or of the `.env` file. */
export interface Variable {
  readonly name: string;
  readonly value: string;
  readonly source: "environment" | ".env";
}

/** The variables that the configuration may use, by name. */
export type Variables = ReadonlyMap<string, Variable>;

/** Joins the variables of a `.env` file and of the environment; the environment wins. */
export function joinVariables(
  dotEnv: ReadonlyMap<string, string>,
  env: Readonly<Record<string, string | undefined>>,
): Variables {
  const variables = new Map<string, Variable>();
  for (const [name, value] of dotEnv) variables.set(name, { name, value, source: ".env" });
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined) variables.set(name, { name, value, source: "environment" });
  }
  return variables;
}
