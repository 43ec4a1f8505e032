import { Buffer } from 'node:buffer'
import { check, type DcapReason } from './reasons.ts'

// Intel PCS v4: "TDX TCB info" (version 3) and "TD QE identity" (version 2), read as Intel's Quote Verification Library
// reads them: what is badly formed for it is refused here.

/** Statuses that a TCB level can have. */
export const LEVEL_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const
export type LevelStatus = (typeof LEVEL_STATUSES)[number]

/**
 * Statuses that Intel's library knows in a QE identity: any other makes the document badly formed. A TDX module's level may
 * say anything, and is judged when it is chosen.
 */
const QE_STATUSES = ['UpToDate', 'ConfigurationNeeded', 'OutOfDate', 'OutOfDateConfigurationNeeded', 'Revoked'] as const
export type QeStatus = (typeof QE_STATUSES)[number]

/** What all levels have. */
interface Level<Status> {
  readonly status: Status
  readonly tcbDateMs: number
  readonly advisories: readonly string[]
}
export interface TcbLevel extends Level<LevelStatus> {
  /** 16 each. */
  readonly sgx: readonly number[]
  readonly tdx: readonly number[]
  readonly pceSvn: number
}
export interface IsvLevel<Status> extends Level<Status> {
  readonly isvSvn: number
}

/** Who may have signed a TDX module. */
export interface ModuleSigner {
  /** 48 bytes. */
  readonly mrSigner: Buffer
  /** 8 bytes. */
  readonly attributes: Buffer
}
export interface ModuleIdentity extends ModuleSigner {
  /** Newest first. */
  readonly levels: readonly IsvLevel<string>[]
}

export interface TcbInfo {
  readonly issueDateMs: number
  readonly nextUpdateMs: number
  readonly fmspc: Buffer
  readonly pceId: Buffer
  readonly tcbEvaluationDataNumber: number
  /** Of modules of version 0. */
  readonly module: ModuleSigner
  /** By their ids in upper case, e.g. `TDX_03`. */
  readonly modules: ReadonlyMap<string, ModuleIdentity>
  /** Newest first: by SGX components, then PCESVN, then TDX components. */
  readonly levels: readonly TcbLevel[]
}

export interface QeIdentity {
  readonly issueDateMs: number
  readonly nextUpdateMs: number
  readonly tcbEvaluationDataNumber: number
  readonly miscSelect: number
  readonly miscSelectMask: number
  /** 16 bytes each. */
  readonly attributes: Buffer
  readonly attributesMask: Buffer
  readonly mrSigner: Buffer
  readonly isvProdId: number
  /** In Intel's order, which is theirs to choose. */
  readonly levels: readonly IsvLevel<QeStatus>[]
}

const U32_MAX = 0xffff_ffff
/** More than Intel's documents have, by far. */
const LEVELS_MAX = 1_000
const COMPONENTS = 16

/** A value inside a signed document, with its name for the error. Every getter refuses what is not there or not of its type. */
class Field {
  constructor(
    private readonly value: unknown,
    private readonly name: string,
    private readonly reason: DcapReason,
  ) {}

  #check(holds: boolean, expected: string): void {
    check(holds, this.reason, `${this.name} is not ${expected}`)
  }

  /** Own properties only: a document cannot reach what every object inherits. */
  get(key: string): Field {
    const { value } = this
    this.#check(typeof value === 'object' && value !== null && !Array.isArray(value), 'an object')
    const found: unknown = Object.hasOwn(value as object, key) ? (value as Record<string, unknown>)[key] : undefined
    return new Field(found, `${this.name}.${key}`, this.reason)
  }

  get missing(): boolean {
    return this.value === undefined
  }

  list(min: number, max: number): Field[] {
    const { value } = this
    this.#check(Array.isArray(value) && value.length >= min && value.length <= max, `a list of ${min} to ${max}`)
    return (value as unknown[]).map((item, index) => new Field(item, `${this.name}[${index}]`, this.reason))
  }

  text(): string {
    this.#check(typeof this.value === 'string', 'a text')
    return this.value as string
  }

  oneOf<T extends string>(values: readonly T[]): T {
    this.#check((values as readonly unknown[]).includes(this.value), `one of ${values.join(', ')}`)
    return this.value as T
  }

  unsigned(max: number): number {
    const { value } = this
    this.#check(Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max, `a number up to ${max}`)
    return value as number
  }

  hex(bytes: number): Buffer {
    const text = this.text()
    this.#check(text.length === 2 * bytes && /^[0-9a-fA-F]*$/.test(text), `${bytes} bytes of hex`)
    return Buffer.from(text, 'hex')
  }

  /** ISO 8601 to the second and in UTC, as Intel writes it. */
  dateMs(): number {
    const text = this.text()
    const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) ? Date.parse(text) : Number.NaN
    this.#check(!Number.isNaN(ms) && new Date(ms).toISOString() === text.replace('Z', '.000Z'), 'a date')
    return ms
  }
}

/**
 * One JSON text for one document: compact, no key twice. Intel's library checks the signature over its own compact text
 * of what it parsed, so its documents are of this form.
 */
const readJson = (text: string, name: string, reason: DcapReason): Field => {
  let value: unknown
  let canonical: string | undefined
  try {
    value = JSON.parse(text)
    canonical = JSON.stringify(value)
  } catch {
    // Not JSON, or nested too deep to be written again: refused below.
  }
  check(canonical === text, reason, `${name} is not compact JSON with each key once`)
  return new Field(value, name, reason)
}

