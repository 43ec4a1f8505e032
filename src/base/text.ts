// Controls, surrogates and invisible format marks (direction of text among them), and what some take for the end of a line;
// but for tab and newline: what a peer or a file sends must not move the cursor.
const UNSAFE = /[\p{Zl}\p{Zp}]|[^\P{C}\t\n]/gu

/** Text from outside, safe to show on a terminal. */
export const safe = (text: string): string =>
  text.replace(UNSAFE, (char) => `\\u${char.codePointAt(0)!.toString(16).padStart(4, '0')}`)

const asJsonEscapes = (char: string): string =>
  Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')

/** JSON text in which what could move a cursor is escaped, which changes nothing for who parses it. */
export const safeJson = (json: string): string => json.replace(UNSAFE, asJsonEscapes)
