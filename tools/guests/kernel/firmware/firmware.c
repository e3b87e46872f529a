/* The answers of firmware: as much of the supervisor binary interface 2.0 as our kernel asks for. */
#include <stdint.h>
#include "../layout.h"

typedef uint64_t uint64;
#define csr_read(name) ({ uint64 csr_value; __asm__ volatile("csrr %0, " #name : "=r"(csr_value)); csr_value; })
#define csr_write(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"((uint64)(value)) : "memory")
#define csr_set(name, value) __asm__ volatile("csrs " #name ", %0" ::"r"((uint64)(value)) : "memory")

#define UART ((volatile unsigned char *)0x10000000)
#define LINE_STATUS 5
#define CAN_SEND 0x20
#define FINISHER ((volatile uint32_t *)0x100000)
#define FINISH_WELL 0x5555
#define FINISH_FAILED 0x13333
#define FINISH_RESET 0x7777
#define SOFTWARE ((volatile uint32_t *)0x02000000) /* of the CLINT, a word for each hart */
#define SSIP (1 << 1)
#define CAUSE_CALL_FROM_S 9
#define CAUSE_SOFTWARE ((1ull << 63) | 3)

enum { CONSOLE = 1, TIME = 0x54494d45, IPI = 0x735049, HART = 0x48534d, RESET = 0x53525354 };
enum { SUCCESS = 0, NOT_SUPPORTED = -2, INVALID = -3, ALREADY = -6 };

volatile uint64 start_address[HARTS_MAX], start_argument[HARTS_MAX];

static int64_t send(uint64 mask, uint64 base) {
  for (int n = 0; n < HARTS_MAX; n++)
    if (mask >> n & 1 && base + n < HARTS_MAX) SOFTWARE[base + n] = 1;
  return SUCCESS;
}

static int64_t start(uint64 hart, uint64 address, uint64 argument) {
  if (hart >= HARTS_MAX) return INVALID;
  if (hart == 0 || start_address[hart] != 0) return ALREADY;
  start_argument[hart] = argument;
  __sync_synchronize(); /* the hart looks at the address */
  start_address[hart] = address;
  SOFTWARE[hart] = 1;
  return SUCCESS;
}

static void __attribute__((noreturn)) finish(uint64 kind, uint64 reason) {
  *FINISHER = kind != 0 ? FINISH_RESET : reason != 0 ? FINISH_FAILED : FINISH_WELL;
  for (;;) {}
}

static int64_t answer(uint64 extension, const uint64 *a) {
  switch (extension) {
    case CONSOLE:
      while (!(UART[LINE_STATUS] & CAN_SEND)) {}
      UART[0] = (unsigned char)a[0];
      return SUCCESS;
    case TIME: csr_write(0x14d, a[0]); return SUCCESS; /* stimecmp */
    case IPI: return send(a[0], a[1]);
    case HART: return a[6] == 0 ? start(a[0], a[1], a[2]) : NOT_SUPPORTED;
    case RESET: finish(a[0], a[1]);
    default: return NOT_SUPPORTED;
  }
}

/* `x`: registers by number. */
void machine_trapped(uint64 *x) {
  uint64 cause = csr_read(mcause);
  if (cause == CAUSE_SOFTWARE) {
    SOFTWARE[csr_read(mhartid)] = 0;
    csr_set(mip, SSIP); /* an interrupt of S-mode is made here: hardware has none for it */
  } else if (cause == CAUSE_CALL_FROM_S) {
    csr_write(mepc, csr_read(mepc) + 4);
    x[10] = (uint64)answer(x[17], x + 10);
  } else
    finish(0, 1);
}
