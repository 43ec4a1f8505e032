// Listens to the node and draws what it says.
import { Graph } from './graph.js'
import {
  byId,
  drawDetail,
  drawFacts,
  drawHappened,
  drawHero,
  drawMembers,
  drawNode,
  drawPolicy,
  drawStill,
  lifeOf,
  prepare,
} from './sections.js'
import { clockTime, setText, shortId } from './text.js'
import { tell } from './words.js'

const POLL_MS = 5_000
/** How a dot is drawn whose member is not there as it should be. */
const SHAPES = { unreachable: 'crossed', lapsed: 'dashed', leaving: 'hollow' }
const SILENT_MS = 20_000

let raw
let selected
/** What to add to this machine's clock to get the node's. */
let aheadMs = 0
let heardMs = performance.now()
let newest = -1

const still = matchMedia('(prefers-reduced-motion: reduce)')
const dark = matchMedia('(prefers-color-scheme: dark)')
const nodeNow = () => Date.now() + aheadMs

const choose = (id) => {
  selected = id !== undefined && id === selected ? undefined : id
  graph.select(selected)
  redraw()
}
const graph = new Graph(byId('graph'), { onSelect: choose, still: () => still.matches })

const redraw = () => {
  if (raw === undefined) return
  const view = prepare(raw, nodeNow())
  drawHero(view)
  drawFacts(view)
  drawMembers(view, { selected, onSelect: choose })
  drawDetail(view, selected)
  return view
}

const drawAll = () => {
  const view = redraw()
  drawHappened(view, choose)
  drawPolicy(view)
  drawNode(view)
  const others = view.list.length - 1
  const silent = view.counts.unreachable
  byId('graph').setAttribute(
    'aria-label',
    `Graph: this node and ${others} other members${silent > 0 ? `, of which ${silent} do not answer` : ''}`,
  )
  graph.update(
    view.list.map((member) => ({
      id: member.peerId,
      tone: member.tone,
      shape: SHAPES[member.state],
      issuer: member.issuer,
      issuedAt: member.issuedAt,
      life: lifeOf(member, view.nowMs),
      self: member.self,
    })),
  )
  document.title = `${view.status.alarms.length > 0 ? '⚠ ' : ''}${view.memberCount} ${view.memberCount === 1 ? 'member' : 'members'} · dstack-mesh`
  announce(view)
}

/** For who does not see the page: the newest of what happened to members. */
const announce = (view) => {
  const [latest] = view.happened.filter(({ kind }) => kind === 'member' || kind === 'alarm')
  if (latest === undefined || latest.number <= newest) return
  const first = newest < 0
  newest = latest.number
  const { who, what } = tell(latest, view)
  if (!first) setText(byId('announce'), `${who === undefined ? '' : `Member ${shortId(who)} `}${what}`)
}

const take = (text) => {
  heard()
  raw = JSON.parse(text)
  drawAll()
}
const heard = () => {
  heardMs = performance.now()
  connection('good', 'live')
}
const connection = (tone, words) => {
  byId('live').className = `live ${tone}`
  setText(byId('live-words'), words)
}
const lost = () =>
  connection('bad', raw === undefined ? 'no answer' : `no answer since ${clockTime(Date.now() - (performance.now() - heardMs))}`)

/** Without a stream (the node has no place for another): asks now and then, and tries for a stream again. */
const poll = async () => {
  try {
    const response = await fetch('/view')
    if (!response.ok) throw new Error(String(response.status))
    const date = Date.parse(response.headers.get('date') ?? '')
    if (!Number.isNaN(date)) aheadMs = date - Date.now()
    take(await response.text())
  } catch {
    lost()
  }
  setTimeout(listen, POLL_MS)
}

const listen = () => {
  const events = new EventSource('/events')
  events.addEventListener('beat', ({ data }) => {
    aheadMs = Number(data) - Date.now()
    heard()
  })
  events.addEventListener('view', ({ data }) => take(data))
  events.addEventListener('error', () => {
    if (events.readyState === EventSource.CLOSED) void poll()
    else lost()
  })
}

const setTheme = (theme) => {
  document.documentElement.dataset.theme = theme
  graph.recolour()
}
const stored = () => {
  try {
    return localStorage.getItem('theme')
  } catch {
    return null
  }
}
byId('theme').addEventListener('click', () => {
  const now = document.documentElement.dataset.theme ?? (dark.matches ? 'dark' : 'light')
  const next = now === 'dark' ? 'light' : 'dark'
  setTheme(next)
  try {
    localStorage.setItem('theme', next)
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
})
if (stored() === 'dark' || stored() === 'light') setTheme(stored())
dark.addEventListener('change', () => graph.recolour())

byId('copy').addEventListener('click', async () => {
  const button = byId('copy')
  try {
    await navigator.clipboard.writeText(byId('cluster').textContent)
    setText(button, 'Copied')
  } catch {
    getSelection()?.selectAllChildren(byId('cluster'))
    setText(button, 'Selected')
  }
  setTimeout(() => setText(button, 'Copy'), 1_500)
})

drawStill()
listen()
// Time goes on between two views: what is left of credentials is drawn anew each second, while somebody looks.
setInterval(() => {
  if (performance.now() - heardMs > SILENT_MS) lost()
  if (!document.hidden) redraw()
}, 1_000)
