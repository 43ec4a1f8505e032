export { type Member, MemberTable } from './table.ts'
