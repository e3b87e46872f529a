/* Time: one counter for the whole machine, and for every hart one alarm. */
#include "kernel.h"

uint64 now(void) { return csr_read(time); }

/* Newer harts have a register for the alarm (Sstc); older ones ask firmware. Either way setting it takes back one that rang. */
void clock_set(uint64 when) {
  if (machine.has_stimecmp) csr_write(0x14d, when);
  else sbi_set_timer(when);
}

void clock_begin(void) {
  clock_set(NEVER);
  csr_write(sie, INTERRUPT_SOFTWARE | INTERRUPT_TIMER | INTERRUPT_EXTERNAL);
}
