// The parts of the page, each drawn from the view that the node sent.
import { drawJoins } from './chart.js'
import { clockTime, duration, el, keep, plural, setText, shortId, shown } from './text.js'
import { GLOSSARY, lede, MEMBER_STATES, NODE_STATES, stateOf, TCB_WORDS, tell, witnessWords } from './words.js'

export const byId = (id) => document.getElementById(id)

const INSECURE = 'INSECURE: '

/** What is left of a credential, 0 to 1. */
export const lifeOf = ({ issuedAt, expiresAt }, nowMs) => {
  const whole = Date.parse(expiresAt) - Date.parse(issuedAt)
  return whole > 0 ? Math.min(1, Math.max(0, (Date.parse(expiresAt) - nowMs) / whole)) : 0
}

const remaining = (expiresAt, nowMs) => {
  const ms = Date.parse(expiresAt) - nowMs
  if (Number.isNaN(ms)) return 'no time that can be read'
  return ms > 0 ? `${duration(ms)} left` : `ended ${duration(-ms)} ago`
}

const tcb = (status) => (Object.hasOwn(TCB_WORDS, status) ? TCB_WORDS[status] : '')

/** The view with what the sections need: times as of `nowMs`, members by id, their states. */
export const prepare = (raw, nowMs) => {
  const { status } = raw
  const list = status.members.map((member) => {
    const state = stateOf(member, nowMs, status.peerId)
    return { ...member, state, tone: MEMBER_STATES[state].tone, self: member.peerId === status.peerId }
  })
  const rank = ({ self, state }) => (self ? 0 : state === 'active' ? 2 : 1)
  list.sort((a, b) => rank(a) - rank(b) || (a.peerId < b.peerId ? -1 : 1))
  const counts = { self: 0, active: 0, unreachable: 0, leaving: 0, lapsed: 0 }
  for (const { state } of list) counts[state]++
  counts.active += counts.self
  return { ...raw, nowMs, list, counts, members: new Map(list.map((member) => [member.peerId, member])) }
}

const bar = (share, tone) => {
  const fill = el('i', { class: tone })
  fill.style.width = `${Math.round(share * 100)}%`
  return el('span', { class: 'bar', 'aria-hidden': 'true' }, fill)
}

const notice = (tone, title, ...lines) =>
  el('div', { class: `notice ${tone}` }, el('strong', {}, title), ...lines.map((line) => el('p', {}, line)))

export const drawHero = (view) => {
  const { status } = view
  const notes = status.anchorNotes
  const state = Object.hasOwn(NODE_STATES, status.state) ? NODE_STATES[status.state] : { name: shown(status.state), tone: 'calm' }
  setText(byId('cluster'), status.cluster === null ? 'not known yet' : shown(status.cluster))
  byId('copy').hidden = status.cluster === null
  const pill = byId('state')
  setText(pill, state.name)
  pill.className = `pill ${state.tone}`
  setText(byId('lede'), lede({ state: status.state, insecure: status.policy?.insecure }, view.counts))
  const words = (status.policy?.words ?? [])
    .filter((line) => line.startsWith(INSECURE))
    .map((line) => shown(line.slice(INSECURE.length)))
  const notices = [
    ...(words.length > 0 ? [['bad', 'INSECURE: this cluster keeps no secret from the machines it runs on', ...words]] : []),
    ...status.alarms.map((alarm) => {
      const { who, what } = tell({ ...alarm, kind: 'alarm', on: true }, view)
      // What the anchor says of itself is more than its alarm's words.
      const words = notes.find(({ code }) => code === alarm.alarm)?.words ?? alarm.words
      return [
        'bad',
        `${what} (since ${clockTime(Date.parse(alarm.since), view.nowMs)})`,
        `${who === undefined ? '' : `Member ${shortId(who)}: `}${shown(words)}`,
        `What to do: ${shown(alarm.next)}.`,
      ]
    }),
    ...notes
      .filter(({ code }) => !status.alarms.some(({ alarm }) => alarm === code))
      .map(({ words: note, alarm }) => [alarm ? 'bad' : 'calm', shown(note)]),
  ]
  keep(
    byId('notices'),
    notices,
    (each) => each.join('\n'),
    ([tone, title, ...lines]) => notice(tone, title, ...lines),
  )
}

