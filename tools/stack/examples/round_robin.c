/* A scheduler service in C: round robin, POSIX only, the NATS text protocol and JSON by hand.
 *
 *     cc -O2 -o round_robin tools/stack/examples/round_robin.c
 *     npm start -- --replace cpu-scheduler=./round_robin
 *
 * The same choices as round_robin.py beside it and as policy rr of libs/schedule/policies: `backplane sched conform --run ./round_robin
 * --log c.txt` writes the same decisions. What it may do and must do: README of libs/schedule/contract. Free machines only. */
#define _GNU_SOURCE
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NAME = 65, TASKS = 10000, CPUS = 256, NODES = 64, ACTORS = 32, COMMITS = 64, RUNS = 64, TRIES = 5 };
typedef long long num;

/* --- JSON: a tree that points into the text, gone with the next message ------------------------------------------------------------- */
typedef struct json { char type; const char *text; int length; const char *key; int keyLength; struct json *child, *next; } json;
static json arena[200000];
static int used;
static const char *at;

static void space(void) { while (isspace((unsigned char)*at)) at++; }
static const char *string(int *length) {
  const char *start = ++at;
  for (; *at && *at != '"'; at++) if (*at == '\\' && at[1]) at++;
  *length = (int)(at - start);
  if (*at) at++;
  return start;
}
static json *value(void) {
  space();
  json *one = &arena[used < 199999 ? used++ : used];
  memset(one, 0, sizeof *one);
  one->type = *at;
  if (*at == '"') { one->text = string(&one->length); return one; }
  if (*at == '{' || *at == '[') {
    char end = *at++ == '{' ? '}' : ']';
    json **last = &one->child;
    for (space(); *at && *at != end; space()) {
      const char *key = NULL;
      int keyLength = 0;
      if (end == '}') { key = string(&keyLength); space(); if (*at == ':') at++; }
      json *child = value();
      child->key = key; child->keyLength = keyLength;
      *last = child; last = &child->next;
      space();
      if (*at == ',') at++; else if (*at != end) break;
    }
    if (*at) at++;
    return one;
  }
  one->text = at;
  while (*at && !strchr(",]} \r\n", *at)) at++;
  one->length = (int)(at - one->text);
  return one;
}
static json *field(const json *of, const char *name) {
  for (json *one = of ? of->child : NULL; one; one = one->next)
    if (one->key && (int)strlen(name) == one->keyLength && !memcmp(one->key, name, one->keyLength)) return one;
  return NULL;
}
static num number(const json *of, const char *name, num none) { json *one = field(of, name); return one && one->text ? atoll(one->text) : none; }
static void text(const json *one, char *to, int size) { snprintf(to, size, "%.*s", one && one->text ? one->length : 0, one && one->text ? one->text : ""); }
static int is(const json *one, const char *what) { return one && one->text && one->length == (int)strlen(what) && !memcmp(one->text, what, one->length); }

/* --- the scheduler: what it believes; nodes hold the truth ---------------------------------------------------------------------------- */
typedef struct { char name[NAME]; num seq, ordinal; int node, any; unsigned char mask[CPUS]; } task;
typedef struct { int cpu, at; char name[NAME]; num seq, until, idleSeq; } run;
typedef struct { num number; int count; run runs[RUNS]; } commit;
typedef struct { int open; num generation, incarnation, seen, last; int tries; commit kept[COMMITS]; } stream;
typedef struct {
  int used; char machine[NAME], queue[NAME];
  num life, epoch, attaches, now, tickCycles, sliceTicks; int nodes, sid;
  int count; task waiting[TASKS];                                       /* claims, oldest first, each task once */
  struct { int idle, idleNode; num idleSeq; int sent, sentNode; run decision; task claim; } cpu[CPUS];
  stream streams[NODES];
} actor;
static actor *actors[ACTORS];
static run decided[NODES][RUNS];
static int counts[NODES], owed[NODES];

