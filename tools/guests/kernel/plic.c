/* Which device wants something? The platform-level interrupt controller shows each hart one wire; who is behind it is asked by a read
 * (claim) that gives a source to one asker only, and answered by a write (complete). RISC-V PLIC specification 1.0. */
#include "kernel.h"

/* Every hart has two contexts, M-mode first; ours is the second. */
#define CONTEXT(cpu) (2 * (cpu)->hart_id + 1)
static volatile uint32 *at(uint64 offset) { return kernel_view(machine.plic + offset); }
static volatile uint32 *claim(struct cpu *cpu) { return at(0x200004 + 0x1000 * CONTEXT(cpu)); }

static void allow(int source, struct cpu *cpu) {
  volatile uint32 *word = at(0x2000 + 0x80 * CONTEXT(cpu) + source / 32 * 4);
  *word = *word | 1u << source % 32;
}

void plic_begin(void) {
  *at(4 * machine.uart_interrupt) = 1;
  for (int n = 0; n < machine.virtio_slots; n++) *at(4 * machine.virtio_interrupt[n]) = 1;
}

/* Any hart may serve any device: who claims first has it, the others read 0. */
void plic_begin_hart(struct cpu *cpu) {
  allow(machine.uart_interrupt, cpu);
  for (int n = 0; n < machine.virtio_slots; n++) allow(machine.virtio_interrupt[n], cpu);
  *at(0x200000 + 0x1000 * CONTEXT(cpu)) = 0; /* the threshold: everything above 0 */
}

void plic_interrupt(void) {
  struct cpu *cpu = this_cpu();
  uint32 source = *claim(cpu);
  if (source == 0) return;
  if ((int)source == machine.uart_interrupt) console_interrupt();
  for (int n = 0; n < machine.virtio_slots; n++)
    if ((int)source == machine.virtio_interrupt[n]) disk_interrupt(n);
  *claim(cpu) = source;
}
