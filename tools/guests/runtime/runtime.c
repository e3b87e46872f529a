/* Console by polling, outcome through the test finisher. No C library. */
#include "runtime.h"

void put_byte(int byte) {
  volatile uint8_t *uart = (volatile uint8_t *)(uintptr_t)UART;
  while ((uart[5] & 0x20) == 0) {
  }
  uart[0] = byte;
}

void put_text(const char *text) {
  for (; *text; text++) put_byte(*text);
}

void put_hex(uint64_t value) {
  put_text("0x");
  for (int shift = 60; shift >= 0; shift -= 4) put_byte("0123456789abcdef"[(value >> shift) & 15]);
}

void put_decimal(uint64_t value) {
  char digits[20];
  int count = 0;
  do digits[count++] = '0' + value % 10;
  while ((value /= 10) != 0);
  while (count > 0) put_byte(digits[--count]);
}

void finish(uint64_t code) {
  volatile uint32_t *finisher = (volatile uint32_t *)(uintptr_t)FINISHER;
  *finisher = code == 0 ? 0x5555 : (uint32_t)(code << 16) | 0x3333;
  for (;;) __asm__ volatile("wfi");
}

void report_case(uint64_t number, uint64_t seen, uint64_t wanted) {
  put_text("case ");
  put_decimal(number);
  put_text(": ");
  put_hex(seen);
  put_text(", not ");
  put_hex(wanted);
  put_byte('\n');
}

void report_trap(uint64_t cause, uint64_t pc, uint64_t value) {
  put_text("unexpected trap ");
  put_hex(cause);
  put_text(" at ");
  put_hex(pc);
  put_text(" value ");
  put_hex(value);
  put_byte('\n');
}
