import type { Message } from './message.ts'
import { PLAIN_ROUTES } from './plain-routes.ts'
import { RPC_ROUTES } from './rpc-routes.ts'

const fields = (message: Message): string =>
  Object.entries(message)
    .map(([name, { type, repeated }]) => `\`${name}\` ${type}${repeated ? '[]' : ''}`)
    .join(', ')

/** The table of routes as Markdown, for the documentation: printed from what is served. */
export const describeRoutes = (): string => {
  const rows = [
    ...RPC_ROUTES.map((route) => [
      route.paths.map((path) => `\`${path}\``).join(' '),
      `GET, POST`,
      fields(route.request),
      fields(route.response),
      route.about,
    ]),
    ...PLAIN_ROUTES.map((route) => [`\`${route.path}\``, route.method, fields(route.request), route.answers, route.about]),
  ]
  const cells = (row: readonly string[]) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [cells(['path', 'method', 'request', 'answer', 'what it is']), cells(Array(5).fill('---')), ...rows.map(cells)].join(
    '\n',
  )
}