static void publish(const char *subject, const char *format, ...);
static void say(actor *a, int node, const char *body) {
  char subject[512];
  snprintf(subject, sizeof subject, "bp.%s.node.%d.scheduler.%s", a->machine, node, a->queue);
  publish(subject, "%s", body);
}
static void sayAttach(actor *a, int node) {
  char body[512];
  snprintf(body, sizeof body, "{\"kind\":\"SchedulerAttach\",\"epoch\":%lld,\"queue\":\"%s\",\"generation\":%lld}", a->epoch, a->queue, a->streams[node].generation);
  say(a, node, body);
}
static void removeAt(actor *a, int index) { memmove(&a->waiting[index], &a->waiting[index + 1], sizeof(task) * (--a->count - index)); }
static void drop(actor *a, const char *name, num seq) { /* the claim on this state of the task, or on an older one, is void */
  for (int i = 0; i < a->count; i++) if (!strcmp(a->waiting[i].name, name) && a->waiting[i].seq <= seq) { removeAt(a, i); return; }
}
static int waits(actor *a, const char *name) { for (int i = 0; i < a->count; i++) if (!strcmp(a->waiting[i].name, name)) return 1; return 0; }
static void insert(actor *a, int index, const task *one) {
  if (a->count == TASKS) return;
  memmove(&a->waiting[index + 1], &a->waiting[index], sizeof(task) * (a->count++ - index));
  a->waiting[index] = *one;
}
static void putBack(actor *a, const task *claim) { if (!waits(a, claim->name)) insert(a, 0, claim); }
static void attach(actor *a, int node) {
  stream *s = &a->streams[node];
  memset(s, 0, sizeof *s);
  s->open = 1; s->tries = 1; s->generation = ++a->attaches;
  for (int i = a->count - 1; i >= 0; i--) if (a->waiting[i].node == node) removeAt(a, i);
  for (int c = 0; c < CPUS; c++) if (a->cpu[c].idleNode == node) a->cpu[c].idle = 0;
  sayAttach(a, node);
}
static void forgetAll(actor *a) { a->count = 0; memset(a->cpu, 0, sizeof a->cpu); memset(a->streams, 0, sizeof a->streams); }

