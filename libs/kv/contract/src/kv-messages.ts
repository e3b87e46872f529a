/** All messages of the key-value subsystem by kind: for validation at the edge and for the catalogue. */
import { KvAsk, KvGone, KvTell } from "./client-messages.ts"
import { KvCompute, KvComputed } from "./compute-messages.ts"
import { KvReconcile, KvReconciled } from "./handler-messages.ts"
import { KvHello, KvPeer } from "./peer-items.ts"
import { KvChanged, KvWatch } from "./watch-messages.ts"

export const kvMessages = {
  KvAsk,
  KvTell,
  KvGone,
  KvHello,
  KvPeer,
  KvWatch,
  KvChanged,
  KvCompute,
  KvComputed,
  KvReconcile,
  KvReconciled,
} as const

export type KvMessage =
  KvAsk | KvTell | KvGone | KvHello | KvPeer | KvWatch | KvChanged | KvCompute | KvComputed | KvReconcile | KvReconciled