const fact = (label, value, words, { extra, tone = '' } = {}) =>
  el(
    'div',
    { class: 'fact' },
    el('h2', {}, label),
    el('p', { class: `value ${tone}` }, value),
    ...(extra === undefined ? [] : [extra]),
    el('p', { class: 'hint' }, words),
  )

export const drawFacts = (view) => {
  const { status, counts, memberCount } = view
  const { credential, policy } = status
  const witness = witnessWords(status.witness, status.proof)
  const silent = [
    counts.unreachable > 0 ? `${counts.unreachable} not answering` : '',
    counts.lapsed > 0 ? `${counts.lapsed} lapsed` : '',
    counts.leaving > 0 ? `${counts.leaving} leaving` : '',
  ].filter((each) => each !== '')
  const parts = [
    fact(
      'Members',
      String(memberCount),
      silent.length > 0 ? `${counts.active} active, ${silent.join(', ')}` : memberCount > 0 ? 'all active' : 'none yet',
    ),
  ]
  if (credential !== null) {
    const life = lifeOf(credential, view.nowMs)
    const by = credential.selfIssued ? 'by itself: it was alone' : `by ${shortId(credential.issuer)}`
    const left = Date.parse(credential.expiresAt) - view.nowMs
    parts.push(
      fact(
        'Credential',
        left > 0 ? `${duration(left)} left` : 'ran out',
        `judged ${clockTime(Date.parse(credential.issuedAt), view.nowMs)} ${by}`,
        { extra: bar(life, life > 0.15 ? 'good' : 'warn'), tone: left > 0 ? '' : 'warn' },
      ),
    )
  }
  parts.push(fact('Made public', witness.where, [witness.means, witness.proof].filter((each) => each !== '').join(' ')))
  if (policy !== null) {
    parts.push(
      fact(
        'Policy',
        policy.insecure ? 'insecure' : 'strict',
        `${shown(policy.hash).slice(0, 16)}… ${policy.insecure ? 'gives protections away' : 'gives no protection away'}`,
        { tone: policy.insecure ? 'bad' : '' },
      ),
    )
  }
  byId('facts').replaceChildren(...parts)
}

const stateTag = ({ state, tone }) => el('span', { class: `tag ${tone}` }, MEMBER_STATES[state].name)

const CELLS = ['Member', 'State', 'Machine', 'Credential', 'Last judged by', 'Address']

/** The texts of a row; what has not changed is left as it stands. */
const rowTexts = (member, nowMs) => [
  shortId(member.peerId),
  MEMBER_STATES[member.state].name,
  shown(member.tcbStatus),
  remaining(member.expiresAt, nowMs),
  member.selfIssued ? 'itself' : shortId(member.issuer),
  member.addresses.length === 0
    ? '–'
    : shown(member.addresses[0]) + (member.addresses.length > 1 ? ` +${member.addresses.length - 1}` : ''),
]

