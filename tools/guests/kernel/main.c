/* Chapter 1, second half: from the first C to the first process. */
#include "kernel.h"

static volatile int harts_running = 1;

static void hart_begins(struct cpu *cpu) {
  cpu->current = &cpu->idle;
  csr_write(scounteren, 7); /* programs may read the clock and count their own instructions */
#ifdef SOFTTLB
  csr_write(0x5c9, physical(&cpu->refill)); /* TLB_FRAME */
  csr_write(0x5c8, refill);                 /* TLB_VECTOR */
  space_leave();
#endif
  clock_begin();
  plic_begin_hart(cpu);
}

/* Every hart but the first. Its stack is a frame of its own; tp, which is how a hart knows itself, is not set yet. */
void secondary_main(uint64 hart_id) {
  struct cpu *cpu = cpus;
  while (cpu->hart_id != hart_id) cpu++;
  __asm__ volatile("mv tp, %0" ::"r"(cpu));
  hart_begins(cpu);
  __atomic_fetch_add(&harts_running, 1, __ATOMIC_RELEASE);
  idle_forever();
}

static void start_others(uint64 this_hart) {
  for (int n = 0; n < machine.harts; n++) {
    if (machine.hart_id[n] == this_hart) continue;
    char *stack = frame_take();
    uint64 top = (uint64)stack + PAGE;
    int expected = harts_running + 1;
    if (stack == 0 || !sbi_start_hart(machine.hart_id[n], physical(secondary_start), top)) panic("a hart does not start");
    while (harts_running != expected) {}
  }
}

void main(uint64 hart_id, uint64 tree) {
  read_device_tree(kernel_view(tree));
  for (int n = 0; n < machine.harts; n++) cpus[n].hart_id = machine.hart_id[n];
  struct cpu *cpu = cpus;
  while (cpu->hart_id != hart_id) cpu++;
  __asm__ volatile("mv tp, %0" ::"r"(cpu));
  frames_begin();
  choose_locks();
  schedule_begin();
  console_begin();
  plic_begin();
  hart_begins(cpu);
  para_begin();
  disk_begin();
  print("kernel: %d harts, %u MiB, %u sectors of disk\n", machine.harts, (machine.memory_end - machine.memory_start) >> 20, disk_sectors());
  process_first();
  start_others(hart_id);
  idle_forever();
}
