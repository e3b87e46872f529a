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
const DISCO = "Bugnion, Devine, Rosenblum, Disco, SOSP 1997"

/** No copy of the papers was at hand when these were written down: tables and rows are named so that they can be looked up, and till then they are approximate. */
export const PUBLISHED_NOTE = "quoted without a copy of the papers at hand: approximate"

/** lmbench: Linux 2.4.21 on one CPU beside its port to Xen, or beside itself under VMware Workstation; µs. */
function lmbench(
  { table, column }: { readonly table: number; readonly column: string },
  operation: string,
  [native, xen, vmware]: readonly [number, number, number],
): readonly Published[] {
  const source = `${XEN}, table ${table}, column "${column}", rows L-UP, Xen, VMW`
  const row = (system: Published["system"], virtualised: number): Published => ({
    ...{ system, operation, native, virtualised, source },
    ratio: Math.round((virtualised / native) * 100) / 100,
  })
  return [row("Xen", xen), row("VMware Workstation 3.2", vmware)]
}

/** A service of IRIX on Disco: how much slower, and what took the time natively. */
function disco(operation: string, { service, ratio }: { readonly service: string; readonly ratio: number }): Published {
  const source = `${DISCO}, table 2 (pmake), row ${service}, column "slowdown on Disco"`
  return { system: "Disco", operation, native: null, virtualised: null, ratio, source }
}

export const PUBLISHED: readonly Published[] = [
  ...lmbench({ table: 3, column: "null call" }, "null call", [0.45, 0.46, 0.73]),
  ...lmbench({ table: 3, column: "fork proc" }, "fork-like", [110, 198, 874]),
  ...lmbench({ table: 4, column: "2p/0K" }, "context switch", [0.77, 1.97, 18.1]),
  ...lmbench({ table: 5, column: "page fault" }, "page fault", [1.42, 2.73, 12.4]),
  disco("demand-zero page fault", { service: "DEMAND_ZERO", ratio: 1.42 }),
  disco("quick fault", { service: "QUICK_FAULT", ratio: 3.17 }),
  disco("TLB miss", { service: "UTLB_MISS", ratio: 1.35 }),
  disco("exec", { service: "execve", ratio: 1.6 }),
]
