/* Chapter 6: processes. A process is an address space, a kernel stack with a frame of registers on top, and a place in the tree of parents.
 * There are no program files: all programs are one image, mapped into every process, and exec only chooses with which words it begins. */
#include "kernel.h"

struct process processes[PROCESSES_MAX];
static int last_id;
#define WORDS_MAX 16
#define WORD_BYTES 64

/* Where a process runs for the first time: out of schedule, with the lock that schedule is called with. */
static void process_begins(void) {
  unlock(&table_lock);
  struct frame *frame = this_process()->frame;
  leave_kernel();
  trap_return(frame);
}

/* A slot with a stack whose top says: return to process_begins. Registers are still to be filled in, and it is not ready yet. 0: none left. */
static struct process *process_new(void) {
  lock(&table_lock);
  struct process *it = processes;
  while (it < processes + PROCESSES_MAX && it->state != UNUSED) it++;
  if (it == processes + PROCESSES_MAX) {
    unlock(&table_lock);
    return 0;
  }
  it->state = SLEEPING;
  it->waits_for = 0;
  it->wakes_at = NEVER;
  it->id = ++last_id;
  it->killed = 0;
  it->exit_code = 0;
  it->ran_ticks = 0;
  it->shared_pages = 0;
  it->space = 0;
  it->parent = 0;
  unlock(&table_lock);
  it->stack = frame_take();
  it->root = it->stack == 0 ? 0 : table_new();
  if (it->root == 0) {
    if (it->stack != 0) frame_release(it->stack);
    it->state = UNUSED;
    return 0;
  }
  char *top = (char *)it->stack + PAGE;
  it->frame = (struct frame *)(top - sizeof *it->frame);
  uint64 *saved = (uint64 *)it->frame - 14;   /* as switch_stacks leaves it: ra first */
  saved[0] = (uint64)process_begins;
  it->saved_sp = (uint64)saved;
  it->heap_end = USER_IMAGE + (user_image_end - user_image);
  return it;
}

static void process_forget(struct process *it) {
  table_free(it->root);
  frame_release(it->stack);
  __atomic_store_n(&it->state, UNUSED, __ATOMIC_RELEASE);
}

/* The words of a command go to the top of the stack: the texts, then the list of their addresses, which ends with 0. */
static int start_with(struct process *it, const char words[][WORD_BYTES], int count) {
  uint64 list[WORDS_MAX + 1], top = USER_END;
  for (int n = 0; n < count; n++) {
    uint64 bytes = 0;
    while (words[n][bytes++] != 0) {}
    top -= bytes;
    list[n] = top;
    if (!copy_to_process(it, top, words[n], bytes)) return 0;
  }
  list[count] = 0;
  top = (top - (count + 1) * sizeof *list) & ~15ull;
  if (!copy_to_process(it, top, list, (count + 1) * sizeof *list)) return 0;
  memset(it->frame, 0, sizeof *it->frame);
  it->frame->pc = USER_IMAGE;
  it->frame->x[SP] = top;
  it->frame->x[A0] = count;
  it->frame->x[A0 + 1] = top;
  it->frame->status = SSTATUS_SPIE; /* to user mode, with interrupts on */
  memcpy(it->name, words[0], sizeof it->name);
  it->name[sizeof it->name - 1] = 0;
  return 1;
}

/* The first process has no parent to be copied from. */
void process_first(void) {
  static const char words[1][WORD_BYTES] = {"shell"};
  struct process *it = process_new();
  if (it == 0 || !start_with(it, words, 1)) panic("no memory for the first process");
  for (int n = 0; n < 3; n++) it->files[n] = file_console();
  lock(&table_lock);
  make_ready(it);
  unlock(&table_lock);
}

