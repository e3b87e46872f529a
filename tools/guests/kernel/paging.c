/* Chapter 4: address spaces. A root table has 512 entries of one gigabyte; the upper half is the same in all of them and shows the kernel
 * all of memory, the lower belongs to a process. So a trap need not change the table, and the kernel reads what a process wrote by looking the
 * page up (`reach`) and going through its own view of it.
 *
 * Nothing is mapped before it is touched: page_fault is where a process gets its memory. */
#include "kernel.h"

#define ROOT_ENTRIES 512
#define USER_LEAF (ENTRY_VALID | ENTRY_USER | ENTRY_READ | ENTRY_ACCESSED)

static void *frame_of(entry it) { return kernel_view(it >> 10 << 12); }
static entry entry_for(const void *frame, uint64 flags) { return physical(frame) >> 12 << 10 | flags; }
static int is_leaf(entry it) { return (it & (ENTRY_READ | ENTRY_WRITE | ENTRY_EXECUTE)) != 0; }
static void forget_all(void) { __asm__ volatile("sfence.vma" ::: "memory"); }

/* Changes to a table that may be in use go through here, and are in force when `changed` returns. Bare, that is a store each and a fence;
 * with a hypervisor below that listens, all of them are one call, where it would else have to notice the stores one by one. */
#ifdef SOFTTLB
#define BATCHES 0 /* no hardware reads these tables, so nobody needs to hear of a change; what was put into the TLB is forgotten as ever */
#else
#define BATCHES para
#endif
static void tell(struct cpu *cpu) {
  if (cpu->changes_count > 0) para_change_tables(cpu->changes, cpu->changes_count);
  cpu->changes_count = 0;
}
static void change(entry *it, entry value) {
  struct cpu *cpu = this_cpu();
  if (!BATCHES) {
    *it = value;
    return;
  }
  cpu->changes[cpu->changes_count].address = physical(it);
  cpu->changes[cpu->changes_count++].value = value;
  if (cpu->changes_count == CHANGES_MAX) tell(cpu);
}
static void changed_all(void) {
  if (BATCHES) tell(this_cpu());
  else forget_all();
}
static void changed(uint64 address) {
  if (BATCHES) tell(this_cpu());
  else __asm__ volatile("sfence.vma %0, zero" ::"r"(address) : "memory");
}

entry *table_new(void) {
  entry *root = frame_take();
  if (root != 0) memcpy(root + KERNEL_ROOT_FIRST, kernel_table + KERNEL_ROOT_FIRST, (ROOT_ENTRIES - KERNEL_ROOT_FIRST) * sizeof *root);
  return root;
}

#ifdef SOFTTLB
/* The TLB keeps translations of many processes, told apart by a tag of 16 bits. A process that comes to a hart gets a new tag unless the last
 * place where it ran was here: what it left behind elsewhere may be stale, and so is never met again. After 65535 tags they begin anew, and
 * every hart forgets all before it uses one of the new generation. Called with the table locked, or for the present process. */
#define TAGS 0x10000
void space_enter(struct process *it) {
  static uint32 last = TAGS;
  struct cpu *cpu = this_cpu();
  if (it->space / TAGS != last / TAGS || it->space_cpu != cpu) {
    do it->space = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    while (it->space % TAGS == 0);   /* 0 is the kernel's */
    it->space_cpu = cpu;
  }
  if (cpu->generation != it->space / TAGS) {
    forget_all();
    cpu->generation = it->space / TAGS;
  }
  cpu->refill.root = physical(it->root);
  csr_write(satp, SATP_SOFTTLB | (uint64)(it->space % TAGS) << 44);
}
void space_leave(void) {
  this_cpu()->refill.root = physical(kernel_table);
  csr_write(satp, SATP_SOFTTLB);
}
#else
/* One tag for all: so each switch forgets, and no translation of a process is ever left on a hart that it has gone from. */
static void use(entry *root) {
  uint64 satp = SATP_SV39 | physical(root) >> 12;
  if (para) {
    para_switch(satp);
    return;
  }
  csr_write(satp, satp);
  forget_all();
}
void space_enter(struct process *it) { use(it->root); }
void space_leave(void) { use(kernel_table); }
#endif

