/**
 * The subjects of the back plane.
 *
 * `bp.<machine>.<toKind>.<toIndex>.<fromKind>.<fromIndex>` carries one actor's messages to another. The sender stands in
 * the subject because NATS permissions are about subjects: a service may publish only under the kinds it hosts, so
 * nobody can speak in another's name (infra/nats). An actor's name has one dot, so both ends fit in as they are.
 */
import { isActorId, type ActorId } from "@backplane/foundation-actor/actor-id"

/** Where `from` publishes what is for `to`. */
export function subjectOf(machine: string, to: ActorId, from: ActorId): string {
  return `bp.${machine}.${to}.${from}`
}

/** All that is for one actor, whoever sends it. */
export function inboxSubject(machine: string, actor: ActorId): string {
  return `bp.${machine}.${actor}.>`
}

/** The sender that a subject names, or null where the subject is none of ours. */
export function senderOf(subject: string): ActorId | null {
  const tokens = subject.split(".")
  if (tokens.length !== 6 || tokens[0] !== "bp") return null
  const from = `${tokens[4] ?? ""}.${tokens[5] ?? ""}`
  return isActorId(from) ? from : null
}

export function aliveSubject(service: string): string {
  return `bp.ctl.alive.${service}`
}

export function hostSubject(instance: string): string {
  return `bp.ctl.host.${instance}`
}

/** Where answers to a NATS user's requests come: each user has its own prefix, which its permissions name (infra/nats). */
export function inboxPrefix(user: string): string {
  return `_INBOX_${user.replaceAll("-", "_")}`
}
