/* Chapter 12: what only a guest can do: tell the machine below what it could not see. The calls are those of libs/trap/vmm/para.md; they are
 * made only where the first of them is answered (other machines say "not supported"), and not with the boot argument `para=off`. */
#include "kernel.h"

#define EXTENSION 0x0a004250
enum { FEATURES = 0, YIELD = 1, CHANGE_TABLES = 2, ZERO_PAGE = 4, BALLOON_OUT = 5, BALLOON_IN = 6, SWITCH = 7 };

int para;

static int64_t hypercall(uint64 function, uint64 first, uint64 second) {
  register uint64 a0 __asm__("a0") = first;
  register uint64 a1 __asm__("a1") = second;
  register uint64 a6 __asm__("a6") = function;
  register uint64 a7 __asm__("a7") = EXTENSION;
  __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
  return (int64_t)a0;
}

void para_begin(void) {
  const char *wanted = boot_argument("para");
  int refused = wanted != 0 && text_equal(wanted, "off");
  para = !refused && hypercall(FEATURES, 0, 0) == 0;
}

/* Somebody else of this machine may have something better to do, such as to give back the lock that is waited for. */
void para_yield(void) {
  if (para) hypercall(YIELD, -1, 0);
}
int para_zero_page(void *frame) { return hypercall(ZERO_PAGE, physical(frame), 0) == 0; }
int para_change_tables(const void *list, int count) { return hypercall(CHANGE_TABLES, physical(list), count) == 0; }
void para_switch(uint64 satp) { hypercall(SWITCH, satp, 1); }
int para_balloon(void *list, int count, int out) { return hypercall(out ? BALLOON_OUT : BALLOON_IN, physical(list), count) == 0; }
