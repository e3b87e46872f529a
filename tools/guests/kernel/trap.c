/* Chapter 5, second half: why did we come here? */
#include "kernel.h"

#define INTERRUPT (1ull << 63)
#define CAUSE_CALL 8
#define CAUSE_FETCH_PAGE 12
#define CAUSE_LOAD_PAGE 13
#define CAUSE_STORE_PAGE 15
#define CAUSE_REFILL 24 /* software TLB, 24 to 26: refill.S found no page */

/* A timer that rings in the idle loop only ends its waiting; in a process it ends the slice. */
static void timer(struct cpu *cpu) {
  clock_set(NEVER);
  cpu->slice_end = 0;
  balloon_follow();
}

void interrupt(uint64 cause) {
  struct cpu *cpu = this_cpu();
  cpu->interrupts++;
  if (cause == 5) timer(cpu);
  else if (cause == 1) {
    csr_clear(sip, INTERRUPT_SOFTWARE); /* its message is the interrupt itself: look for work, and whether the hypervisor wants pages */
    balloon_follow();
  }
  else if (cause == 9) plic_interrupt();
}

static void exception(struct frame *frame, uint64 cause) {
  struct process *process = this_process();
  uint64 address = csr_read(stval);
  if (cause >= CAUSE_REFILL) cause = cause == CAUSE_REFILL ? CAUSE_FETCH_PAGE : cause == CAUSE_REFILL + 1 ? CAUSE_LOAD_PAGE : CAUSE_STORE_PAGE;
  if (cause == CAUSE_FETCH_PAGE || cause == CAUSE_LOAD_PAGE || cause == CAUSE_STORE_PAGE) {
    this_cpu()->faults++;
    enum access access = cause == CAUSE_STORE_PAGE ? STORING : cause == CAUSE_FETCH_PAGE ? EXECUTING : LOADING;
    if (page_fault(process, address, access)) return;
  }
  print("kernel: process %d (%s) ends: cause %d, address %x, pc %x\n", process->id, process->name, (int)cause, address, frame->pc);
  process_exit(100 + cause);
}

void trap(struct frame *frame) {
  uint64 cause = csr_read(scause);
  if (frame->status & SSTATUS_SPP) {
    if (!(cause & INTERRUPT)) {
      print("cause %d, address %x, pc %x\n", (int)cause, csr_read(stval), frame->pc);
      panic("a trap in the kernel itself");
    }
    enter_kernel();
    interrupt(cause & 0xff);
    leave_kernel();
    return;
  }
  struct cpu *cpu = this_cpu();
  enter_kernel();
  cpu->traps++;
  if (cause & INTERRUPT) interrupt(cause & 0xff);
  else if (cause == CAUSE_CALL) {
    cpu->system_calls++;
    system_call(frame);
  } else exception(frame, cause);
  /* On the way out nothing is held: the place to die, and to let others run. */
  if (this_process()->killed) process_exit(-1);
  if (this_cpu()->slice_end == 0) yield();
  leave_kernel();
}
