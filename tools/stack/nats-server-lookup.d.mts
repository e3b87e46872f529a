/** Types of nats-server-lookup.mjs. */
export type NatsServer =
  /** Somebody else's server: it is used, never started or stopped. */
  | { readonly kind: "running"; readonly url: string }
  | { readonly kind: "program"; readonly path: string }
  | { readonly kind: "docker"; readonly image: string }
  /** `installable`: a package would help; else a setting of the user's is wrong. */
  | { readonly kind: "missing"; readonly reason: string; readonly installable: boolean }

export const NATS_IMAGE: string
export function findNatsServer(env?: Readonly<Record<string, string | undefined>>): NatsServer
export function installHint(platform: string): string
export function dockerAnswers(): boolean
