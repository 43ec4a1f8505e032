/** `make`, whose last `max` results are remembered: the same key gives the same value, which is not to be changed. */
export const remembered = <V>(max: number, make: (key: string) => V): ((key: string) => V) => {
  const values = new Map<string, V>()
  return (key) => {
    const known = values.get(key)
    if (known !== undefined) return known
    const value = make(key)
    if (values.size >= max) values.delete(values.keys().next().value!)
    values.set(key, value)
    return value
  }
}
