// Joins minute by minute: bars of admitted, refused and failed.

const SVG = 'http://www.w3.org/2000/svg'
const MINUTES = 60
const MINUTE_MS = 60_000
const WIDTH = 600
const HEIGHT = 96
const KINDS = ['admitted', 'refused', 'failed']

const shape = (name, attributes) => {
  const node = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value))
  return node
}

/** Draws into an <svg>; returns the sums of the hour. */
export const drawJoins = (svg, minutes, nowMs) => {
  const totals = { admitted: 0, refused: 0, failed: 0 }
  const bars = Array.from({ length: MINUTES }, () => ({ admitted: 0, refused: 0, failed: 0 }))
  const thisMinute = Math.floor(nowMs / MINUTE_MS)
  for (const minute of minutes) {
    const bar = bars[MINUTES - 1 - (thisMinute - Math.floor(minute.atMs / MINUTE_MS))]
    if (bar === undefined) continue
    for (const kind of KINDS) {
      bar[kind] += minute[kind]
      totals[kind] += minute[kind]
    }
  }
  const most = Math.max(4, ...bars.map((bar) => bar.admitted + bar.refused + bar.failed))
  const step = WIDTH / MINUTES
  const parts = [shape('line', { x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: 'axis' })]
  for (const [index, bar] of bars.entries()) {
    let top = HEIGHT - 1
    for (const kind of KINDS) {
      if (bar[kind] === 0) continue
      const height = Math.max(3, (bar[kind] / most) * (HEIGHT - 4))
      top -= height
      parts.push(shape('rect', { x: index * step + 1, y: Math.max(0, top), width: step - 2, height, rx: 1.5, class: kind }))
    }
  }
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`)
  svg.replaceChildren(...parts)
  svg.setAttribute('aria-label', `Joins in the last hour: ${KINDS.map((kind) => `${totals[kind]} ${kind}`).join(', ')}`)
  return totals
}
