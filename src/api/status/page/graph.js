// The members as dots that move, on a canvas; drawn only while something moves.
import { dotRadius, ringLayout } from './layout.js'
import { shortId } from './text.js'

/** How fast a dot goes to its place: the share of the way that is left after a second. */
const LEFT_AFTER_S = 0.004
const FADE_MS = 600
const PULSE_MS = 1_400
const LABELS_MAX = 32
const MARGIN = 46

const mix = (from, to, share) => from + (to - from) * share

export class Graph {
  #canvas
  #context
  #onSelect
  #still
  #colours = {}
  #dots = new Map()
  #pulses = []
  #rings = 0
  #selected
  #hovered
  #frame = 0
  #lastMs = 0
  #width = 0
  #height = 0

  /** `still` tells whether the reader wants no motion. */
  constructor(canvas, { onSelect, still }) {
    this.#canvas = canvas
    this.#context = canvas.getContext('2d')
    this.#onSelect = onSelect
    this.#still = still
    new ResizeObserver(() => this.#resize()).observe(canvas)
    canvas.addEventListener('pointermove', (event) => this.#hover(this.#at(event)))
    canvas.addEventListener('pointerleave', () => this.#hover(undefined))
    canvas.addEventListener('click', (event) => this.#onSelect(this.#at(event)))
    canvas.addEventListener('keydown', (event) => this.#key(event))
    this.recolour()
  }

  /** After a change of theme. */
  recolour() {
    const style = getComputedStyle(this.#canvas)
    for (const name of ['ink', 'muted', 'line', 'good', 'warn', 'bad', 'off', 'calm', 'surface']) {
      this.#colours[name] = style.getPropertyValue(`--${name}`).trim()
    }
    this.#mono = style.getPropertyValue('--mono')
    this.#redraw()
  }
  #mono = 'monospace'

  /** `members`: { id, tone, shape, issuer, issuedAt, life (0 to 1), self }, this node first. */
  update(members) {
    const { rings, places } = ringLayout(members.length)
    this.#rings = rings
    const seen = new Set()
    for (const [index, member] of members.entries()) {
      seen.add(member.id)
      const place = places[index]
      const dot = this.#dots.get(member.id)
      if (dot === undefined) {
        this.#dots.set(member.id, { ...member, x: place.x * 0.4, y: place.y * 0.4, to: place, alpha: 0, wanted: 1 })
        continue
      }
      if (dot.issuedAt !== member.issuedAt && member.issuer !== member.id && !this.#still()) {
        this.#pulses.push({ from: member.issuer, to: member.id, atMs: performance.now() })
      }
      Object.assign(dot, member, { to: place, wanted: 1 })
    }
    for (const [id, dot] of this.#dots) if (!seen.has(id)) dot.wanted = 0
    this.#redraw()
  }

  select(id) {
    this.#selected = id
    this.#redraw()
  }

  #living() {
    return [...this.#dots.values()].filter((dot) => dot.wanted === 1)
  }

  #key(event) {
    const ids = this.#living().map((dot) => dot.id)
    if (ids.length === 0) return
    const at = ids.indexOf(this.#selected)
    const to = {
      ArrowRight: at + 1,
      ArrowDown: at + 1,
      ArrowLeft: at < 0 ? ids.length - 1 : at - 1,
      ArrowUp: at < 0 ? ids.length - 1 : at - 1,
      Home: 0,
      End: ids.length - 1,
    }[event.key]
    if (event.key === 'Escape') this.#onSelect(undefined)
    else if (to === undefined) return
    else this.#onSelect(ids[(to + ids.length) % ids.length])
    event.preventDefault()
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#canvas
    const scale = Math.min(2, window.devicePixelRatio || 1)
    this.#width = clientWidth
    this.#height = clientHeight
    this.#canvas.width = Math.round(clientWidth * scale)
    this.#canvas.height = Math.round(clientHeight * scale)
    this.#context.setTransform(scale, 0, 0, scale, 0, 0)
    this.#draw(performance.now())
  }

  #spot(dot) {
    const half = { x: this.#width / 2, y: this.#height / 2 }
    // Wider than high where there is room, but never so that rings look like lines.
    const reach = { x: Math.min(half.x - MARGIN, (half.y - MARGIN) * 1.9), y: half.y - MARGIN }
    return { x: half.x + dot.x * reach.x, y: half.y + dot.y * reach.y, reach }
  }

  #at(event) {
    let best
    let nearest = 22 ** 2
    for (const dot of this.#living()) {
      const { x, y } = this.#spot(dot)
      const distance = (x - event.offsetX) ** 2 + (y - event.offsetY) ** 2
      if (distance < nearest) [best, nearest] = [dot.id, distance]
    }
    return best
  }

  #hover(id) {
    if (id === this.#hovered) return
    this.#hovered = id
    this.#canvas.classList.toggle('over', id !== undefined)
    this.#redraw()
  }

  #redraw() {
    if (this.#frame === 0) this.#frame = requestAnimationFrame((ms) => this.#tick(ms))
  }

  #tick(ms) {
    this.#frame = 0
    const passed = Math.min(64, ms - this.#lastMs)
    this.#lastMs = ms
    const moving = this.#move(passed)
    this.#draw(performance.now())
    if (moving) this.#redraw()
  }

  /** Brings every dot nearer to where it belongs; whether one still is on its way. */
  #move(passedMs) {
    const share = this.#still() ? 1 : 1 - LEFT_AFTER_S ** (passedMs / 1000)
    let moving = this.#pulses.length > 0
    for (const [id, dot] of this.#dots) {
      dot.x = mix(dot.x, dot.to.x, share)
      dot.y = mix(dot.y, dot.to.y, share)
      const fade = this.#still() ? 1 : passedMs / FADE_MS
      dot.alpha = dot.wanted > dot.alpha ? Math.min(dot.wanted, dot.alpha + fade) : Math.max(dot.wanted, dot.alpha - fade)
      if (dot.alpha === 0 && dot.wanted === 0) this.#dots.delete(id)
      else if (dot.alpha !== dot.wanted || Math.abs(dot.x - dot.to.x) + Math.abs(dot.y - dot.to.y) > 0.0015) moving = true
    }
    return moving
  }

  #draw(nowMs) {
    const context = this.#context
    context.clearRect(0, 0, this.#width, this.#height)
    if (this.#width === 0) return
    const radius = dotRadius(this.#rings, Math.min(this.#width, this.#height) / 2 - MARGIN)
    this.#drawEdges(context)
    this.#drawPulses(context, nowMs)
    const labels = this.#dots.size <= LABELS_MAX && this.#width > 440
    for (const dot of this.#dots.values()) this.#drawDot(context, dot, radius, labels)
    for (const id of new Set([this.#hovered, this.#selected])) {
      const dot = this.#dots.get(id)
      if (dot !== undefined) this.#drawLabel(context, dot, radius, true)
    }
  }

  #curve(context, from, to) {
    const a = this.#spot(from)
    const b = this.#spot(to)
    // Bent towards the middle, so that lines of one ring do not lie on it.
    const bend = { x: mix((a.x + b.x) / 2, this.#width / 2, 0.22), y: mix((a.y + b.y) / 2, this.#height / 2, 0.22) }
    context.moveTo(a.x, a.y)
    context.quadraticCurveTo(bend.x, bend.y, b.x, b.y)
    return { a, b, bend }
  }

  #drawEdges(context) {
    const chosen = this.#hovered ?? this.#selected
    context.lineWidth = 1
    for (const highlighted of [false, true]) {
      context.beginPath()
      for (const dot of this.#dots.values()) {
        const issuer = this.#dots.get(dot.issuer)
        if (issuer === undefined || issuer === dot) continue
        if ((dot.id === chosen || issuer.id === chosen) === highlighted) this.#curve(context, issuer, dot)
      }
      context.strokeStyle = highlighted ? this.#colours.good : this.#colours.muted
      context.globalAlpha = highlighted ? 0.9 : Math.max(0.14, 0.4 - this.#dots.size / 500)
      context.stroke()
    }
    context.globalAlpha = 1
  }

  #drawPulses(context, nowMs) {
    this.#pulses = this.#pulses.filter(({ atMs }) => nowMs - atMs < PULSE_MS)
    for (const { from, to, atMs } of this.#pulses) {
      const issuer = this.#dots.get(from)
      const dot = this.#dots.get(to)
      if (issuer === undefined || dot === undefined) continue
      const t = (nowMs - atMs) / PULSE_MS
      context.beginPath()
      const { a, b, bend } = this.#curve(context, issuer, dot)
      const at = (name) => (1 - t) ** 2 * a[name] + 2 * (1 - t) * t * bend[name] + t ** 2 * b[name]
      context.globalAlpha = 1 - t ** 3
      context.beginPath()
      context.arc(at('x'), at('y'), 3, 0, 2 * Math.PI)
      context.fillStyle = this.#colours.good
      context.fill()
    }
    context.globalAlpha = 1
  }

  #drawDot(context, dot, radius, labels) {
    const { x, y } = this.#spot(dot)
    const colour = this.#colours[dot.tone]
    const size = (dot.self ? radius * 1.45 : radius) * (0.4 + 0.6 * dot.alpha)
    const ring = size + Math.max(2.5, radius * 0.55)
    context.globalAlpha = dot.alpha
    context.fillStyle = this.#colours.surface
    context.beginPath()
    context.arc(x, y, ring + 1.5, 0, 2 * Math.PI)
    context.fill()
    context.lineWidth = Math.max(1.5, radius * 0.28)
    context.strokeStyle = this.#colours.line
    context.stroke()
    context.beginPath()
    context.arc(x, y, ring + 1.5, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * dot.life)
    context.strokeStyle = colour
    context.stroke()
    context.beginPath()
    context.arc(x, y, size, 0, 2 * Math.PI)
    context.fillStyle = colour
    // Not by colour alone: who does not answer is crossed out, who has lapsed dashed, who leaves hollow.
    if (dot.shape === undefined) context.fill()
    else {
      context.lineWidth = Math.max(1.5, radius * 0.3)
      context.setLineDash(dot.shape === 'hollow' ? [] : [3, 2.5])
      context.stroke()
      context.setLineDash([])
      if (dot.shape === 'crossed') {
        const arm = size * 0.5
        context.beginPath()
        context.moveTo(x - arm, y - arm)
        context.lineTo(x + arm, y + arm)
        context.moveTo(x + arm, y - arm)
        context.lineTo(x - arm, y + arm)
        context.stroke()
      }
    }
    if (dot.id === this.#selected) {
      context.beginPath()
      context.arc(x, y, ring + 6, 0, 2 * Math.PI)
      context.lineWidth = 2
      context.strokeStyle = this.#colours.ink
      context.stroke()
    }
    if (labels) this.#drawLabel(context, dot, radius, false)
    context.globalAlpha = 1
  }

  #drawLabel(context, dot, radius, strong) {
    const { x, y } = this.#spot(dot)
    const text = dot.self ? 'this node' : shortId(dot.id)
    context.font = `${strong ? 600 : 400} 11.5px ${this.#mono}`
    context.textAlign = 'center'
    context.textBaseline = 'top'
    const top = y + radius * (dot.self ? 2.3 : 1.9) + 7
    if (strong) {
      const width = context.measureText(text).width + 12
      context.fillStyle = this.#colours.surface
      context.beginPath()
      context.roundRect(x - width / 2, top - 4, width, 20, 5)
      context.fill()
    }
    context.fillStyle = strong ? this.#colours.ink : this.#colours.muted
    context.fillText(text, x, top)
  }
}
