/** What the CPUs of a node run: synthetic jobs, RV64 guests and the vCPUs of VMs. Here engine, board and images come together; no library may join them. */
import { createHash } from "node:crypto"
import type { EngineOptions } from "@backplane/compute-contract/engine"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { machineSpaces } from "@backplane/memory-agent/machine-spaces"
import { ContentSlots } from "@backplane/memory-controller/content-slots"
import { MemoryPageDevice } from "@backplane/memory-controller/page-device"
import type { TaskEngines } from "@backplane/compute-node/task-works"
import { SyntheticEngine } from "@backplane/compute-synthetic/synthetic-engine"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { VmHostPlace } from "@backplane/trap-contract/vm-host"
import { GuestEngine } from "@backplane/trap-guest/guest-engine"
import { NodeVms } from "@backplane/trap-vm-host/node-vms"

export function taskEngines(spec: MachineSpec, place: VmHostPlace): TaskEngines {
  const parts = {
    makeEngine: (options: EngineOptions) => new WasmEngine(options),
    readImage: readGuestImage,
    decodeText: (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8"),
    makeSwap: (slots: number) => new ContentSlots(new MemoryPageDevice(slots)),
    makeSpaces: () => machineSpaces(spec, place.node),
    digest: (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex"),
  }
  return { jobs: new SyntheticEngine(spec.cache), guests: new GuestEngine(parts), vms: new NodeVms(spec, place, parts) }
}