export const drawMembers = (view, { selected, onSelect }) => {
  setText(
    byId('member-count'),
    view.list.length < view.memberCount ? `${view.list.length} of ${view.memberCount}` : plural(view.memberCount, 'member'),
  )
  keep(
    byId('rows'),
    view.list,
    ({ peerId }) => peerId,
    ({ peerId }) => {
      const cells = CELLS.map((name) => el('td', { role: 'cell', 'data-name': name }))
      const name = el('button', { type: 'button', class: 'id', title: shown(peerId) })
      name.addEventListener('click', () => onSelect(peerId))
      cells[0].append(name)
      cells[1].append(el('span'))
      cells[3].append(el('span'), bar(0, 'good'))
      for (const index of [2, 4, 5]) cells[index].append(el('span'))
      return el('tr', { role: 'row' }, ...cells)
    },
    (row, member) => {
      const texts = rowTexts(member, view.nowMs)
      for (const [index, cell] of Array.from(row.children).entries()) setText(cell.firstElementChild, texts[index])
      row.children[1].firstElementChild.className = `tag ${member.tone}`
      row.children[2].firstElementChild.title = tcb(member.tcbStatus)
      row.children[2].classList.toggle('warn', member.tcbStatus !== 'UpToDate')
      const life = lifeOf(member, view.nowMs)
      const fill = row.children[3].lastElementChild.firstElementChild
      fill.className = life > 0.15 ? 'good' : 'warn'
      fill.style.width = `${Math.round(life * 100)}%`
      row.classList.toggle('selected', member.peerId === selected)
      row.firstElementChild.firstElementChild.setAttribute('aria-pressed', String(member.peerId === selected))
    },
  )
}

export const pairs = (list, entries) =>
  keep(
    list,
    entries,
    ([name, value]) => `${name}\n${value}`,
    ([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)),
  )

/** One member in words, or how to read the picture. */
export const drawDetail = (view, selected) => {
  const aside = byId('detail')
  const member = view.members.get(selected)
  const key = member === undefined ? '' : JSON.stringify([member, Math.floor(view.nowMs / 1000)])
  if (aside.dataset.shown === key) return
  aside.dataset.shown = key
  if (member === undefined) {
    aside.replaceChildren(
      el('h3', {}, 'No member chosen'),
      el(
        'p',
        { class: 'hint' },
        'Choose a dot or a row to read what is known about that member: whether it answers, what state its machine is in, who judged it last, and until when.',
      ),
    )
    return
  }
  const list = el('dl', { class: 'pairs' })
  pairs(list, [
    ['Peer id', shown(member.peerId)],
    ['Machine', `${shown(member.tcbStatus)}${tcb(member.tcbStatus) === '' ? '' : `: ${tcb(member.tcbStatus)}`}`],
    [
      'Judged',
      `${clockTime(Date.parse(member.issuedAt), view.nowMs)} by ${member.selfIssued ? 'itself: it was alone' : shortId(member.issuer)}`,
    ],
    ['Credential', remaining(member.expiresAt, view.nowMs)],
    ...(member.addresses.length === 0
      ? [['Address', 'none known']]
      : member.addresses.slice(0, 8).map((address) => ['Address', shown(address)])),
  ])
  aside.replaceChildren(
    el('h3', {}, shortId(member.peerId), ' ', stateTag(member)),
    el('p', { class: 'hint' }, MEMBER_STATES[member.state].means),
    list,
  )
}

const entry = (happened, view, onSelect) => {
  const { tone, who, what, why, reasons } = tell(happened, view)
  const title = el('p', { class: 'what' })
  if (who !== undefined) {
    const name = el('button', { type: 'button', class: 'id', title: shown(who) }, shortId(who))
    name.addEventListener('click', () => onSelect(who))
    title.append(name, ' ')
  }
  title.append(what)
  const body = el('div', {}, title)
  if (why !== '') body.append(el('p', { class: 'why' }, why))
  if (reasons.length > 0) {
    body.append(
      el(
        'details',
        {},
        el('summary', {}, 'what was found'),
        el('ul', {}, ...reasons.map((reason) => el('li', {}, shown(reason)))),
      ),
    )
  }
  const at = new Date(happened.atMs)
  const time = el('time', Number.isNaN(at.getTime()) ? {} : { datetime: at.toISOString() }, clockTime(happened.atMs, view.nowMs))
  return el('li', { class: tone }, time, body)
}

