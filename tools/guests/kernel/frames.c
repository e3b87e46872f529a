/* Chapter 2: who owns which page of memory. A frame has one owner, or several who all may only read it (fork), and is free when the last
 * lets go. Free frames hold the list of free frames themselves, in their first word; frames that were never used are not even in the list, they
 * begin at `fresh`. So boot does not touch all of memory, and in a virtual machine pages that nobody needs are never made. */
#include "kernel.h"

static LOCK frames_lock = {.name = "frames"};
static uint64 first, fresh, end, listed;      /* kernel addresses; listed: frames in the list */
static void *free_list;
static uint16_t *owners;                      /* by number of the frame */

static uint16_t *owners_of(void *frame) { return &owners[((uint64)frame - first) / PAGE]; }

void frames_begin(void) {
  /* The counts lie right behind the kernel. Their memory is not known to be zero. */
  owners = (uint16_t *)image_end;
  first = (uint64)image_end;
  end = (uint64)kernel_view(machine.memory_end) & ~(PAGE - 1ull);
  uint64 bytes = (end - first) / PAGE * sizeof *owners;
  fresh = (first + bytes + PAGE - 1) & ~(PAGE - 1ull);
}

void *frame_take_dirty(void) {
  lock(&frames_lock);
  void *frame = free_list;
  if (frame != 0) {
    free_list = *(void **)frame;
    listed--;
  } else if (fresh < end) {
    frame = (void *)fresh;
    fresh += PAGE;
  }
  if (frame != 0) *owners_of(frame) = 1;
  unlock(&frames_lock);
  return frame;
}

/* Nobody may see what another process left behind. */
void *frame_take(void) {
  void *frame = frame_take_dirty();
  /* A hypervisor clears pages too before it gives them away, and knows which were never touched: it is asked, if there is one. */
  if (frame != 0 && !(para && para_zero_page(frame))) memset(frame, 0, PAGE);
  return frame;
}

/* The kernel's own image (programs are mapped from it) is nobody's to count or to free. */
static int counted(void *frame) { return (uint64)frame >= first; }

void frame_share(void *frame) {
  if (!counted(frame)) return;
  lock(&frames_lock);
  ++*owners_of(frame);
  unlock(&frames_lock);
}

void frame_release(void *frame) {
  if (!counted(frame)) return;
  lock(&frames_lock);
  if (--*owners_of(frame) == 0) {
    *(void **)frame = free_list;
    free_list = frame;
    listed++;
  }
  unlock(&frames_lock);
}

/* Gives pages to the hypervisor, who has a use for them elsewhere, or takes them back (negative). How many were, before or now, away. */
#define LIST_MAX 512
static uint64 away[LIST_MAX] __attribute__((aligned(8)));
static int away_count;
int balloon_change(int pages) {
  int went = 0;
  if (!para) return -1;
  for (; went < pages && away_count < LIST_MAX; went++) {
    void *frame = frame_take_dirty();
    if (frame == 0) break;
    away[away_count++] = physical(frame);
  }
  if (went > 0 && !para_balloon(&away[away_count - went], went, 1)) panic("the hypervisor does not take the pages");
  int back = pages < 0 ? (-pages < away_count ? -pages : away_count) : 0;
  if (back > 0 && para_balloon(&away[away_count - back], back, 0))
    for (; back > 0; back--) frame_release(kernel_view(away[--away_count]));
  return away_count;
}

int frame_owners(void *frame) { return counted(frame) ? *owners_of(frame) : 2; }
uint64 frames_free(void) { return listed + (end - fresh) / PAGE; }
