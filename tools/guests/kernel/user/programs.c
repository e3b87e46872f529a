/* The list of programs, and where every process begins: the first word says which one it is. */
#include "user.h"

const struct entry programs[] = {
    {"shell", shell, "reads commands: a; b   a | b   a &"},
    {"help", help, "this list"},
    {"echo", echo, "TEXT: says it"},
    {"cat", cat, "[NAME]: shows a file of the disk, or what comes in"},
    {"count", count_program, "lines and bytes of what comes in, and a sum over them"},
    {"ls", ls, "lists the files of the disk"},
    {"save", save, "NAME TEXT: writes a file to the disk"},
    {"rm", rm, "NAME: takes a file off the disk"},
    {"format", format, "makes the disk empty"},
    {"disk", disk, "read SECTOR | write SECTOR TEXT: one sector as it is"},
    {"ps", ps, "processes"},
    {"memory", memory, "free memory"},
    {"balloon", balloon, "out|in PAGES: lends memory to the hypervisor, if there is one that listens"},
    {"cpus", cpus, "what the kernel counted"},
    {"kill", kill_program, "ID: ends a process"},
    {"sleep", sleep_program, "MILLISECONDS"},
    {"true", true_program, "ends with 0"},
    {"false", false_program, "ends with 1"},
    {"syscalls", syscalls, "[N]: the cheapest system call, N times"},
    {"yields", yields, "[N]: gives the CPU away, N times"},
    {"pingpong", pingpong, "[N]: a byte to another process and back, N times"},
    {"forks", forks, "[N]: a child that ends at once, N times"},
    {"spawns", spawns, "[N]: a child that becomes another program, N times"},
    {"faults", faults, "[PAGES]: the first touch of each"},
    {"costs", costs, "null call, context switch, fork, page fault: one line each"},
    {"walk", walk, "[PAGES] [ROUNDS]: touches a working set"},
    {"zero", zero, "[PAGES]: new memory is zero, twice"},
    {"copies", copies, "[PAGES]: a child's writes are not its parent's"},
    {"shared", shared, "[PROCESSES] [N]: atomic additions to one page"},
    {"hold", hold, "[PAGES] [MILLISECONDS]: keeps memory for a while"},
    {"bad", bad, "read|write|exec|kernel|illegal|privileged|null: does what no program may"},
    {"chaos", chaos, "[N] [SEED]: calls the kernel with whatever comes; it must not mind"},
    {"locks", locks, "[PROCESSES] [N] [spin|ticket]: one lock for all"},
    {"kernel-locks", kernel_locks, "[PROCESSES] [N]: all in the kernel at once"},
    {"pipes", pipes, "[BYTES] [PRODUCERS]: producers and a consumer"},
    {"primes", primes, "[N]: how many below N; computes"},
    {"fair", fair, "[PROCESSES] [MILLISECONDS]: who gets how much"},
    {"idle", idle, "[MILLISECONDS]: nothing, and how much of it"},
    {"spin", spin, "[MILLISECONDS]: a tight loop"},
    {"beat", beat, "[MILLISECONDS] [N]: a system call now and then; without N until it is killed"},
    {0, 0, 0},
};

int user_main(int count, char **words) {
  for (const struct entry *it = programs; it->name != 0; it++)
    if (same(it->name, words[0])) return it->run(count, words);
  say("%s: no such program; try help\n", words[0]);
  return 127;
}
