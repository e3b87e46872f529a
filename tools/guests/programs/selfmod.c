/* Code that changes: written by stores and run after fence.i, patched in a loop, and loaded over old code as a kernel's exec does. */
#include "runtime.h"

#define ROUNDS 500
static uint32_t page[1024] __attribute__((aligned(4096)));
static int failures = 0;

static void check(const char *what, uint64_t seen, uint64_t wanted) {
  if (seen == wanted) return;
  failures++;
  put_text(what);
  put_text(": ");
  put_hex(seen);
  put_text(", not ");
  put_hex(wanted);
  put_byte('\n');
}

static uint32_t load_immediate(int value) { return (uint32_t)value << 20 | 0x00000513; } /* addi a0, zero, value */
#define RETURN 0x00008067u
#define NOP 0x00000013u
static uint64_t call(const uint32_t *code) { return ((uint64_t(*)(void))(uintptr_t)code)(); }

/* The same function, a new body each time. */
static void rewritten(void) {
  page[1] = RETURN;
  for (int i = 0; i < ROUNDS; i++) {
    page[0] = load_immediate(i);
    __asm__ volatile("fence.i" ::: "memory");
    check("rewritten", call(page), i);
  }
}

/* The instruction right behind the fence, in straight line. */
static void patched_ahead(void) {
  uint64_t sum = 0;
  for (int i = 0; i < ROUNDS; i++) {
    uint64_t value;
    __asm__ volatile(
        ".option push\n.option norvc\n.balign 4\n"
        "  la t0, patch_here\n  sw %1, 0(t0)\n  fence.i\n"
        ".globl patch_here\npatch_here: addi a0, zero, 0\n"
        "  mv %0, a0\n.option pop"
        : "=r"(value)
        : "r"(load_immediate(i))
        : "t0", "a0", "memory");
    sum += value;
  }
  check("patched ahead", sum, (uint64_t)ROUNDS * (ROUNDS - 1) / 2);
}

/* Half-word stores make and unmake instructions; the code lies across the middle of a 4-byte one. */
static void halves(void) {
  volatile uint16_t *half = (volatile uint16_t *)page;
  half[0] = 0x0001; /* c.nop */
  for (int i = 0; i < 32; i++) {
    half[1] = 0x4501 | (i & 31) << 2; /* c.li a0, i */
    half[2] = 0x8082;                 /* c.jr ra */
    __asm__ volatile("fence.i" ::: "memory");
    check("half words", call(page), i & 31);
  }
}

/* Three programs in turn in one page, loaded by copying, as if a disk had brought them. */
static const uint32_t programs[3][4] = {
    {NOP, NOP, 0x00100513, RETURN},                /* 1 */
    {0x00200513, NOP, 0x00150513, RETURN},         /* 2 + 1 */
    {0x00500513, 0x00251513, 0x00350513, RETURN},  /* (5 << 2) + 3 */
};

static void loaded(void) {
  const uint64_t wanted[3] = {1, 3, 23};
  for (int i = 0; i < ROUNDS; i++) {
    const uint8_t *from = (const uint8_t *)programs[i % 3];
    volatile uint8_t *to = (volatile uint8_t *)(page + 512);
    for (unsigned at = 0; at < sizeof programs[0]; at++) to[at] = from[at];
    __asm__ volatile("fence.i" ::: "memory");
    check("loaded", call(page + 512), wanted[i % 3]);
  }
}

int main(void) {
  rewritten();
  patched_ahead();
  halves();
  loaded();
  if (failures == 0) put_text("selfmod: ok\n");
  return failures != 0;
}
