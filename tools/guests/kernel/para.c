/* Chapter 12: what only a guest can do: tell the machine below what it could not see. The calls are those of libs/trap/vmm/para.md; they are
 * made only where the first of them is answered (other machines say "not supported"), and not with the boot argument `para=off`. */
#include "kernel.h"

#define EXTENSION 0x0a004250
enum { FEATURES = 0, YIELD = 1, CHANGE_TABLES = 2, ZERO_PAGE = 4, BALLOON_OUT = 5, BALLOON_IN = 6, SWITCH = 7, BALLOON_TARGET = 9 };

int para;
static int asks; /* it may ask for pages */

/* The error; `value`: what else came of it. */
static int64_t hypercall_for(uint64 function, uint64 first, uint64 second, uint64 *value) {
  register uint64 a0 __asm__("a0") = first;
  register uint64 a1 __asm__("a1") = second;
  register uint64 a6 __asm__("a6") = function;
  register uint64 a7 __asm__("a7") = EXTENSION;
  __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
  *value = a1;
  return (int64_t)a0;
}
static int64_t hypercall(uint64 function, uint64 first, uint64 second) {
  uint64 value;
  return hypercall_for(function, first, second, &value);
}

/* How many pages it would have us do without; below 0: it does not ask. */
int64_t para_balloon_target(void) {
  uint64 target;
  return asks && hypercall_for(BALLOON_TARGET, 0, 0, &target) == 0 ? (int64_t)target : -1;
}

void para_begin(void) {
  const char *wanted = boot_argument("para");
  int refused = wanted != 0 && text_equal(wanted, "off");
  uint64 features = 0;
  para = !refused && hypercall_for(FEATURES, 0, 0, &features) == 0;
  asks = para && (features >> BALLOON_TARGET & 1);
  para_balloon_target(); /* whoever asks is one that can be asked */
}

/* Somebody else of this machine may have something better to do, such as to give back the lock that is waited for. */
void para_yield(void) {
  if (para) hypercall(YIELD, -1, 0);
}
int para_zero_page(void *frame) { return hypercall(ZERO_PAGE, physical(frame), 0) == 0; }
int para_change_tables(const void *list, int count) { return hypercall(CHANGE_TABLES, physical(list), count) == 0; }
void para_switch(uint64 satp) { hypercall(SWITCH, satp, 1); }
/* How many of the list, from its beginning. */
int para_balloon(void *list, int count, int out) {
  uint64 done;
  hypercall_for(out ? BALLOON_OUT : BALLOON_IN, physical(list), count, &done);
  return (int)done;
}
