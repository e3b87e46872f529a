/** Messages of a simulated world carried as a real bus carries them: as text, and checked against their schemas. */
import type { Body } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"

const codec = new MessageCodec()

/** For `WorldOptions.carry`. Throws for a body that a process would reject. */
export function carried(body: Body): Body {
  const decoded = codec.decode(JSON.parse(JSON.stringify(codec.encode(body))) as Json)
  if (decoded.body === undefined) throw new Error(`rejected${decoded.rejection.field}: ${decoded.rejection.reason}`)
  return decoded.body
}
