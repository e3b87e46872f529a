/* The shell: a line is a list of pipelines. It is an ordinary program; what makes it first is only that the kernel starts it. With the boot
 * argument `run=` it takes its one line from there, and the machine ends with it: well, if every command did; with `start=` it goes on
 * to ask for more. */
#include "user.h"

#define WORDS 16

/* Cuts the next word off; 0 at the end of the text. */
static char *next_word(char **text) {
  while (**text == ' ') ++*text;
  if (**text == 0) return 0;
  char *start = *text;
  while (**text != 0 && **text != ' ') ++*text;
  if (**text != 0) *(*text)++ = 0;
  return start;
}

static int run_program(char *text) {
  char *words[WORDS + 1];
  int count = 0;
  while (count < WORDS && (words[count] = next_word(&text)) != 0) count++;
  if (count == 0) return 0;
  exec(words, count);
  say("%s: can not be started\n", words[0]);
  return 126;
}

/* One child for each part, joined by pipes. */
static int start_pipeline(char *text) {
  int input = -1, last = -1;
  while (text != 0) {
    char *rest = text;
    while (*rest != 0 && *rest != '|') rest++;
    int more = *rest == '|', ends[2] = {-1, -1};
    *rest = 0;
    if (more && pipe(ends) < 0) {
      say("no more pipes\n");
      return -1;
    }
    last = child();
    if (last == 0) {
      if (input >= 0) move_file(input, 0);
      if (more) {
        close(ends[0]);
        move_file(ends[1], 1);
      }
      exit(run_program(text));
    }
    if (input >= 0) close(input);
    if (more) close(ends[1]);
    input = ends[0];
    text = more ? rest + 1 : 0;
  }
  return last;
}

/* What the shell must do itself, as a child could not. */
static int built_in(const char *text, int *code) {
  while (*text == ' ') text++;
  if (same(text, "halt")) halt(HALT_OFF);
  else if (same(text, "reboot")) halt(HALT_RESTART);
  else if (same(text, "wait")) *code = all_children();
  else return *text == 0;
  return 1;
}

static int run_line(char *line) {
  int failed = 0;
  while (*line != 0) {
    char *end = line;
    while (*end != 0 && *end != ';' && *end != '&') end++;
    int background = *end == '&', code = 0;
    char *after = *end != 0 ? end + 1 : end;
    *end = 0;
    while (end > line && end[-1] == ' ') *--end = 0;
    if (!built_in(line, &code)) {
      int last = start_pipeline(line), ended;
      while (!background && last >= 0 && (ended = wait(&code)) >= 0 && ended != last) {}
    }
    if (code != 0) failed++;
    line = after;
  }
  return failed;
}

static int begins(const char *text, const char *with) {
  while (*with != 0)
    if (*text++ != *with++) return 0;
  return 1;
}

int shell(int count, char **words) {
  static char line[512];
  (void)count, (void)words;
  call(CALL_ARGUMENTS, (word)line, sizeof line, 0);
  for (char *at = line; *at != 0; at++) {
    if (at != line && at[-1] != ' ') continue;
    if (begins(at, "run=")) halt(run_line(at + 4) == 0 ? HALT_OFF : HALT_FAILED);
    if (begins(at, "start=")) {
      run_line(at + 6);
      break;
    }
  }
  say("Type help for a list of programs, halt to end.\n");
  for (;;) {
    say("$ ");
    long bytes = read(0, line, sizeof line - 1);
    if (bytes <= 0) halt(HALT_OFF);
    line[line[bytes - 1] == '\n' ? bytes - 1 : bytes] = 0;
    run_line(line);
  }
}

int help(int count, char **words) {
  (void)count, (void)words;
  for (const struct entry *it = programs; it->name != 0; it++) say("%s %s\n", it->name, it->help);
  say("halt, reboot, wait: of the shell itself\n");
  return 0;
}
