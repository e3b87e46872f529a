/* Firmware: what S-mode cannot do by itself it asks of the machine below, with the same instruction by which a process asks us. */
#include "kernel.h"

#define EXTENSION_TIME 0x54494d45
#define EXTENSION_IPI 0x735049
#define EXTENSION_HART 0x48534d
#define EXTENSION_RESET 0x53525354

static int64_t sbi(uint64 extension, uint64 function, uint64 first, uint64 second, uint64 third) {
  register uint64 a0 __asm__("a0") = first;
  register uint64 a1 __asm__("a1") = second;
  register uint64 a2 __asm__("a2") = third;
  register uint64 a6 __asm__("a6") = function;
  register uint64 a7 __asm__("a7") = extension;
  __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
  return (int64_t)a0;
}

void sbi_set_timer(uint64 when) { sbi(EXTENSION_TIME, 0, when, 0, 0); }
void sbi_send_interrupt(uint64 hart_id) { sbi(EXTENSION_IPI, 0, 1, hart_id, 0); }
int sbi_start_hart(uint64 hart_id, uint64 entry, uint64 argument) { return sbi(EXTENSION_HART, 0, hart_id, entry, argument) == 0; }

static void reset(int kind, int reason) {
  sbi(EXTENSION_RESET, 0, kind, reason, 0);
  for (;;) __asm__ volatile("wfi");
}
void sbi_power_off(int failed) {
  reset(0, failed);
  __builtin_unreachable();
}
void sbi_restart(void) {
  reset(1, 0);
  __builtin_unreachable();
}
