import type { Policy } from './policy.ts'

/**
 * Bits of TDATTRIBUTES, counted from the least significant bit of the first byte. Intel TDX Module Base Architecture
 * Specification, "TD Attributes"; the names are those of Linux, arch/x86/include/asm/shared/tdx.h.
 */
const BIT_NAMES: Readonly<Record<number, string>> = {
  0: 'DEBUG',
  4: 'HGS_PLUS_PROF',
  5: 'PERF_PROF',
  6: 'PMT_PROF',
  16: 'ICSSD',
  27: 'LASS',
  28: 'SEPT_VE_DISABLE',
  29: 'MIGRATABLE',
  30: 'PKS',
  31: 'KL',
  62: 'TPA',
  63: 'PERFMON',
}
export const BIT_DEBUG = 0
export const BIT_SEPT_VE_DISABLE = 28
export const BIT_MIGRATABLE = 29
const ATTRIBUTE_BITS = 64

const isSet = (attributes: Uint8Array, bit: number): boolean => ((attributes[bit >> 3]! >> (bit & 7)) & 1) === 1

/** The names of the bits that are set. */
export const attributeNames = (attributes: Uint8Array): string[] =>
  Array.from({ length: ATTRIBUTE_BITS }, (_, bit) => bit)
    .filter((bit) => isSet(attributes, bit))
    .map((bit) => BIT_NAMES[bit] ?? `bit ${bit}`)

/**
 * What is wrong with these attributes (8 bytes), in words; empty when nothing is. Every bit that the policy does not name
 * must be 0: the first byte makes a TD untrusted, and what the others will mean nobody knows yet.
 */
export const attributeProblems = (attributes: Uint8Array, rule: Policy['tdAttributes']): string[] => {
  const allowed = new Set([BIT_SEPT_VE_DISABLE])
  if (rule.debug) allowed.add(BIT_DEBUG)
  if (rule.migratable) allowed.add(BIT_MIGRATABLE)
  const problems: string[] = []
  for (let bit = 0; bit < ATTRIBUTE_BITS; bit++) {
    if (isSet(attributes, bit) && !allowed.has(bit))
      problems.push(`TD attribute bit ${bit} (${BIT_NAMES[bit] ?? 'reserved'}) is set`)
  }
  if (rule.septVeDisable && !isSet(attributes, BIT_SEPT_VE_DISABLE))
    problems.push('TD attribute SEPT_VE_DISABLE (bit 28) is not set')
  return problems
}