const dates = (document: Field, reason: DcapReason) => {
  const issueDateMs = document.get('issueDate').dateMs()
  const nextUpdateMs = document.get('nextUpdate').dateMs()
  check(issueDateMs < nextUpdateMs, reason, 'the next update is not after the issue date')
  return { issueDateMs, nextUpdateMs }
}

const level = (field: Field) => {
  const advisories = field.get('advisoryIDs')
  return {
    tcbDateMs: field.get('tcbDate').dateMs(),
    advisories: advisories.missing ? [] : advisories.list(0, LEVELS_MAX).map((id) => id.text()),
  }
}

const components = (field: Field): number[] =>
  field.list(COMPONENTS, COMPONENTS).map((component) => component.get('svn').unsigned(0xff))

const tcbLevel = (field: Field): TcbLevel => {
  const tcb = field.get('tcb')
  return {
    sgx: components(tcb.get('sgxtcbcomponents')),
    pceSvn: tcb.get('pcesvn').unsigned(U32_MAX),
    tdx: components(tcb.get('tdxtcbcomponents')),
    status: field.get('tcbStatus').oneOf(LEVEL_STATUSES),
    ...level(field),
  }
}

const descending = (a: readonly number[], b: readonly number[]): number => {
  const at = a.findIndex((value, index) => value !== b[index])
  return at < 0 ? 0 : b[at]! - a[at]!
}
const newestFirst = (a: TcbLevel, b: TcbLevel): number =>
  descending(a.sgx, b.sgx) || b.pceSvn - a.pceSvn || descending(a.tdx, b.tdx)

/** Sorted; two equal ones are badly formed. */
const sorted = <T>(levels: T[], compare: (a: T, b: T) => number, what: string): T[] => {
  levels.sort(compare)
  const twice = levels.some((item, index) => index > 0 && compare(levels[index - 1]!, item) === 0)
  check(!twice, 'tcb_info_malformed', `two equal levels of ${what}`)
  return levels
}

const moduleSigner = (field: Field): ModuleSigner => {
  field.get('attributesMask').hex(8)
  return { mrSigner: field.get('mrsigner').hex(48), attributes: field.get('attributes').hex(8) }
}

const moduleIdentity = (field: Field): ModuleIdentity => {
  const levels = field.get('tcbLevels').list(1, LEVELS_MAX)
  return {
    ...moduleSigner(field),
    levels: sorted(
      levels.map((item) => ({
        isvSvn: item.get('tcb').get('isvsvn').unsigned(0xff),
        status: item.get('tcbStatus').text(),
        ...level(item),
      })),
      (a, b) => b.isvSvn - a.isvSvn,
      'a TDX module',
    ),
  }
}

/** The first identity of a name counts, as in Intel's library. */
const moduleIdentities = (field: Field): Map<string, ModuleIdentity> => {
  const modules = new Map<string, ModuleIdentity>()
  for (const item of field.missing ? [] : field.list(1, LEVELS_MAX)) {
    const id = item.get('id').text().toUpperCase()
    const identity = moduleIdentity(item)
    if (!modules.has(id)) modules.set(id, identity)
  }
  return modules
}

/**
 * @param text with a signature that has been checked
 * @throws DcapError `tcb_info_malformed`
 */
export const readTcbInfo = (text: string): TcbInfo => {
  const document = readJson(text, 'tcbInfo', 'tcb_info_malformed')
  document.get('id').oneOf(['TDX'])
  check(document.get('version').unsigned(U32_MAX) === 3, 'tcb_info_malformed', 'tcbInfo.version is not 3')
  check(document.get('tcbType').unsigned(U32_MAX) === 0, 'tcb_info_malformed', 'tcbInfo.tcbType is not 0')
  return {
    ...dates(document, 'tcb_info_malformed'),
    fmspc: document.get('fmspc').hex(6),
    pceId: document.get('pceId').hex(2),
    tcbEvaluationDataNumber: document.get('tcbEvaluationDataNumber').unsigned(U32_MAX),
    module: moduleSigner(document.get('tdxModule')),
    modules: moduleIdentities(document.get('tdxModuleIdentities')),
    levels: sorted(document.get('tcbLevels').list(1, LEVELS_MAX).map(tcbLevel), newestFirst, 'TCB'),
  }
}

/**
 * @param text with a signature that has been checked
 * @throws DcapError `qe_identity_malformed`
 */
export const readQeIdentity = (text: string): QeIdentity => {
  const reason = 'qe_identity_malformed'
  const document = readJson(text, 'enclaveIdentity', reason)
  document.get('id').oneOf(['TD_QE'])
  const version = document.get('version').unsigned(U32_MAX)
  check(version === 2 || version === 3, reason, `enclaveIdentity.version is ${version}, expected 2 or 3`)
  return {
    ...dates(document, reason),
    tcbEvaluationDataNumber: document.get('tcbEvaluationDataNumber').unsigned(U32_MAX),
    // Written as the bytes of the report: little endian.
    miscSelect: document.get('miscselect').hex(4).readUInt32LE(),
    miscSelectMask: document.get('miscselectMask').hex(4).readUInt32LE(),
    attributes: document.get('attributes').hex(16),
    attributesMask: document.get('attributesMask').hex(16),
    mrSigner: document.get('mrsigner').hex(32),
    isvProdId: document.get('isvprodid').unsigned(U32_MAX),
    levels: document
      .get('tcbLevels')
      .list(1, LEVELS_MAX)
      .map((item) => ({
        isvSvn: item.get('tcb').get('isvsvn').unsigned(U32_MAX),
        status: item.get('tcbStatus').oneOf(QE_STATUSES),
        ...level(item),
      })),
  }
}
