/** Figures that others published of the same operations, to be read beside ours: ratios to their own native system, and where from. */
export interface Published {
  readonly system: "Xen" | "VMware Workstation 3.2" | "Disco"
  readonly operation: string
  /** What the paper gives, in µs; null where it gives the ratio only. */
  readonly native: number | null
  readonly virtualised: number | null
  readonly ratio: number
  readonly source: string
}

const XEN = "Barham et al., Xen and the Art of Virtualization, SOSP 2003"
const DISCO = "Bugnion, Devine, Rosenblum, Disco, SOSP 1997, table 2 (pmake)"

/** lmbench: Linux 2.4.21 on one CPU beside its port to Xen, or beside itself under VMware Workstation; µs. */
function lmbench(table: number, operation: string, [native, xen, vmware]: readonly [number, number, number]): readonly Published[] {
  const source = `${XEN}, table ${table}`
  const row = (system: Published["system"], virtualised: number): Published => ({
    ...{ system, operation, native, virtualised, source },
    ratio: Math.round((virtualised / native) * 100) / 100,
  })
  return [row("Xen", xen), row("VMware Workstation 3.2", vmware)]
}

/** A service of IRIX on Disco: how much slower, and what took the time natively. */
function disco(operation: string, ratio: number): Published {
  return { system: "Disco", operation, native: null, virtualised: null, ratio, source: DISCO }
}

export const PUBLISHED: readonly Published[] = [
  ...lmbench(3, "null call", [0.45, 0.46, 0.73]),
  ...lmbench(3, "fork-like", [110, 198, 874]),
  ...lmbench(4, "context switch", [0.77, 1.97, 18.1]),
  ...lmbench(5, "page fault", [1.42, 2.73, 12.4]),
  disco("page fault", 1.42),
  disco("quick fault", 3.17),
  disco("TLB miss", 1.35),
  disco("exec", 1.6),
]
