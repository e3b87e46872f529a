#!/usr/bin/env python3
"""A scheduler service in another language: round robin, Python 3, standard library only.

    npm start -- --replace cpu-scheduler='python3 tools/stack/examples/round_robin.py'

It plays the service `cpu-scheduler`: answers $SRV.PING and $SRV.INFO (NATS services protocol), says each second on
bp.ctl.alive.cpu-scheduler what it hosts, takes schedulers on bp.ctl.host.<instance>, and speaks the scheduler contract of
libs/scenario/codec/MESSAGES.md. Machines in free mode only: in lock-step a process must also keep to the machine clock.

What it believes may be wrong at any time: nodes hold the truth and refuse what does not fit. If it dies, nodes go on by themselves
(their built-in queue), and the next life is told everything again.
"""

import asyncio
import json
import os
import signal
import sys
import uuid
from urllib.parse import urlparse

SERVICE = "cpu-scheduler"
INSTANCE = os.environ.get("BACKPLANE_INSTANCE", f"{SERVICE}-{os.getpid()}")
INCARNATION = str(uuid.uuid4())
TRIES_MAX = 5


class Stream:
    """Events from one node to one scheduler, and commits the other way. A new generation for every time that we attach."""

    def __init__(self, generation):
        self.generation = generation
        self.incarnation = 0  # life of the node; 0 before its snapshot
        self.tries = 1
        self.seen = 0  # event messages handled without a gap
        self.commits = {}  # number -> decisions, of those that may still be refused
        self.last_commit = 0


