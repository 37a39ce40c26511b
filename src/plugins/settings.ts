type Settings = Readonly<Record<string, unknown>>;

/** Lays a plugin's settings from config.json over its manifest's defaults, object by object; deeply frozen. */
export function mergeSettings(defaults: Settings, overrides: Settings): Settings {
  return deepFreeze(mergeObjects(defaults, overrides));
}

function mergeObjects(defaults: Settings, overrides: Settings): Settings {
  const merged = new Map<string, unknown>(Object.entries(structuredClone(defaults)));
  for (const [key, value] of Object.entries(overrides)) {
    const below = merged.get(key);
    merged.set(key, isObject(below) && isObject(value) ? mergeObjects(below, value) : structuredClone(value));
  }
  return Object.fromEntries(merged);
}

function isObject(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
