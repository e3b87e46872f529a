/** All messages of the key-value subsystem by kind: for validation at the edge and for the catalogue. */
import { KvAsk, KvTell } from "./client-messages.ts"
import { KvPeer } from "./peer-items.ts"

export const kvMessages = { KvAsk, KvTell, KvPeer } as const

export type KvMessage = KvAsk | KvTell | KvPeer
