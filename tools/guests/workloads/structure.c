/* A structure on another node, used from both: move its lines to whoever uses it, or ask the hart beside it to do the work.
 * In each of p1 turns hart 0 does p3 operations, then the last hart, which lives on another node, does one; one touches p2 lines. p0: 0 hart 0
 * walks the lines itself, 1 it asks the last hart. Harts between them do nothing. Gives hart 0's time; 0 when an operation was lost. */
#include "workload.h"

static struct {
  volatile uint64_t turn;
} __attribute__((aligned(LINE))) whose;
static struct {
  volatile uint64_t asked, answered;
} __attribute__((aligned(LINE))) mailbox;
static struct barrier start;

static void operate(char *structure, uint64_t lines) {
  for (uint64_t i = 0; i < lines; i++) {
    volatile uint64_t *at = (uint64_t *)(structure + i * LINE);
    *at = *at + 1;
  }
}

uint64_t work(uint64_t hart, uint64_t harts, const struct parameters *parameters) {
  uint64_t moves = parameters->p[0] == 0, turns = parameters->p[1], lines = parameters->p[2], row = parameters->p[3];
  char *structure = data_start;
  if (hart == harts - 1) operate(structure, lines);
  wait_for_all(&start, harts);
  if (hart != 0 && hart != harts - 1) return 1;
  uint64_t began = cycles_now();
  for (uint64_t i = 0; i < turns; i++) {
    if (hart == 0) {
      if (moves) {
        while (whose.turn != 2 * i) {
        }
        for (uint64_t each = 0; each < row; each++) operate(structure, lines);
        fence_all();
        whose.turn = 2 * i + 1;
      } else {
        for (uint64_t each = i * row + 1; each <= (i + 1) * row; each++) {
          mailbox.asked = each;
          while (mailbox.answered != each) {
          }
        }
      }
    } else {
      if (moves)
        while (whose.turn != 2 * i + 1) {
        }
      else
        for (uint64_t each = i * row + 1; each <= (i + 1) * row; each++) {
          while (mailbox.asked != each) {
          }
          operate(structure, lines);
          fence_all();
          mailbox.answered = each;
        }
      operate(structure, lines);
      fence_all();
      if (moves) whose.turn = 2 * i + 2;
    }
  }
  uint64_t took = cycles_now() - began;
  if (hart == 0) return took;
  return *(volatile uint64_t *)structure == (row + 1) * turns + 1 ? took : 0;
}