int process_fork(void) {
  struct process *parent = this_process(), *child = process_new();
  if (child == 0) return -1;
  if (!table_copy(parent->root, child->root)) {
    process_forget(child);
    return -1;
  }
  *child->frame = *parent->frame;
  child->frame->x[A0] = 0;
  child->heap_end = parent->heap_end;
  child->shared_pages = parent->shared_pages;
  memcpy(child->name, parent->name, sizeof child->name);
  for (int n = 0; n < FILES_MAX; n++)
    if ((child->files[n] = parent->files[n]) != 0) file_share(child->files[n]);
  int id = child->id;
  lock(&table_lock);
  child->parent = parent;
  make_ready(child);
  unlock(&table_lock);
  return id;
}

/* A new life in the same process: other words, a clean address space; files stay. */
int process_exec(uint64 arguments, int count) {
  struct process *it = this_process();
  char words[WORDS_MAX][WORD_BYTES];
  if (count < 1 || count > WORDS_MAX) return -1;
  for (int n = 0; n < count; n++) {
    uint64 address;
    if (!copy_from_process(it, &address, arguments + n * sizeof address, sizeof address)) return -1;
    if (!text_from_process(it, words[n], address, WORD_BYTES)) return -1;
  }
  entry *old = it->root, *root = table_new();
  if (root == 0) return -1;
  it->root = root;
  it->heap_end = USER_IMAGE + (user_image_end - user_image);
  it->shared_pages = 0;
  it->space = 0;
  space_enter(it);
  table_free(old);
  if (!start_with(it, words, count)) process_exit(-1);
  return count; /* is what the program finds in a0 */
}

/* The process stays as a record of how it ended, until its parent asks. Nobody is left to ask for its own children: the first process is. */
void process_exit(int code) {
  struct process *it = this_process();
  for (int n = 0; n < FILES_MAX; n++) {
    if (it->files[n] != 0) file_close(it->files[n]);
    it->files[n] = 0;
  }
  if (it == processes) panic("the first process has ended");
  space_leave(); /* the parent may free the table before this hart has left it */
  lock(&table_lock);
  for (struct process *child = processes; child < processes + PROCESSES_MAX; child++)
    if (child->state != UNUSED && child->parent == it) {
      child->parent = processes;
      if (child->state == ENDED) wake_all(processes);
    }
  it->exit_code = code;
  it->state = ENDED;
  wake_all(it->parent);
  schedule();
  panic("an ended process was run");
}

/* Waits for any child. Its number, or -1 if there is none to wait for. */
int process_wait(uint64 code_address) {
  struct process *me = this_process();
  lock(&table_lock);
  for (;;) {
    int children = 0;
    for (struct process *it = processes; it < processes + PROCESSES_MAX; it++) {
      if (it->state == UNUSED || it->parent != me) continue;
      children++;
      if (it->state != ENDED) continue;
      int id = it->id, code = it->exit_code;
      it->parent = 0;
      unlock(&table_lock);
      process_forget(it);
      if (code_address != 0 && !copy_to_process(me, code_address, &code, sizeof code)) return -1;
      return id;
    }
    if (children == 0 || me->killed) {
      unlock(&table_lock);
      return -1;
    }
    sleep_on(me, &table_lock);
  }
}

/* A process dies by itself, on its next way out of the kernel: only there it holds nothing. So it must wake up, too. */
static void kill_it(struct process *it) {
  it->killed = 1;
  if (it->state == SLEEPING && it->parent != 0) make_ready(it);
}

int process_kill(int id) {
  int found = -1;
  lock(&table_lock);
  for (struct process *it = processes + 1; it < processes + PROCESSES_MAX; it++)
    if (it->state != UNUSED && it->state != ENDED && it->id == id) {
      kill_it(it);
      found = 0;
    }
  unlock(&table_lock);
  return found;
}

void kill_all_but_first(void) {
  lock(&table_lock);
  for (struct process *it = processes + 1; it < processes + PROCESSES_MAX; it++)
    if (it->state != UNUSED && it->state != ENDED) kill_it(it);
  unlock(&table_lock);
}