static void readTask(const json *from, task *to) {
  memset(to, 0, sizeof *to);
  text(field(from, "task"), to->name, NAME);
  to->seq = number(from, "taskSeq", 0); to->ordinal = number(from, "ordinal", 0); to->node = (int)number(from, "node", 0);
  json *mask = field(from, "affinity");
  to->any = !mask || !mask->child;
  for (json *cpu = mask ? mask->child : NULL; cpu; cpu = cpu->next) if (atoi(cpu->text) >= 0 && atoi(cpu->text) < CPUS) to->mask[atoi(cpu->text)] = 1;
}
static void onEvent(actor *a, int node, const json *event) {
  json *type = field(event, "type"), *about = field(event, "task");
  char name[NAME] = "";
  int cpu = (int)number(event, "cpu", -1);
  if (about && about->type == '{') {
    task one;
    readTask(about, &one);
    snprintf(name, NAME, "%s", one.name);
    json *state = field(event, "state"); /* of one whose weight or affinity changed: it keeps its place */
    int place = a->count;
    for (int i = 0; state && i < a->count; i++) if (!strcmp(a->waiting[i].name, name)) place = i;
    drop(a, one.name, one.seq);
    if (!waits(a, one.name) && (!state || is(state, "waiting"))) {
      if (place > a->count) place = a->count;
      /* before the first tick they line up in the order of their making, whichever node tells first */
      if (a->now < a->tickCycles) while (place > 0 && a->waiting[place - 1].ordinal > one.ordinal) place--;
      insert(a, place, &one);
    }
  } else if (about) { text(about, name, NAME); drop(a, name, number(event, "taskSeq", 0)); }
  if (cpu < 0 || cpu >= CPUS) return;
  if (a->cpu[cpu].sent) {
    a->cpu[cpu].sent = 0; /* done; or it came too late, or was lost: then the claim is still good */
    if (strcmp(a->cpu[cpu].claim.name, name)) putBack(a, &a->cpu[cpu].claim);
  }
  a->cpu[cpu].idle = is(type, "CPU_IDLE");
  if (a->cpu[cpu].idle) { a->cpu[cpu].idleSeq = number(event, "idleSeq", 0); a->cpu[cpu].idleNode = node; }
}
static void decide(actor *a) {
  num tick = a->now / a->tickCycles - 1;
  num slice = tick >= 0 ? tick / a->sliceTicks : -1;
  num until = ((slice + 1) * a->sliceTicks + 1) * a->tickCycles;
  for (int c = 0; c < CPUS; c++) {
    if (!a->cpu[c].idle) continue;
    int i = 0;
    while (i < a->count && !a->waiting[i].any && !a->waiting[i].mask[c]) i++;
    int node = a->cpu[c].idleNode;
    if (i == a->count || counts[node] == RUNS) continue;
    run one = {.cpu = c, .at = a->waiting[i].node, .seq = a->waiting[i].seq, .until = until, .idleSeq = a->cpu[c].idleSeq};
    snprintf(one.name, NAME, "%s", a->waiting[i].name);
    a->cpu[c].idle = 0; a->cpu[c].sent = 1; a->cpu[c].sentNode = node; a->cpu[c].decision = one; a->cpu[c].claim = a->waiting[i];
    removeAt(a, i);
    decided[node][counts[node]++] = one;
  }
  for (int node = 0; node < NODES; node++) { /* one commit to each node that waits for an answer or gets work */
    stream *s = &a->streams[node];
    if (!owed[node] && !counts[node]) continue;
    static char body[64 * 512];
    int length = snprintf(body, sizeof body, "{\"kind\":\"SchedulerCommit\",\"epoch\":%lld,\"queue\":\"%s\",\"generation\":%lld,\"incarnation\":%lld,\"commit\":%lld,\"seen\":%lld,\"decisions\":[",
                          a->epoch, a->queue, s->generation, s->incarnation, ++s->last, s->seen);
    commit *kept = &s->kept[s->last % COMMITS];
    kept->number = s->last; kept->count = counts[node];
    for (int i = 0; i < counts[node]; i++) {
      run *one = &decided[node][i];
      kept->runs[i] = *one;
      length += snprintf(body + length, sizeof body - length, "%s{\"type\":\"RUN\",\"cpu\":%d,\"task\":\"%s\",\"taskSeq\":%lld,\"at\":%d,\"until\":%lld,\"idleSeq\":%lld}",
                         i ? "," : "", one->cpu, one->name, one->seq, one->at, one->until, one->idleSeq);
    }
    snprintf(body + length, sizeof body - length, "]}");
    say(a, node, body);
  }
}
static void onVerdicts(actor *a, stream *s, int node, const json *body) {
  commit *kept = &s->kept[number(body, "commit", 0) % COMMITS];
  if (kept->number != number(body, "commit", 0)) return;
  json *verdict = field(body, "verdicts") ? field(body, "verdicts")->child : NULL;
  for (int i = 0; i < kept->count && verdict; i++, verdict = verdict->next) {
    run *one = &kept->runs[i];
    int c = one->cpu, isOurs = a->cpu[c].sent && a->cpu[c].decision.idleSeq == one->idleSeq && !strcmp(a->cpu[c].decision.name, one->name);
    if (is(verdict, "OK") || !isOurs) continue;
    a->cpu[c].sent = 0;
    if (is(verdict, "CPU_BUSY") || is(verdict, "BAD_SLICE")) putBack(a, &a->cpu[c].claim); /* any other: an event tells how the task fares */
    if (!is(verdict, "CPU_BUSY")) { a->cpu[c].idle = 1; a->cpu[c].idleSeq = one->idleSeq; a->cpu[c].idleNode = node; }
  }
  kept->number = 0;
}
static void onMessage(actor *a, const json *body) {
  int node = (int)number(body, "node", -1);
  num epoch = number(body, "epoch", 0), incarnation = number(body, "incarnation", 0);
  if (node < 0 || node >= NODES) return;
  stream *s = &a->streams[node];
  memset(counts, 0, sizeof counts); memset(owed, 0, sizeof owed);
  if (is(field(body, "kind"), "NodeUp")) {
    if (epoch < a->epoch) return;
    if (epoch > a->epoch) { a->epoch = epoch; forgetAll(a); } /* a policy takes over: all claims are void */
    if (!field(body, "fallback") && !(s->open && !s->incarnation)) attach(a, node);
    return;
  }
  if (!s->open || epoch != a->epoch || number(body, "generation", 0) != s->generation) return;
  num at = number(body, "at", 0);
  if (is(field(body, "kind"), "SchedulerVerdicts")) {
    if (at > a->now) a->now = at; /* or a slice that was over would be given again and again */
    onVerdicts(a, s, node, body);
    decide(a);
    return;
  }
  if (!is(field(body, "kind"), "SchedulerEvents")) return;
  num seq = number(body, "seq", 0);
  if (!s->incarnation) s->incarnation = incarnation;
  if (incarnation > s->incarnation) { attach(a, node); return; } /* a new life of the node: it has forgotten all */
  if (incarnation < s->incarnation || seq > s->seen + 1) return;   /* a word of the dead, or a gap: what is missing is said again */
  if (at > a->now) a->now = at;
  owed[node] = 1;
  if (seq == s->seen + 1) {
    s->seen = seq;
    for (json *event = field(body, "events")->child; event; event = event->next) onEvent(a, node, event);
  } else /* the node repeats itself: our last commit may be lost, and the decisions in it */
    for (int c = 0; c < CPUS; c++) if (a->cpu[c].sent && a->cpu[c].sentNode == node && counts[node] < RUNS) decided[node][counts[node]++] = a->cpu[c].decision;
  decide(a);
}