const entries = (list, happened, view, onSelect, none) => {
  if (happened.length === 0) {
    list.replaceChildren(el('li', { class: 'none' }, none))
    return
  }
  keep(
    list,
    happened,
    ({ number }) => String(number),
    (each) => entry(each, view, onSelect),
  )
}

export const drawHappened = (view, onSelect) => {
  entries(
    byId('happened'),
    view.happened.filter(({ kind, outcome }) => kind !== 'join' || outcome === 'admitted'),
    view,
    onSelect,
    'Nothing yet since this node started.',
  )
  entries(
    byId('refused'),
    view.happened.filter(({ kind, outcome }) => kind === 'join' && outcome !== 'admitted'),
    view,
    onSelect,
    'Nobody was refused.',
  )
  const totals = drawJoins(byId('chart'), view.joins, view.nowMs)
  const names = { admitted: 'let in', refused: 'refused', failed: 'broken off' }
  keep(
    byId('join-totals'),
    Object.entries(totals),
    ([kind, count]) => `${kind} ${count}`,
    ([kind, count]) => el('li', { class: kind }, `${count} ${names[kind]}`),
  )
}

export const drawPolicy = ({ status }) =>
  keep(
    byId('policy'),
    (status.policy?.words ?? ['not known before this node is a member']).map((line) => [line.startsWith(INSECURE), shown(line)]),
    ([insecure, line]) => `${insecure}${line}`,
    ([insecure, line]) => el('li', insecure ? { class: 'bad' } : {}, line),
  )

export const drawNode = ({ status, quote, version, startedMs, nowMs }) => {
  const { genesis, apps } = status
  pairs(byId('node'), [
    ['Peer id', status.peerId === null ? 'not known yet' : shown(status.peerId)],
    ['Quotes by', status.tee === 'tdx' ? 'Intel TDX' : status.tee === null ? '–' : `${shown(status.tee)}: no protection`],
    ...status.addresses.map((address) => ['Listens at', shown(address)]),
    ...(genesis === null || genesis === undefined
      ? []
      : [
          [
            'Cluster made',
            `${clockTime(Date.parse(genesis.createdAt), nowMs)}${genesis.publicSince === null ? ', by its own word' : ''}`,
          ],
        ]),
    ...(genesis?.publicSince ? [['Public since', clockTime(Date.parse(genesis.publicSince), nowMs)]] : []),
    ...apps.map(({ name, appId }) => ['App', `${shown(name)} (${shown(appId).slice(0, 12)}…)`]),
    ['Running since', clockTime(startedMs, nowMs)],
  ])
  pairs(
    byId('quote'),
    Object.entries(quote ?? { quote: 'none yet' }).map(([name, value]) => [shown(name), shown(value)]),
  )
  setText(byId('footer'), `dstack-mesh ${shown(version)}`)
  setText(byId('verify'), `npx dstack-mesh verify ${location.origin}/ --cluster ${shown(status.cluster ?? 'G…')}`)
}

/** What a table is by its tags alone, some browsers forget where the layout makes cards of its rows. */
const ROLES = { table: 'table', 'thead, tbody': 'rowgroup', 'thead tr': 'row', th: 'columnheader' }

export const drawStill = () => {
  for (const [selector, role] of Object.entries(ROLES))
    for (const node of document.querySelectorAll(selector)) node.setAttribute('role', role)
  // What scrolls must be reached by keyboard, too.
  for (const node of document.querySelectorAll('.scroll, .happened, #quote')) node.tabIndex = 0
  byId('own-quote').open = matchMedia('(min-width: 60rem)').matches
  byId('glossary').replaceChildren(...GLOSSARY.map(([word, means]) => el('div', {}, el('dt', {}, word), el('dd', {}, means))))
  const { active, unreachable, lapsed, leaving } = MEMBER_STATES
  byId('legend').replaceChildren(
    ...[active, unreachable, lapsed, leaving].map(({ name, tone, means }) => el('li', { class: tone, title: means }, name)),
  )
}
