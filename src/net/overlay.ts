/** The object as it is, but for some of its properties. Works for objects with private state, as copies would not. */
export const overlay = <T extends object>(target: T, over: Partial<T>): T =>
  new Proxy(target, {
    get(of, key) {
      if (Object.hasOwn(over, key)) return over[key as keyof T]
      const value: unknown = Reflect.get(of, key, of)
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
