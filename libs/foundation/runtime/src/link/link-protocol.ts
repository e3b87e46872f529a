/**
 * What two processes say over the bus to agree on a link (link-bus.ts).
 *
 * ```
 * X → Y  LinkOffer   { token }              I would rather talk to you directly
 * Y → X  LinkPlace   { token, host, port, path? }  connect there, and say the token first
 * both   LinkSwitch  { token }              my last word over the bus: what follows comes over the link
 * ```
 * The bus lets nobody speak in another's name, so who shows the token is who offered it. A token is good once and for three seconds.
 */
import type { Body } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import { isIP } from "node:net"
import type { BodyCodec } from "../body-codec.ts"

export interface LinkOffer extends Body {
  readonly kind: "LinkOffer"
  /** 32 hexadecimal digits. */
  readonly token: string
}

export interface LinkPlace extends Body {
  readonly kind: "LinkPlace"
  readonly token: string
  /** An IP address. */
  readonly host: string
  readonly port: number
  /**
   * On Linux, where `host` is loopback: name of an abstract socket of the same process, without its leading zero byte. Who can reach the one
   * can reach the other (both belong to the network namespace), and a message over it costs half as much. Who does not know it takes the port.
   */
  readonly path?: string
}

export interface LinkSwitch extends Body {
  readonly kind: "LinkSwitch"
  readonly token: string
}

export type LinkBody = LinkOffer | LinkPlace | LinkSwitch

export const TOKEN_LENGTH = 32
const TOKEN = /^[0-9a-f]{32}$/
const PATH = /^[0-9a-z-]{1,80}$/
const KINDS: ReadonlySet<string> = new Set(["LinkOffer", "LinkPlace", "LinkSwitch"])

export function isLinkBody(body: Body): body is LinkBody {
  return KINDS.has(body.kind)
}

/** `codec` for the contracts' bodies, and a check of our own for those of links. */
export function withLinks(codec: BodyCodec): BodyCodec {
  return {
    ...(codec.packer === undefined ? {} : { packer: codec.packer }),
    decode(value) {
      const kind = fieldOf(value, "kind")
      if (typeof kind !== "string" || !KINDS.has(kind)) return codec.decode(value)
      const field = wrongField(value)
      return field === null ? { body: value as unknown as Body } : { rejection: { field, reason: `${kind} needs it` } }
    },
    encode: (body) => (isLinkBody(body) ? (body as unknown as Json) : codec.encode(body)),
  }
}

function wrongField(value: Json): string | null {
  const token = fieldOf(value, "token")
  if (typeof token !== "string" || !TOKEN.test(token)) return "/token"
  if (fieldOf(value, "kind") !== "LinkPlace") return null
  const host = fieldOf(value, "host")
  if (typeof host !== "string" || isIP(host) === 0) return "/host"
  const path = fieldOf(value, "path")
  if (path !== undefined && (typeof path !== "string" || !PATH.test(path))) return "/path"
  const port = fieldOf(value, "port")
  return Number.isInteger(port) && Number(port) > 0 && Number(port) < 65_536 ? null : "/port"
}

function fieldOf(value: Json, name: string): unknown {
  return value !== null && typeof value === "object" ? Reflect.get(value, name) : undefined
}
