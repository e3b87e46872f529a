/** All data types by name. */
import type { CrdtName } from "@backplane/kv-contract/versions"
import type { CrdtType } from "./crdt-type.ts"
import { flag } from "./flag/flag.ts"
import { gCounter } from "./g-counter/g-counter.ts"
import { lwwRegister } from "./lww-register/lww-register.ts"
import { mvRegister } from "./mv-register/mv-register.ts"
import { orMap } from "./or-map/or-map.ts"
import { orSet } from "./or-set/or-set.ts"
import { pnCounter } from "./pn-counter/pn-counter.ts"

const TYPES: Readonly<Record<CrdtName, CrdtType>> = {
  "g-counter": gCounter,
  "pn-counter": pnCounter,
  "lww-register": lwwRegister,
  "mv-register": mvRegister,
  "or-set": orSet,
  flag,
  "or-map": orMap,
}

export function crdtType(name: CrdtName): CrdtType {
  return TYPES[name]
}
