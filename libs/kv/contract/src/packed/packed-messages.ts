/**
 * The messages of every read and write as bytes: what a store says thousands of times a second, between programs that both know this form.
 *
 * Only a form: what is read fits the schemas as JSON that was checked does, and the machines see no difference. It is no version of the contract. Who
 * reads it says so on the link (foundation/runtime), and all else, and every message that has something rare in it, goes as JSON. A field that is added to one of
 * these schemas does not compile until it is packed, or named as one that is not (`AllFields`).
 *
 * ```
 * byte 0  form: 1
 * byte 1  1 KvAsk, 2 KvTell, 3 KvPeer
 * 2…      its fields in order (packed-client.ts, packed-peer.ts)
 * ```
 */
import { NotPacked, type PackReader, type PackWriter } from "@backplane/foundation-base/packed-bytes"
import type { KvAsk, KvTell } from "../client-messages.ts"
import type { KvPeer } from "../peer-items.ts"
import { readAsk, readTell, writeAsk, writeTell } from "./packed-client.ts"
import { readPeer, writePeer } from "./packed-peer.ts"

const FORM = 1
const ASK = 1
const TELL = 2
const PEER = 3

export type PackedMessage = KvAsk | KvTell | KvPeer

/** False where the body goes as JSON; what was written then is to be forgotten. */
export function writeMessage(writer: PackWriter, body: { readonly kind: string }): boolean {
  switch (body.kind) {
    case "KvAsk":
      return begun(writer, ASK) && writeAsk(writer, body as KvAsk)
    case "KvTell":
      return begun(writer, TELL) && writeTell(writer, body as KvTell)
    case "KvPeer":
      return begun(writer, PEER) && writePeer(writer, body as KvPeer)
    default:
      return false
  }
}

/** Throws `NotPacked` where it is none. */
export function readMessage(reader: PackReader): PackedMessage {
  if (reader.byte() !== FORM) throw new NotPacked("", "is packed in a form that is not known here")
  const body = readBody(reader)
  if (!reader.isAtEnd) throw new NotPacked("", "has more bytes than fields")
  return body
}

function readBody(reader: PackReader): PackedMessage {
  switch (reader.byte()) {
    case ASK:
      return readAsk(reader)
    case TELL:
      return readTell(reader)
    case PEER:
      return readPeer(reader)
    default:
      throw new NotPacked("/kind", "there is no such message")
  }
}

function begun(writer: PackWriter, kind: number): true {
  writer.byte(FORM)
  writer.byte(kind)
  return true
}
