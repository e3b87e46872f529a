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

static void *take(void) {
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

/* When none is left, pages that the hypervisor asked for are asked back. */
static int balloon_return(void);
void *frame_take_dirty(void) {
  void *frame = take();
  return frame != 0 || !balloon_return() ? frame : take();
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

/* The balloon: pages that the hypervisor has a use for elsewhere. A program may lend some (`lent`); others are given because the hypervisor
 * asks (`given`): it says how many, the kernel says which, and those are free ones, which nobody here misses. */
#define AWAY_MAX 4096
#define LIST_MAX 512
#define AT_ONCE 128
#define KEPT 64
static LOCK balloon_lock = {.name = "balloon"};
static uint64 away[AWAY_MAX] __attribute__((aligned(8)));
static int away_count, lent, given;

/* With the balloon locked: how many went. */
static int send_away(int pages) {
  int went = 0;
  for (; went < pages && went < LIST_MAX && away_count < AWAY_MAX; went++) {
    void *frame = take();
    if (frame == 0) break;
    away[away_count++] = physical(frame);
  }
  if (went > 0 && para_balloon(&away[away_count - went], went, 1) != went) panic("the hypervisor does not take the pages");
  return went;
}

/* With the balloon locked: how many came. The hypervisor may have no room for all of them: it takes them in the order of the list. */
static int bring_back(int pages) {
  int wanted = pages < away_count ? pages : away_count;
  if (wanted > LIST_MAX) wanted = LIST_MAX;
  if (wanted <= 0) return 0;
  uint64 *list = &away[away_count - wanted];
  int came = para_balloon(list, wanted, 0);
  for (int it = 0; it < came; it++) frame_release(kernel_view(list[it]));
  for (int it = came; it < wanted; it++) list[it - came] = list[it];
  away_count -= came;
  return came;
}

/* Lends pages, or takes lent ones back (negative). How many are away now. */
int balloon_change(int pages) {
  if (!para) return -1;
  lock(&balloon_lock);
  if (pages > 0) lent += send_away(pages);
  else lent -= bring_back(-pages < lent ? -pages : lent);
  int now_away = away_count;
  unlock(&balloon_lock);
  return now_away;
}

/* At every slice and when somebody rings, but not again at once: as many are given as the hypervisor asks for now, some at a time, and none that this
 * machine needs soon. */
void balloon_follow(void) {
  static uint64 followed_at;
  if (!para || now() - followed_at < machine.ticks_per_second / 200) return;
  followed_at = now();
  int64_t target = para_balloon_target();
  if (target < 0) return;
  lock(&balloon_lock);
  int64_t more = target - away_count, spare = (int64_t)frames_free() - KEPT;
  if (more > 0 && more > spare) more = spare > 0 ? spare : 0;
  if (more > AT_ONCE) more = AT_ONCE;
  if (more < -AT_ONCE) more = -AT_ONCE;
  if (more > 0) given += send_away((int)more);
  if (more < 0) given -= bring_back((int)(-more < given ? -more : given));
  unlock(&balloon_lock);
}

static int balloon_return(void) {
  if (given == 0) return 0;
  lock(&balloon_lock);
  int came = bring_back(given < AT_ONCE ? given : AT_ONCE);
  given -= came;
  unlock(&balloon_lock);
  return came > 0;
}

int frame_owners(void *frame) { return counted(frame) ? *owners_of(frame) : 2; }
uint64 frames_free(void) { return listed + (end - fresh) / PAGE; }
