/* Console input by interrupts: UART through the PLIC to M-mode. Answers every line in capitals; a line that is a dot ends it. */
#include "runtime.h"

static volatile uint8_t *const uart = (uint8_t *)UART;
static volatile uint32_t *const plic = (uint32_t *)PLIC;
#define LINE 128
static char line[LINE];
static volatile int length, lines, finished, claims;

static void take(int byte) {
  if (byte == '\r') byte = '\n';
  if (byte != '\n') {
    if (length < LINE) line[length++] = byte;
    return;
  }
  if (length == 1 && line[0] == '.') finished = 1;
  for (int i = 0; i < length && !finished; i++) put_byte(line[i] >= 'a' && line[i] <= 'z' ? line[i] - 32 : line[i]);
  if (!finished) put_byte('\n');
  length = 0;
  lines++;
}

__attribute__((interrupt("machine"), aligned(4))) static void interrupted(void) {
  uint32_t source = plic[0x200004 / 4];
  if (source == UART_INTERRUPT) {
    claims++;
    while (uart[5] & 1) take(uart[0]);
  }
  if (source) plic[0x200004 / 4] = source;
}

int main(void) {
  write_csr(mtvec, interrupted);
  plic[UART_INTERRUPT] = 1;
  plic[0x2000 / 4] = 1 << UART_INTERRUPT;
  plic[0x200000 / 4] = 0;
  uart[2] = 7; /* FIFOs on and empty */
  uart[1] = 1; /* interrupt on bytes received */
  write_csr(mie, IRQ_MEI);
  put_text("echo: type lines, end with a dot\n");
  /* Checked with interrupts off and slept with them pending, so that none slips between. */
  for (;;) {
    clear_csr(mstatus, MSTATUS_MIE);
    if (finished) break;
    __asm__ volatile("wfi");
    set_csr(mstatus, MSTATUS_MIE);
  }
  put_text(claims > 0 ? "echo: ok\n" : "echo: no interrupt\n");
  return claims == 0;
}
