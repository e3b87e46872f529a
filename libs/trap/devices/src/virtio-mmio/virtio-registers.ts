/** Registers and bits of virtio-mmio. Virtio 1.2, sections 2.1 and 4.2.2. */
import type { QueueState } from "./split-queue.ts"

export const Register = {
  magic: 0x000,
  version: 0x004,
  device: 0x008,
  vendor: 0x00c,
  deviceFeatures: 0x010,
  deviceFeaturesSelect: 0x014,
  driverFeatures: 0x020,
  driverFeaturesSelect: 0x024,
  queueSelect: 0x030,
  queueSizeMax: 0x034,
  queueSize: 0x038,
  queueReady: 0x044,
  queueNotify: 0x050,
  interruptStatus: 0x060,
  interruptAcknowledge: 0x064,
  status: 0x070,
  descriptorsLow: 0x080,
  descriptorsHigh: 0x084,
  availableLow: 0x090,
  availableHigh: 0x094,
  usedLow: 0x0a0,
  usedHigh: 0x0a4,
  sharedLengthLow: 0x0b0,
  sharedLengthHigh: 0x0b4,
  configuration: 0x100,
} as const

export const MAGIC = 0x7472_6976
export const VERSION = 2
/** "QEMU": xv6 checks it. */
export const VENDOR = 0x554d_4551

export const Status = { acknowledge: 1, driver: 2, driverOk: 4, featuresOk: 8, needsReset: 64, failed: 128 } as const

export interface TransportState {
  readonly status: number
  readonly interruptStatus: number
  /** Which 32 feature bits the driver looks at. */
  readonly featureWord: number
  /** Which 32 feature bits the driver writes, and the bits that it took: words 0 and 1. */
  readonly driverWord: number
  readonly driverFeatures: readonly [number, number]
  /** Which queue the queue registers mean. */
  readonly selected: number
  readonly queues: readonly QueueState[]
}
