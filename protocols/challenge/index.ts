export * from './constants.ts'
export { challengeBinding, keepsNew, type Parties } from './exchange.ts'
export type { AnswerOutcome, MemberRole } from './member.ts'
export { judgeRevocation, type RevocationFault, type RevocationReader, type RevocationVerdict } from './revocation.ts'
export {
  type ChallengeRoles,
  Challenges,
  type ChallengesComponents,
  type ChallengesInit,
  challenges,
  NoStandingError,
} from './service.ts'
export type { ChallengeTimer } from './timer.ts'
export type { ChallengeOutcome, Standing, VerifierRole } from './verifier.ts'
