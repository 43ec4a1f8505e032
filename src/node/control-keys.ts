import { type Clock, type Random, TransientError, UsageError } from '../base/index.ts'
import { AppCertificates } from '../keys/index.ts'
import type { App } from './apps.ts'
import type { ControlHost } from './control.ts'
import type { Membership } from './membership.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

export interface ControlKeysContext {
  membership(): Membership | undefined
  apps(): readonly App[]
  clock: Clock
  random: Random
}

/** The keys that this machine's operator gets over the control socket: a volume's and a domain's, besides those that an app gets. */
export const controlKeys = (
  context: ControlKeysContext,
): Pick<ControlHost, 'key' | 'volumeKey' | 'domainKey' | 'domainRequest'> => {
  const appFor = (name: string | undefined): { app: App; keys: Membership['keys'] } => {
    const membership = context.membership()
    if (membership === undefined || !membership.serves()) {
      throw new TransientError('not_a_member', 'this node is not a member yet', {
        next: 'wait for it to join: dstack-mesh status',
      })
    }
    const apps = context.apps()
    const app = name === undefined && apps.length === 1 ? apps[0] : apps.find((known) => known.name === name)
    if (app === undefined) {
      throw new UsageError('no_such_app', name === undefined ? 'this node serves several apps' : `no app is named ${name}`, {
        next: `name one of these apps: ${apps.map((known) => known.name).join(', ')}`,
      })
    }
    return { app, keys: membership.keys }
  }

  /** One spelling for one name, as the key is derived from it. */
  const spelled = (domains: readonly string[]): string[] => domains.map((domain) => domain.toLowerCase().replace(/\.$/, ''))

  const forDomain = (domains: readonly string[], name: string | undefined) => {
    const { app, keys } = appFor(name)
    const certificates = new AppCertificates(keys, app.identity.appId, context)
    return { app, ...certificates.forDomain(spelled(domains)) }
  }

  return {
    key(path, name) {
      const { app, keys } = appFor(name)
      const { key } = keys.app(app.identity.appId).getKey(path)
      return { app: app.name, appId: hex(app.identity.appId), path, key: hex(key) }
    },
    volumeKey(volume, name) {
      const { app, keys } = appFor(name)
      return keys.volumeKey(app.identity.appId, volume)
    },
    domainKey: (domains, name) => Buffer.from(forDomain(domains, name).key),
    domainRequest(domains, name) {
      const { app, request } = forDomain(domains, name)
      return { app: app.name, appId: hex(app.identity.appId), domains: spelled(domains), request }
    },
  }
}
