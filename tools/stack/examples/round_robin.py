"""A scheduler service in Python 3.9: round robin, standard library only, NATS by hand. Its rules: libs/schedule/contract/README.md.
    npm start -- --replace cpu-scheduler='python3 tools/stack/examples/round_robin.py'     (machines in free mode only)"""
import asyncio, json, os, re, urllib.parse, uuid
from types import SimpleNamespace as Record
SERVICE, INSTANCE = "cpu-scheduler", os.environ.get("BACKPLANE_INSTANCE", f"cpu-scheduler-{os.getpid()}")
ME = {"service": SERVICE, "instance": INSTANCE, "incarnation": str(uuid.uuid4())}

class Scheduler:  # one run queue of one machine: its waiting tasks, and the CPUs that it feeds
    def __init__(self, send, life, spec):
        self.send, self.life, self.tick, self.slice_ticks = send, life, spec["clock"]["tickCycles"], spec["schedule"]["sliceTicks"]
        self.epoch, self.now = 1, 0  # of the policy; virtual time as nodes told it last
        self.generation = life * 1_048_576  # of the latest stream of events: never one twice, over all our lives
        self.waiting, self.idle, self.streams = [], {}, {}  # tasks, oldest first; CPUs, with what was decided for them; by node
        for node in range(spec["topology"]["nodes"]):
            self.attach(node)

    def attach(self, node):  # life: of the node, 0 before its snapshot
        self.generation, self.streams[node] = self.generation + 1, Record(generation=self.generation + 1, life=0, seen=0, commit=0)
        self.waiting = [task for task in self.waiting if task["node"] != node]
        self.idle = {cpu: idle for cpu, idle in self.idle.items() if idle.node != node}
        self.send(node, kind="SchedulerAttach", epoch=self.epoch, generation=self.generation)

    def hear(self, kind, node, epoch, **body):
        if kind == "NodeUp" and epoch > self.epoch:  # a policy takes over: all claims are void
            self.epoch, self.waiting, self.idle, self.streams = epoch, [], {}, {}
        stream = self.streams.get(node)
        if kind == "NodeUp" and epoch == self.epoch and (stream is None or stream.life > 0):  # otherwise an attach is on its way
            self.attach(node)
        elif stream and (epoch, body.get("generation")) == (self.epoch, stream.generation):  # not of a stream that is over
            self.on_events(node, stream, **body) if kind == "SchedulerEvents" else self.on_verdicts(node, **body)

    def on_events(self, node, stream, seq, incarnation, at, events, **_):
        if stream.life not in (0, incarnation) or seq > stream.seen + 1:  # after a gap all will be said again
            return self.attach(node) if incarnation > stream.life > 0 else None  # a new life of the node has forgotten all
        lost = [idle for _, idle in sorted(self.idle.items()) if seq <= stream.seen and idle.run and idle.node == node]
        for event in events if seq > stream.seen else []:
            task, cpu = event.get("task"), event.get("cpu")  # the view of one that waits now, or the name of one that does not
            name, last = (task["task"], task["taskSeq"]) if isinstance(task, dict) else (task, event.get("taskSeq", 0))
            places = [place for place, one in enumerate(self.waiting) if one["task"] == name and "state" in event] + [len(self.waiting)]
            self.waiting = [one for one in self.waiting if one["task"] != name or one["taskSeq"] > last]  # claims up to that are void
            self.waiting[places[0]:places[0]] = [task] if task != name and event.get("state", "waiting") == "waiting" else []
            self.waiting.sort(key=lambda one: one["ordinal"] if at < self.tick else 0)  # before the first tick: as they were made
            self.idle.pop(cpu, None)  # what was decided for it is done, or came too late, or was lost
            self.idle |= {cpu: Record(seq=event["idleSeq"], node=node, run=None)} if event["type"] == "CPU_IDLE" else {}
        self.now, stream.life, stream.seen = max(self.now, at), incarnation, max(seq, stream.seen)
        self.decide({node: lost})  # a copy: our answer may be lost, and the decisions in it

    def on_verdicts(self, node, commit, verdicts, at=0, **_):
        self.now, judged = max(self.now, at), [idle for idle in self.idle.values() if idle.run and idle.said[:2] == (node, commit)]
        for idle, verdict in [(idle, verdicts[idle.said[2]]) for idle in sorted(judged, key=lambda one: one.said)]:
            if verdict != "OK":
                claim = [task for task in self.waiting if task["task"] == idle.run["task"]]  # still good for two of the reasons
                self.waiting = claim * (verdict in ("CPU_BUSY", "BAD_SLICE")) + [task for task in self.waiting if task not in claim]
                if verdict == "CPU_BUSY":
                    del self.idle[idle.run["cpu"]]
                idle.run = None
        self.decide({})

    def decide(self, answers):  # the policy: each idle CPU takes the oldest that may run there, until the slice ends that now lies in
        end = ((self.now // self.tick - 1) // self.slice_ticks * self.slice_ticks + self.slice_ticks + 1) * self.tick
        for cpu, idle in sorted(self.idle.items()):
            taken = {other.run["task"] for other in self.idle.values() if other.run}
            one = next((one for one in self.waiting if one["task"] not in taken and cpu in (one["affinity"] or [cpu])), None)
            if one and not idle.run:
                idle.run = dict(type="RUN", cpu=cpu, task=one["task"], taskSeq=one["taskSeq"], at=one["node"], until=end, idleSeq=idle.seq)
                answers.setdefault(idle.node, []).append(idle)
        for node, idles in sorted(answers.items()):  # a node that has spoken gets an answer, others only work
            (stream := self.streams[node]).commit += 1
            for index, idle in enumerate(idles):
                idle.said = (node, stream.commit, index)
            what = {"commit": stream.commit, "seen": stream.seen, "decisions": [idle.run for idle in idles]}
            self.send(node, kind="SchedulerCommit", epoch=self.epoch, generation=stream.generation, incarnation=stream.life, **what)

async def serve():
    url = urllib.parse.urlparse(os.environ.get("BACKPLANE_NATS_URL", "nats://127.0.0.1:4222"))
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    hosted, trace, asked = {}, "", []  # (machine, "scheduler.<queue>") -> Scheduler; header with the trace of the message in hand; no snapshot yet
    def publish(subject, value):
        head, body = f"NATS/1.0\r\n{trace}\r\n", json.dumps(value)  # all ASCII
        writer.write(f"HPUB {subject} {len(head)} {len(head + body)}\r\n{head}{body}\r\n".encode())
    async def say_alive():
        while True:
            hosting = [{"machine": machine, "actor": id, "epoch": actor.life} for (machine, id), actor in hosted.items()]
            publish(f"bp.ctl.alive.{SERVICE}", {**ME, "pid": os.getpid(), "hosting": hosting})
            [actor.attach(node) for actor, node, stream in asked if actor.streams.get(node) is stream and stream.life == 0]  # again, until it comes
            asked[:] = [(actor, node, stream) for actor in hosted.values() for node, stream in actor.streams.items() if stream.life == 0]
            await asyncio.sleep(1)
    def control(op, machine="", actors=(), epoch=1, mode=None, **_):
        if op == "host" and mode["kind"] != "free":
            return {"ok": False, "field": "/mode/kind", "reason": "this scheduler keeps to the wall clock: free machines only"}
        gone = [key for key in hosted if op == "unhost" and key[0] == machine and (actors == "all" or key[1] in actors)]
        new = [one for one in actors if op == "host" and getattr(hosted.get((machine, one["id"])), "life", 0) != epoch]
        for id, spec in [(one["id"], one["config"]) for one in new]:
            writer.write(f"SUB bp.{machine}.{id}.> {machine}.{id}\r\n".encode())  # no more than is for us: the rest would cost time
            send = lambda node, id=id, **body: publish(f"bp.{machine}.node.{node}.{id}", {"queue": id.split(".")[1], **body})
            hosted[machine, id] = Scheduler(send, epoch, spec)
        [hosted.pop(key) and writer.write(f"UNSUB {'.'.join(key)}\r\n".encode()) for key in gone]
        return {"ok": True, "op": op, **ME, "started": [one["id"] for one in new], "already": [], "stopped": [id for _, id in gone]}
    login = {"user": os.environ.get("BACKPLANE_NATS_USER"), "pass": os.environ.get("BACKPLANE_NATS_PASSWORD")}
    hello = json.dumps({"verbose": False, "headers": True, "name": INSTANCE, **login})
    writer.write(f"CONNECT {hello}\r\nSUB bp.ctl.host.{INSTANCE} 1\r\nSUB $SRV.> 2\r\n".encode())
    task = asyncio.create_task(say_alive())
    while words := (await reader.readline()).decode().split():  # MSG subject sid [reply] bytes; HMSG subject sid [reply] head-bytes bytes
        writer.write(b"PONG\r\n" if words[0] == "PING" else b"")
        if words[0] not in ("MSG", "HMSG"):
            continue
        data, head = await reader.readexactly(int(words[-1]) + 2), int(words[-2]) if words[0] == "HMSG" else 0
        trace = "".join(re.findall("traceparent:.*?\r\n", data[:head].decode()))
        sid, subject, reply, payload = words[2], words[1].split("."), words[3], data[head:]
        if sid == "1":
            publish(reply, control(**json.loads(payload)))
        elif sid == "2" and subject[2:] in ([], [SERVICE], [SERVICE, INSTANCE]):  # $SRV.PING, $SRV.INFO: ready
            me = {"name": SERVICE, "id": INSTANCE, "version": "0.1.0", "metadata": ME, "description": "in Python", "endpoints": []}
            publish(reply, {"type": f"io.nats.micro.v1.{subject[1].lower()}_response", **me})
        elif actor := hosted.get(tuple(sid.split(".", 1))):
            actor.hear(**json.loads(payload))
        trace = ""

asyncio.run(serve())
