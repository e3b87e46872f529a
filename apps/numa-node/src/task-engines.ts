/** What the CPUs of a node run: synthetic jobs, RV64 guests and the vCPUs of VMs. Here engine, board and images come together; no library may join them. */
import { createHash } from "node:crypto"
import { RAW_BYTES } from "@backplane/foundation-runtime/raw-bytes"
import { TrapRing } from "@backplane/foundation-telemetry/trap-ring"
import type { EngineOptions } from "@backplane/compute-contract/engine"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import type { TaskEngines } from "@backplane/compute-node/task-works"
import { machineSpaces } from "@backplane/memory-agent/machine-spaces"
import { SyntheticEngine } from "@backplane/compute-synthetic/synthetic-engine"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { VmHostPlace } from "@backplane/trap-contract/vm-host"
import { GuestEngine } from "@backplane/trap-guest/guest-engine"
import { NodeVms } from "@backplane/trap-vm-host/node-vms"
import { swapFile } from "./swap-file.ts"

/** Exits that a node remembers of each of its VMs: the last ones, 48 bytes each. */
const RING_RECORDS = 256

/** `swapFolder`: where pages of VMs lie that have no frame; null: in memory. */
export function taskEngines(spec: MachineSpec, place: VmHostPlace, swapFolder: string | null): TaskEngines {
  const parts = {
    makeEngine: (options: EngineOptions) => new WasmEngine(options),
    readImage: readGuestImage,
    decodeText: (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8"),
    makeRing: () => new TrapRing(RING_RECORDS),
    makeSwap: (slots: number) => swapFile({ folder: swapFolder, name: `node.${place.node}.swap`, slots }),
    makeSpaces: () => machineSpaces(spec, place.node, RAW_BYTES),
    digest: (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex"),
  }
  return { jobs: new SyntheticEngine(spec.cache), guests: new GuestEngine(parts), vms: new NodeVms(spec, place, parts) }
}
