/** Shows an object with some properties of another: those are written there, all others through. */
export function overlay<Target extends object>(target: Target, own: Record<PropertyKey, unknown>): Target {
  const holderOf = (key: PropertyKey): object => (Object.hasOwn(own, key) ? own : target);
  // Not of the target itself: a proxy must show what is fixed there.
  return new Proxy(Object.create(target) as Target, {
    get: (_, key): unknown => Reflect.get(holderOf(key), key),
    set: (_, key, value) => Reflect.set(holderOf(key), key, value),
    deleteProperty: (_, key) => Reflect.deleteProperty(holderOf(key), key),
    ownKeys: () => Reflect.ownKeys(target),
    getOwnPropertyDescriptor(fixed, key) {
      const found = Reflect.getOwnPropertyDescriptor(holderOf(key), key);
      return found && { ...found, configurable: !Object.hasOwn(fixed, key) };
    },
    defineProperty(fixed, key, descriptor) {
      const isDefined = Reflect.defineProperty(holderOf(key), key, descriptor);
      return (
        isDefined && (descriptor.configurable !== false || Reflect.defineProperty(fixed, key, descriptor))
      );
    },
  });
}