/* The entry of the lowest level for an address, with the tables on the way if `makes`. 0: not there, or no memory. */
static entry *find(entry *table, uint64 address, int makes) {
  for (int level = 2; level > 0; level--) {
    entry *it = &table[address >> (12 + 9 * level) & 511];
    if (!(*it & ENTRY_VALID)) {
      entry *lower = makes ? frame_take() : 0;
      if (lower == 0) return 0;
      *it = entry_for(lower, ENTRY_VALID);
    }
    table = frame_of(*it);
  }
  return &table[address >> 12 & 511];
}

static void free_below(entry *table, int count) {
  for (int n = 0; n < count; n++) {
    if (!(table[n] & ENTRY_VALID)) continue;
    if (!is_leaf(table[n])) free_below(frame_of(table[n]), 512);
    else frame_release(frame_of(table[n]));
  }
  frame_release(table);
}
void table_free(entry *root) { free_below(root, KERNEL_ROOT_FIRST); }

/* Fork: the child gets the same frames. What either may write becomes read-only for both, until one of them does write. */
static int copy_below(entry *from, entry *to, int count) {
  for (int n = 0; n < count; n++) {
    if (!(from[n] & ENTRY_VALID)) continue;
    if (is_leaf(from[n])) {
      entry both = from[n];
      if ((both & ENTRY_WRITE) && !(both & ENTRY_SHARED)) both = (both & ~(entry)ENTRY_WRITE) | ENTRY_COPY;
      if (both != from[n]) change(&from[n], both);
      frame_share(frame_of(both));
      to[n] = both;
    } else {
      entry *lower = frame_take();
      if (lower == 0) return 0;
      to[n] = entry_for(lower, ENTRY_VALID);
      if (!copy_below(frame_of(from[n]), lower, 512)) return 0;
    }
  }
  return 1;
}
int table_copy(entry *from, entry *to) {
  int done = copy_below(from, to, KERNEL_ROOT_FIRST);
  changed_all(); /* the parent's rights shrank */
  return done;
}

/* What lies at an address that has no entry yet: the frame and its rights, or 0 if it is nothing of this process. */
static entry first_touch(struct process *process, uint64 address) {
  uint64 page = address & ~(PAGE - 1ull);
  uint64 image_bytes = user_image_end - user_image;
  if (page >= USER_IMAGE && page < USER_IMAGE + image_bytes) {
    /* Programs and their constants are run from the kernel's image itself; the first word of it says where their variables begin. */
    char *frame = user_image + (page - USER_IMAGE);
    uint64 writable_from = *(uint64 *)(user_image + 8);
    return entry_for(frame, USER_LEAF | (page < writable_from ? ENTRY_EXECUTE : ENTRY_COPY));
  }
  int in_heap = page >= USER_IMAGE + image_bytes && page < process->heap_end;
  int in_stack = page < USER_END && page >= USER_END - USER_STACK_PAGES * PAGE;
  if (!in_heap && !in_stack) return 0;
  void *frame = frame_take();
  return frame == 0 ? 0 : entry_for(frame, USER_LEAF | ENTRY_WRITE | ENTRY_DIRTY);
}

/* The entry with a frame of its own, or 0. */
static entry own_copy(entry shared) {
  void *old = frame_of(shared);
  uint64 flags = (shared & 0x3ff & ~(entry)ENTRY_COPY) | ENTRY_WRITE | ENTRY_DIRTY;
  /* The others are gone: nobody left to be disturbed. */
  if (frame_owners(old) == 1) return entry_for(old, flags);
  void *mine = frame_take_dirty();
  if (mine == 0) return 0;
  memcpy(mine, old, PAGE);
  frame_release(old);
  return entry_for(mine, flags);
}

