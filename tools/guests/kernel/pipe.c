/* Chapter 10: files that are no files. What a process reads and writes is the console or one end of a pipe; a number of the process
 * leads to a `file`, and several processes may have the same one (fork). A pipe is the classic bounded buffer: producers sleep when it is full,
 * consumers when it is empty, each wakes the other. */
#include "kernel.h"

#define FILES_ALL 64
#define PIPE_BYTES 1024

struct pipe {
  struct lock lock;
  uint32 read, written;            /* only grow; modulo PIPE_BYTES */
  int readers, writers;
  char bytes[PIPE_BYTES];
};
struct file {
  enum { FREE, CONSOLE, READS, WRITES } kind;
  int owners;
  struct pipe *pipe;
};

static struct file files[FILES_ALL];
static LOCK files_lock = {.name = "files"};

static struct file *file_new(int kind, struct pipe *pipe) {
  struct file *found = 0;
  lock(&files_lock);
  for (int n = 0; n < FILES_ALL && found == 0; n++)
    if (files[n].kind == FREE) found = &files[n];
  if (found != 0) {
    found->kind = kind;
    found->owners = 1;
    found->pipe = pipe;
  }
  unlock(&files_lock);
  return found;
}

struct file *file_console(void) { return file_new(CONSOLE, 0); }

void file_share(struct file *it) {
  lock(&files_lock);
  it->owners++;
  unlock(&files_lock);
}

static void wake(const void *what) {
  lock(&table_lock);
  wake_all(what);
  unlock(&table_lock);
}

/* The last owner of an end closes it: who waits at the other end must hear of it. */
static void pipe_close(struct pipe *pipe, int writes) {
  lock(&pipe->lock);
  if (writes) pipe->writers = 0;
  else pipe->readers = 0;
  int ended = pipe->readers == 0 && pipe->writers == 0;
  wake(&pipe->read);
  wake(&pipe->written);
  unlock(&pipe->lock);
  if (ended) frame_release(pipe);
}

void file_close(struct file *it) {
  struct file old;
  lock(&files_lock);
  int left = --it->owners;
  old = *it;
  if (left == 0) it->kind = FREE;
  unlock(&files_lock);
  if (left == 0 && old.pipe != 0) pipe_close(old.pipe, old.kind == WRITES);
}

int pipe_make(struct file **reading, struct file **writing) {
  struct pipe *pipe = frame_take();
  if (pipe == 0) return 0;
  pipe->lock.name = "pipe";
  pipe->readers = pipe->writers = 1;
  *reading = file_new(READS, pipe);
  *writing = file_new(WRITES, pipe);
  if (*reading != 0 && *writing != 0) return 1;
  if (*reading != 0) file_close(*reading);
  if (*writing != 0) file_close(*writing);
  if (*reading == 0 && *writing == 0) frame_release(pipe);
  *reading = *writing = 0;
  return 0;
}

static int pipe_read(struct pipe *pipe, uint64 to, uint64 bytes) {
  uint64 done = 0;
  int good = 1;
  lock(&pipe->lock);
  while (pipe->read == pipe->written && pipe->writers > 0 && !this_process()->killed) sleep_on(&pipe->read, &pipe->lock);
  while (good && done < bytes && pipe->read != pipe->written) {
    good = copy_to_process(this_process(), to + done, &pipe->bytes[pipe->read % PIPE_BYTES], 1);
    pipe->read += good;
    done += good;
  }
  wake(&pipe->written);
  unlock(&pipe->lock);
  return good ? (int)done : -1;
}

static int pipe_write(struct pipe *pipe, uint64 from, uint64 bytes) {
  uint64 done = 0;
  lock(&pipe->lock);
  while (done < bytes && pipe->readers > 0 && !this_process()->killed) {
    if (pipe->written - pipe->read == PIPE_BYTES) {
      wake(&pipe->read);
      sleep_on(&pipe->written, &pipe->lock);
    } else if (copy_from_process(this_process(), &pipe->bytes[pipe->written % PIPE_BYTES], from + done, 1)) {
      pipe->written++;
      done++;
    } else break;
  }
  wake(&pipe->read);
  unlock(&pipe->lock);
  return done == bytes ? (int)done : -1;
}

int file_read(struct file *it, uint64 to, uint64 bytes) {
  if (it->kind == CONSOLE) return console_read(to, bytes);
  return it->kind == READS ? pipe_read(it->pipe, to, bytes) : -1;
}

int file_write(struct file *it, uint64 from, uint64 bytes) {
  if (it->kind == CONSOLE) return console_write(from, bytes);
  return it->kind == WRITES ? pipe_write(it->pipe, from, bytes) : -1;
}
