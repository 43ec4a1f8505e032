// Where the dots stand: this node in the middle, the others on rings around it, each ring as crowded as the next.

/** How many stand on the first ring; the k-th has k times as many. */
const FIRST_RING = 8

/**
 * Positions for `count` dots, from the middle outwards: { x, y } with the outermost ring at distance 1, and the number of rings.
 */
export const ringLayout = (count) => {
  if (count === 0) return { rings: 0, places: [] }
  const rest = count - 1
  let rings = 0
  for (let room = 0; room < rest; ) room += FIRST_RING * ++rings
  const capacity = (FIRST_RING * rings * (rings + 1)) / 2
  // Two are side by side; of more, this node is in the middle.
  if (count === 2)
    return {
      rings,
      places: [
        { x: -0.5, y: 0 },
        { x: 0.5, y: 0 },
      ],
    }
  const places = [{ x: 0, y: 0 }]
  let placed = 0
  for (let ring = 1; ring <= rings; ring++) {
    // Each ring takes its share, so that the outermost is not left with three.
    const share = ring === rings ? rest - placed : Math.round((rest * FIRST_RING * ring) / capacity)
    const distance = rings === 1 ? 0.82 : 0.24 + (0.76 * ring) / rings
    for (let i = 0; i < share; i++) {
      const turned = rings === 1 ? (share % 2 === 0 ? 0.5 : 0) : (ring % 2) / 2
      const angle = ((i + turned) / share) * 2 * Math.PI - Math.PI / 2
      places.push({ x: Math.cos(angle) * distance, y: Math.sin(angle) * distance })
    }
    placed += share
  }
  return { rings, places }
}

/** The radius of a dot for so many of them, in a picture whose shorter half side is `half` pixels. */
export const dotRadius = (rings, half) => Math.max(3, Math.min(9, (half / (rings + 1)) * 0.2))