class Scheduler:
    """One actor, `scheduler.<queue>` of one machine: the waiting tasks of one run queue and the CPUs that it feeds."""

    def __init__(self, queue, life, spec):
        self.queue, self.life = queue, life
        self.tick_cycles = spec["clock"]["tickCycles"]
        self.slice_ticks = spec["schedule"]["sliceTicks"]
        self.now = 0  # virtual time of the latest word of a node
        self.nodes = range(spec["topology"]["nodes"])
        self.epoch = 1  # of the policy; nodes tell where it is higher
        self.attaches = life * 1_048_576  # generations of streams never repeat, not even over our lives
        self.forget_all()

    def start(self):
        """Takes up the queue. A node that goes by another policy answers with NodeUp, any other with a snapshot."""
        return [message for node in self.nodes for message in self.attach(node)]

    def repeat(self):
        """What was not answered is said again; not for ever, for the policy of the day may have no such queue."""
        closed = [(node, stream) for node, stream in self.streams.items() if stream.incarnation == 0]
        for node, stream in closed:
            stream.tries += 1
            if stream.tries > TRIES_MAX:
                del self.streams[node]
        return [(node, self.attach_message(stream)) for node, stream in closed if stream.tries <= TRIES_MAX]

    def forget_all(self):
        self.waiting = []  # claims: task views, oldest first, each task once
        self.idle = {}  # cpu -> (idleSeq, node)
        self.sent = {}  # cpu -> (the RUN on its way, the claim that it used, the node of the CPU)
        self.streams = {}  # node -> Stream

    def slice_end(self):
        """Virtual time at which the slice ends that now lies in: slices end at multiples of their length; tick 0 begins at one tick.
        The time is that of the latest word of a node: so this needs no clock, and says the same in every run."""
        tick = self.now // self.tick_cycles - 1
        return ((tick // self.slice_ticks + 1) * self.slice_ticks + 1) * self.tick_cycles

    def on_message(self, body):
        """Answers one message with a list of (node, body) to send."""
        if body["kind"] == "NodeUp":
            return self.on_node_up(body)
        stream = self.streams.get(body.get("node"))
        if stream is None or body["epoch"] != self.epoch or body["generation"] != stream.generation:
            return []  # said under another policy, or on a stream that is over
        if body["kind"] == "SchedulerEvents":
            return self.on_events(stream, body)
        if body["kind"] == "SchedulerVerdicts":
            return self.on_verdicts(stream, body)
        return []

    def on_node_up(self, up):
        if up["epoch"] < self.epoch:
            return []
        if up["epoch"] > self.epoch:  # a policy takes over: all claims are void
            self.epoch = up["epoch"]
            self.forget_all()
        stream = self.streams.get(up["node"])
        return [] if stream and stream.incarnation == 0 else self.attach(up["node"])  # an attach is on its way, or is due

    def attach(self, node):
        self.attaches += 1
        self.streams[node] = Stream(self.attaches)
        self.waiting = [task for task in self.waiting if task["node"] != node]
        for cpu in [cpu for cpu, (_, at) in self.idle.items() if at == node]:
            del self.idle[cpu]
        return [(node, self.attach_message(self.streams[node]))]

    def attach_message(self, stream):
        return {"kind": "SchedulerAttach", "epoch": self.epoch, "queue": self.queue, "generation": stream.generation}

    def on_events(self, stream, message):
        node, incarnation, seq = message["node"], message["incarnation"], message["seq"]
        if stream.incarnation == 0:
            stream.incarnation = incarnation
        if incarnation > stream.incarnation:
            return self.attach(node)  # a new life of the node: it has forgotten all
        if incarnation < stream.incarnation or seq > stream.seen + 1:
            return []  # a word of the dead, or a gap: the node will say again what is missing
        self.now = max(self.now, message["at"])
        again = []
        if seq <= stream.seen:  # the node repeats itself: our last commit may be lost, and the decisions in it
            again = [run for _, (run, _, at) in sorted(self.sent.items()) if at == node]
        if seq == stream.seen + 1:
            stream.seen = seq
            for event in message["events"]:
                self.on_event(node, event)
        return self.decide(node, again)

    def on_event(self, node, event):
        kind, cpu = event["type"], event.get("cpu")
        if kind in ("TASK_NEW", "TASK_PREEMPTED", "TASK_YIELD", "TASK_WAKEUP"):
            task = event["task"]
            self.drop(task["task"], task["taskSeq"])
            self.waiting.append(task)
            if self.now < self.tick_cycles:  # before the first tick they line up in the order of their making, whichever node tells first
                self.waiting.sort(key=lambda task: task["ordinal"])
        elif kind in ("TASK_DEAD", "TASK_GONE", "TASK_BLOCKED", "CPU_RUNNING"):
            self.drop(event["task"], event["taskSeq"])
        if cpu is None:
            return
        name = event["task"] if isinstance(event.get("task"), str) else event.get("task", {}).get("task")
        run, claim, _ = self.sent.get(cpu, (None, None, None))
        if claim is not None and claim["task"] != name:  # our decision came too late, or was lost: the claim is still good
            del self.sent[cpu]
            self.put_back(claim)
        elif claim is not None:
            del self.sent[cpu]
        if kind == "CPU_IDLE":
            self.idle[cpu] = (event["idleSeq"], node)
        else:
            self.idle.pop(cpu, None)

    def drop(self, name, task_seq):
        """The claim on this state of the task, or on an older one, is void."""
        self.waiting = [task for task in self.waiting if task["task"] != name or task["taskSeq"] > task_seq]

    def put_back(self, claim):
        if all(task["task"] != claim["task"] for task in self.waiting):
            self.waiting.insert(0, claim)

    def decide(self, answered, again=()):
        """One commit to the node whose events are answered, if there is one, and one to each other node that gets work."""
        decisions = {} if answered is None else {answered: [*again]}
        for cpu in sorted(self.idle):
            task = next((task for task in self.waiting if not task["affinity"] or cpu in task["affinity"]), None)
            if task is None:
                continue
            idle_seq, node = self.idle.pop(cpu)
            self.waiting.remove(task)
            run = {"type": "RUN", "cpu": cpu, "task": task["task"], "taskSeq": task["taskSeq"], "at": task["node"],
                   "until": self.slice_end(), "idleSeq": idle_seq}
            self.sent[cpu] = (run, task, node)
            decisions.setdefault(node, []).append(run)
        return [(node, self.commit(self.streams[node], runs)) for node, runs in sorted(decisions.items())]

    def commit(self, stream, runs):
        stream.last_commit += 1
        if runs:
            stream.commits[stream.last_commit] = runs
        stream.commits.pop(stream.last_commit - 64, None)
        return {"kind": "SchedulerCommit", "epoch": self.epoch, "queue": self.queue, "generation": stream.generation,
                "incarnation": stream.incarnation, "commit": stream.last_commit, "seen": stream.seen, "decisions": runs}

    def on_verdicts(self, stream, message):
        for run, verdict in zip(stream.commits.pop(message["commit"], []), message["verdicts"]):
            sent, claim, _ = self.sent.get(run["cpu"], (None, None, None))
            if verdict == "OK" or sent != run:
                continue
            del self.sent[run["cpu"]]
            if verdict in ("CPU_BUSY", "BAD_SLICE"):
                self.put_back(claim)  # for any other verdict an event tells how the task fares
            if verdict != "CPU_BUSY":
                self.idle[run["cpu"]] = (run["idleSeq"], message["node"])
        return self.decide(None)


class Service:
    """The process on the bus: NATS text protocol by hand."""

    def __init__(self):
        self.actors = {}  # (machine, queue) -> Scheduler
        self.subscriptions = {}  # sid -> handler(subject, reply, headers, payload)
        self.sids = {}  # (machine, queue) -> sid
        self.next_sid = 1

    async def run(self):
        url = urlparse(os.environ.get("BACKPLANE_NATS_URL") or os.environ.get("NATS_URL") or "nats://127.0.0.1:4222")
        self.reader, self.writer = await asyncio.open_connection(url.hostname, url.port or 4222)
        options = {"verbose": False, "headers": True, "protocol": 1, "lang": "python", "version": "0", "name": f"{SERVICE}/{INSTANCE}"}
        user = os.environ.get("BACKPLANE_NATS_USER")
        if user:
            options |= {"user": user, "pass": os.environ.get("BACKPLANE_NATS_PASSWORD", "")}
        self.send_line(f"CONNECT {json.dumps(options)}")
        for verb in ("PING", "INFO"):
            for tail in ("", f".{SERVICE}", f".{SERVICE}.{INSTANCE}"):
                self.subscribe(f"$SRV.{verb}{tail}", self.on_srv)
        self.subscribe(f"bp.ctl.host.{INSTANCE}", self.on_host)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
        asyncio.create_task(self.say_alive())
        await self.listen()

    def send_line(self, line, payload=b""):
        self.writer.write(line.encode() + b"\r\n" + (payload + b"\r\n" if payload else b""))

    def subscribe(self, subject, handler):
        sid, self.next_sid = str(self.next_sid), self.next_sid + 1
        self.subscriptions[sid] = handler
        self.send_line(f"SUB {subject} {sid}")
        return sid

    def publish(self, subject, value, traceparent=None):
        payload = json.dumps(value).encode()
        if traceparent is None:
            return self.send_line(f"PUB {subject} {len(payload)}", payload)
        head = f"NATS/1.0\r\ntraceparent: {traceparent}\r\n\r\n".encode()
        self.send_line(f"HPUB {subject} {len(head)} {len(head) + len(payload)}", head + payload)

    async def listen(self):
        while line := (await self.reader.readline()).decode().strip():
            verb, *words = line.split()
            if verb == "PING":
                self.send_line("PONG")
            elif verb == "-ERR":
                print(line, file=sys.stderr, flush=True)
            elif verb in ("MSG", "HMSG"):  # subject sid [reply] [header bytes] total bytes
                data = await self.reader.readexactly(int(words[-1]) + 2)
                head = int(words[-2]) if verb == "HMSG" else 0
                reply = words[2] if len(words) == (5 if verb == "HMSG" else 4) else None
                self.subscriptions.get(words[1], lambda *_: None)(words[0], reply, data[:head].decode(), data[head:-2])
        print("the bus has gone", file=sys.stderr, flush=True)

    async def say_alive(self):
        while True:
            hosting = [{"machine": m, "actor": f"scheduler.{q}", "epoch": each.life} for (m, q), each in self.actors.items()]
            notice = {"service": SERVICE, "instance": INSTANCE, "incarnation": INCARNATION, "pid": os.getpid(), "hosting": hosting}
            self.publish(f"bp.ctl.alive.{SERVICE}", notice)
            for key, actor in self.actors.items():
                self.say(key, actor.repeat())
            await asyncio.sleep(1)

    def on_srv(self, subject, reply, _headers, _payload):
        verb = subject.split(".")[1].lower()
        answer = {"type": f"io.nats.micro.v1.{verb}_response", "name": SERVICE, "id": INSTANCE, "version": "0.1.0",
                  "metadata": {"instance": INSTANCE, "incarnation": INCARNATION}}
        if verb == "info":
            answer |= {"description": "round robin in Python", "endpoints": []}
        if reply:
            self.publish(reply, answer)

    def on_host(self, _subject, reply, _headers, payload):
        try:
            answer = self.control(json.loads(payload))
        except (ValueError, KeyError, TypeError) as error:
            answer = {"ok": False, "field": "", "reason": repr(error)}
        if reply:
            self.publish(reply, answer)

    def control(self, request):
        op, me = request["op"], {"service": SERVICE, "instance": INSTANCE, "incarnation": INCARNATION}
        if op == "ping":
            return {"ok": True, "op": op, **me}
        if op == "report":
            return {"ok": True, "op": op, **me, "pid": os.getpid(), "actors": [], "bus": {}}
        machine = request["machine"]
        if op == "inspect":
            actor = self.actors[machine, request["actor"].split(".")[1]]
            state = {"policy": "round robin in Python", "epoch": actor.epoch, "waiting": [task["task"] for task in actor.waiting]}
            return {"ok": True, "op": op, "machine": machine, "actor": request["actor"], "state": state}
        if op == "unhost":
            named = request["actors"]
            gone = [key for key in self.actors if key[0] == machine and (named == "all" or f"scheduler.{key[1]}" in named)]
            for key in gone:
                self.remove(key)
            return {"ok": True, "op": op, "stopped": [f"scheduler.{queue}" for _, queue in gone]}
        mode = request.get("mode", {"kind": "free"})
        if mode["kind"] != "free":
            return {"ok": False, "field": "/mode/kind", "reason": "this scheduler keeps to the wall clock: free machines only"}
        started, already = [], []
        for actor in request["actors"]:
            key, epoch = (machine, actor["id"].split(".")[1]), request.get("epoch", 1)
            if key in self.actors and self.actors[key].life == epoch:
                already.append(actor["id"])
                continue
            self.remove(key)
            self.actors[key] = Scheduler(key[1], epoch, actor["config"])
            self.sids[key] = self.subscribe(f"bp.{machine}.{actor['id']}.>", lambda *message, key=key: self.on_actor(key, *message))
            self.say(key, self.actors[key].start())
            started.append(actor["id"])
        return {"ok": True, "op": op, "started": started, "already": already}

    def remove(self, key):
        if self.actors.pop(key, None) is not None:
            sid = self.sids.pop(key)
            del self.subscriptions[sid]
            self.send_line(f"UNSUB {sid}")

    def on_actor(self, key, _subject, _reply, headers, payload):
        traceparent = next((line.split(":", 1)[1].strip() for line in headers.splitlines() if line.startswith("traceparent:")), None)
        self.say(key, self.actors[key].on_message(json.loads(payload)), traceparent)

    def say(self, key, messages, traceparent=None):
        machine, queue = key
        for node, body in messages:
            self.publish(f"bp.{machine}.node.{node}.scheduler.{queue}", body, traceparent)


asyncio.run(Service().run())
