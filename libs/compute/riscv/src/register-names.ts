/** Names of registers (calling convention of the psABI) and of CSRs (privileged manual, CSR listing) for people. */

// prettier-ignore
export const REGISTER_NAMES: readonly string[] = [
  "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
  "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
]

const CSR_NAMES: Readonly<Record<number, string>> = {
  0xc00: "cycle", 0xc01: "time", 0xc02: "instret",
  0x100: "sstatus", 0x104: "sie", 0x105: "stvec", 0x106: "scounteren", 0x10a: "senvcfg",
  0x140: "sscratch", 0x141: "sepc", 0x142: "scause", 0x143: "stval", 0x144: "sip", 0x14d: "stimecmp", 0x180: "satp",
  0x300: "mstatus", 0x301: "misa", 0x302: "medeleg", 0x303: "mideleg", 0x304: "mie", 0x305: "mtvec", 0x306: "mcounteren", 0x30a: "menvcfg",
  0x320: "mcountinhibit", 0x340: "mscratch", 0x341: "mepc", 0x342: "mcause", 0x343: "mtval", 0x344: "mip",
  0x3a0: "pmpcfg0", 0x3a2: "pmpcfg2", 0x3b0: "pmpaddr0", 0xb00: "mcycle", 0xb02: "minstret",
  0xf11: "mvendorid", 0xf12: "marchid", 0xf13: "mimpid", 0xf14: "mhartid",
} // prettier-ignore

/** Its name, or the number in hex. */
export function csrName(csr: number): string {
  return CSR_NAMES[csr] ?? `0x${csr.toString(16)}`
}