/* --- the service: what the hypervisor's office asks of a process ----------------------------------------------------------------------- */
static int sock, nextSid = 100;
static char instance[128], life[64], out[1 << 20];
static void sendAll(const char *data, size_t length) { while (length > 0) { ssize_t sent = write(sock, data, length); if (sent <= 0) exit(1); data += sent; length -= sent; } }
static void publish(const char *subject, const char *format, ...) {
  static char body[1 << 20];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(body, sizeof body, format, arguments);
  va_end(arguments);
  int head = snprintf(out, sizeof out, "PUB %s %d\r\n%s\r\n", subject, length, body);
  sendAll(out, head);
}
static void subscribe(const char *subject, int sid) { char line[512]; sendAll(line, snprintf(line, sizeof line, "SUB %s %d\r\n", subject, sid)); }
static void removeActor(int i) { char line[64]; sendAll(line, snprintf(line, sizeof line, "UNSUB %d\r\n", actors[i]->sid)); free(actors[i]); actors[i] = NULL; }
static void host(const json *request, const char *reply) {
  char machine[NAME], list[8192] = "";
  text(field(request, "machine"), machine, NAME);
  json *mode = field(field(request, "mode"), "kind"), *each = field(request, "actors") ? field(request, "actors")->child : NULL;
  if (mode && !is(mode, "free")) { publish(reply, "{\"ok\":false,\"field\":\"/mode/kind\",\"reason\":\"this scheduler keeps to the wall clock: free machines only\"}"); return; }
  for (; each; each = each->next) {
    char id[2 * NAME];
    text(field(each, "id"), id, sizeof id);
    char *queue = strchr(id, '.');
    int free = -1;
    for (int i = 0; i < ACTORS; i++) {
      if (actors[i] && queue && !strcmp(actors[i]->machine, machine) && !strcmp(actors[i]->queue, queue + 1)) removeActor(i);
      if (!actors[i] && free < 0) free = i;
    }
    if (free < 0 || !queue) continue;
    actor *a = actors[free] = calloc(1, sizeof(actor));
    json *config = field(each, "config");
    snprintf(a->machine, NAME, "%s", machine); snprintf(a->queue, NAME, "%s", queue + 1);
    a->life = number(request, "epoch", 1); a->attaches = a->life * 1048576; a->epoch = 1; /* generations never repeat, not even over our lives */
    a->tickCycles = number(field(config, "clock"), "tickCycles", 1); a->sliceTicks = number(field(config, "schedule"), "sliceTicks", 1);
    a->nodes = (int)number(field(config, "topology"), "nodes", 1); a->sid = nextSid++;
    char subject[512];
    snprintf(subject, sizeof subject, "bp.%s.%s.>", machine, id);
    subscribe(subject, a->sid);
    for (int node = 0; node < a->nodes; node++) attach(a, node);
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s\"%s\"", *list ? "," : "", id);
  }
  publish(reply, "{\"ok\":true,\"op\":\"host\",\"started\":[%s],\"already\":[]}", list);
}
static void control(const json *request, const char *reply) {
  json *op = field(request, "op");
  char machine[NAME];
  text(field(request, "machine"), machine, NAME);
  if (is(op, "host")) { host(request, reply); return; }
  if (is(op, "unhost")) for (int i = 0; i < ACTORS; i++) if (actors[i] && !strcmp(actors[i]->machine, machine)) removeActor(i);
  if (is(op, "unhost")) publish(reply, "{\"ok\":true,\"op\":\"unhost\",\"stopped\":[]}");
  else if (is(op, "inspect")) publish(reply, "{\"ok\":true,\"op\":\"inspect\",\"machine\":\"%s\",\"actor\":\"scheduler\",\"state\":{\"policy\":\"round robin in C\"}}", machine);
  else publish(reply, "{\"ok\":true,\"op\":\"%.*s\",\"service\":\"cpu-scheduler\",\"instance\":\"%s\",\"incarnation\":\"%s\",\"pid\":%d,\"actors\":[],\"bus\":{}}",
               op ? op->length : 0, op ? op->text : "", instance, life, getpid());
}
static void sayAlive(void) {
  char hosting[8192] = "";
  for (int i = 0; i < ACTORS; i++) {
    actor *a = actors[i];
    if (!a) continue;
    snprintf(hosting + strlen(hosting), sizeof hosting - strlen(hosting), "%s{\"machine\":\"%s\",\"actor\":\"scheduler.%s\",\"epoch\":%lld}", *hosting ? "," : "", a->machine, a->queue, a->life);
    for (int node = 0; node < a->nodes; node++) /* not for ever: the policy of the day may have no such queue */
      if (a->streams[node].open && !a->streams[node].incarnation && a->streams[node].tries++ < TRIES) sayAttach(a, node);
  }
  publish("bp.ctl.alive.cpu-scheduler", "{\"service\":\"cpu-scheduler\",\"instance\":\"%s\",\"incarnation\":\"%s\",\"pid\":%d,\"hosting\":[%s]}", instance, life, getpid(), hosting);
}
static void onPayload(int sid, const char *reply, char *payload) {
  if (sid <= 6) { /* $SRV.PING, $SRV.INFO */
    if (*reply) publish(reply, "{\"type\":\"io.nats.micro.v1.%s_response\",\"name\":\"cpu-scheduler\",\"id\":\"%s\",\"version\":\"0.1.0\",\"metadata\":{\"instance\":\"%s\",\"incarnation\":\"%s\"}%s}",
                        sid <= 3 ? "ping" : "info", instance, instance, life, sid <= 3 ? "" : ",\"description\":\"round robin in C\",\"endpoints\":[]");
    return;
  }
  used = 0; at = payload;
  json *body = value();
  if (sid == 7) { control(body, reply); return; }
  for (int i = 0; i < ACTORS; i++) if (actors[i] && actors[i]->sid == sid) { onMessage(actors[i], body); return; }
}
static void open_(void) {
  const char *url = getenv("BACKPLANE_NATS_URL") ? getenv("BACKPLANE_NATS_URL") : getenv("NATS_URL") ? getenv("NATS_URL") : "nats://127.0.0.1:4222";
  char name[256], port[16] = "4222";
  snprintf(name, sizeof name, "%s", strstr(url, "://") ? strstr(url, "://") + 3 : url);
  char *colon = strrchr(name, ':');
  if (colon) { *colon = 0; snprintf(port, sizeof port, "%d", atoi(colon + 1)); }
  struct addrinfo *found, wanted = {.ai_socktype = SOCK_STREAM};
  if (getaddrinfo(name, port, &wanted, &found)) { fprintf(stderr, "no such address: %s\n", url); exit(1); }
  sock = socket(found->ai_family, found->ai_socktype, 0);
  if (connect(sock, found->ai_addr, found->ai_addrlen)) { fprintf(stderr, "no NATS at %s\n", url); exit(1); }
  int yes = 1;
  setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* small answers must not wait for the acknowledgement of the last one */
  const char *user = getenv("BACKPLANE_NATS_USER"), *password = getenv("BACKPLANE_NATS_PASSWORD");
  char line[1024], login[512] = "";
  if (user) snprintf(login, sizeof login, ",\"user\":\"%s\",\"pass\":\"%s\"", user, password ? password : "");
  sendAll(line, snprintf(line, sizeof line, "CONNECT {\"verbose\":false,\"headers\":true,\"protocol\":1,\"lang\":\"c\",\"version\":\"0\",\"name\":\"cpu-scheduler/%s\"%s}\r\n", instance, login));
  const char *tails[] = {"", ".cpu-scheduler", NULL};
  snprintf(line, sizeof line, ".cpu-scheduler.%s", instance);
  tails[2] = line;
  for (int verb = 1; verb <= 2; verb++)
    for (int i = 0; i < 3; i++) { char subject[512]; snprintf(subject, sizeof subject, "$SRV.%s%s", verb == 1 ? "PING" : "INFO", tails[i]); subscribe(subject, 3 * (verb - 1) + i + 1); }
  char subject[512];
  snprintf(subject, sizeof subject, "bp.ctl.host.%s", instance);
  subscribe(subject, 7);
}
int main(void) {
  snprintf(instance, sizeof instance, "%s", getenv("BACKPLANE_INSTANCE") ? getenv("BACKPLANE_INSTANCE") : "cpu-scheduler-c");
  snprintf(life, sizeof life, "%lld-%d", (num)time(NULL), getpid());
  open_();
  static char in[1 << 22];
  size_t have = 0;
  for (time_t told = 0;;) {
    if (time(NULL) > told) { told = time(NULL); sayAlive(); }
    struct pollfd wait = {.fd = sock, .events = POLLIN};
    if (poll(&wait, 1, 500) <= 0) continue;
    ssize_t got = read(sock, in + have, sizeof in - 1 - have);
    if (got <= 0) { fprintf(stderr, "the bus has gone\n"); return 1; }
    have += got; in[have] = 0;
    for (char *end; (end = memmem(in, have, "\r\n", 2));) { /* MSG subject sid [reply] bytes; HMSG subject sid [reply] head bytes */
      size_t line = end + 2 - in, total = 0, head = 0;
      char words[6][512] = {""};
      int isHead = !strncmp(in, "HMSG ", 5), count = 0;
      if (isHead || !strncmp(in, "MSG ", 4)) {
        *end = 0;
        count = sscanf(in, "%*s %511s %511s %511s %511s %511s", words[0], words[1], words[2], words[3], words[4]);
        *end = '\r';
        total = atoll(words[count - 1]); head = isHead ? atoll(words[count - 2]) : 0;
        if (have < line + total + 2) break;
        char kept = in[line + total];
        in[line + total] = 0;
        onPayload(atoi(words[1]), count == (isHead ? 5 : 4) ? words[2] : "", in + line + head);
        in[line + total] = kept;
        total += 2;
      } else if (!strncmp(in, "PING", 4)) sendAll("PONG\r\n", 6);
      else if (!strncmp(in, "-ERR", 4)) fprintf(stderr, "%.*s\n", (int)(line - 2), in);
      memmove(in, in + line + total, have - line - total + 1);
      have -= line + total;
    }
  }
}
