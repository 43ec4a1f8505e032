// Text from other members is hostile: it reaches the page through textContent only, and what cannot be seen is shown.

/** Controls, format marks (direction of text among them), surrogates, private use, line and paragraph separators. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]/gu
/** More marks than these on one letter would cover the lines above and below. */
const PILED = /(\p{M}{2})\p{M}+/gu
const CHARS_MAX = 400

/** Text as it may be shown: what is invisible or moves other text stands there as its code. */
export const shown = (text) => {
  const all = String(text)
  const cut = all.length > CHARS_MAX ? `${all.slice(0, CHARS_MAX)}…` : all
  return cut.replace(UNSEEN, (char) => `\\u{${char.codePointAt(0).toString(16)}}`).replace(PILED, '$1…')
}

/** A peer id's last characters: its first ones are the same in all. */
export const shortId = (peerId) => {
  const all = shown(peerId)
  return all.length > 10 ? `…${all.slice(-6)}` : all
}

/** An element with attributes and children; a text child is text, whatever it holds. */
export const el = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, '')
    else if (value !== false && value !== undefined) node.setAttribute(name, value)
  }
  node.append(...children)
  return node
}

/** Sets text only where it is another: the page is not laid out again for nothing, and a selection stays. */
export const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text
}

/** Puts `make(item)` for each item into `parent`, keeping the element of an item that was there before (by `key`). */
export const keep = (parent, items, key, make, update) => {
  const old = new Map(Array.from(parent.children, (child) => [child.dataset.key, child]))
  let at = parent.firstElementChild
  for (const item of items) {
    const name = key(item)
    let child = old.get(name)
    old.delete(name)
    if (child === undefined) {
      child = make(item)
      child.dataset.key = name
    }
    update?.(child, item)
    if (child === at) at = at.nextElementSibling
    else parent.insertBefore(child, at)
  }
  for (const child of old.values()) child.remove()
}

/** `41 min`, `2 h 5 min`, `12 s`; never negative. */
export const duration = (ms) => {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} days`
}

const twoDigits = (number) => String(number).padStart(2, '0')

/** `12:03:04`, in the reader's time zone; with the date where it is another day. */
export const clockTime = (ms, nowMs = ms) => {
  const date = new Date(ms)
  if (Number.isNaN(date.getTime())) return '?'
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':')
  return date.toDateString() === new Date(nowMs).toDateString()
    ? time
    : `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())} ${time}`
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`