/* 1: the access may be tried again. 0: it was never allowed, or there is no memory. */
int page_fault(struct process *process, uint64 address, enum access access) {
  if (address >= USER_END) return 0;
  entry *it = find(process->root, address, 1);
  entry now = it == 0 ? 0 : *it & ENTRY_VALID ? *it : first_touch(process, address);
  if (access == STORING && (now & ENTRY_COPY)) now = own_copy(now);
  if (now == 0) return 0;
  change(it, now);
  changed(address);
  uint64 needed = access == STORING ? ENTRY_WRITE : access == EXECUTING ? ENTRY_EXECUTE : ENTRY_READ;
  return (now & needed) != 0;
}

/* Pages that a child will see as the same, not as a copy. Their address, or 0. */
int share_pages(struct process *process, int pages) {
  uint64 address = USER_SHARED + process->shared_pages * PAGE;
  if (pages < 1 || process->shared_pages + pages > USER_SHARED_PAGES) return 0;
  for (int n = 0; n < pages; n++) {
    entry *it = find(process->root, address + n * PAGE, 1);
    void *frame = it == 0 ? 0 : frame_take();
    if (frame == 0) return 0; /* what was mapped before stays until the process ends */
    *it = entry_for(frame, USER_LEAF | ENTRY_WRITE | ENTRY_DIRTY | ENTRY_SHARED);
    process->shared_pages++;
  }
  return address;
}

void heap_shrink(struct process *process, uint64 from, uint64 to) {
  for (uint64 page = (from + PAGE - 1) & ~(PAGE - 1ull); page < to; page += PAGE) {
    entry *it = find(process->root, page, 0);
    if (it == 0 || !(*it & ENTRY_VALID)) continue;
    frame_release(frame_of(*it));
    change(it, 0);
  }
  changed_all();
}

/* The kernel's view of a byte of a process, which is given its page first if it has none. 0 where the process itself would be killed. */
static void *reach(struct process *process, uint64 address, enum access access) {
  if (address >= USER_END) return 0;
  entry *it = find(process->root, address, 0);
  uint64 needed = access == STORING ? ENTRY_WRITE : ENTRY_READ;
  if (it == 0 || !(*it & ENTRY_VALID) || !(*it & needed)) {
    if (!page_fault(process, address, access)) return 0;
    it = find(process->root, address, 0);
  }
  return (char *)frame_of(*it) + address % PAGE;
}

static uint64 rest_of_page(uint64 address, uint64 bytes) {
  uint64 rest = PAGE - address % PAGE;
  return rest < bytes ? rest : bytes;
}

int copy_from_process(struct process *process, void *to, uint64 from, uint64 bytes) {
  for (char *at = to; bytes > 0;) {
    uint64 some = rest_of_page(from, bytes);
    void *source = reach(process, from, LOADING);
    if (source == 0) return 0;
    memcpy(at, source, some);
    at += some, from += some, bytes -= some;
  }
  return 1;
}

int copy_to_process(struct process *process, uint64 to, const void *from, uint64 bytes) {
  for (const char *at = from; bytes > 0;) {
    uint64 some = rest_of_page(to, bytes);
    void *target = reach(process, to, STORING);
    if (target == 0) return 0;
    memcpy(target, at, some);
    at += some, to += some, bytes -= some;
  }
  return 1;
}

/* Up to and with the final zero; at most bytes_max of it, always ended. */
int text_from_process(struct process *process, char *to, uint64 from, uint64 bytes_max) {
  for (uint64 n = 0; n < bytes_max; n++) {
    const char *source = reach(process, from + n, LOADING);
    if (source == 0) return 0;
    if ((to[n] = *source) == 0) return 1;
  }
  to[bytes_max - 1] = 0;
  return 1;
}
