// A scheduler service in Go: round robin, standard library only, the NATS text protocol by hand.
//
//	go build -o round_robin tools/stack/examples/round_robin.go
//	npm start -- --replace cpu-scheduler=./round_robin
//
// The same choices as round_robin.py and round_robin.c beside it and as policy rr of libs/schedule/policies. The rules that it keeps: README
// of libs/schedule/contract. Nodes hold the truth, and go on by themselves if it dies. Free machines only.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

const service = "cpu-scheduler"

// What is remembered of commits, for the verdicts that may come.
const commitsMax = 64

type view struct {
	Task     string `json:"task"`
	TaskSeq  int64  `json:"taskSeq"`
	Ordinal  int64  `json:"ordinal"`
	Node     int    `json:"node"`
	Affinity []int  `json:"affinity"`
}

type event struct {
	Type    string          `json:"type"`
	Task    json.RawMessage `json:"task"` // the view of one that waits now, or the name of one that does not
	TaskSeq int64           `json:"taskSeq"`
	State   string          `json:"state"` // of a task whose weight or affinity changed
	Cpu     *int            `json:"cpu"`
	IdleSeq int64           `json:"idleSeq"`
}

type message struct {
	Kind        string   `json:"kind"`
	Epoch       int64    `json:"epoch"`
	Generation  int64    `json:"generation"`
	Incarnation int64    `json:"incarnation"`
	Node        int      `json:"node"`
	At          int64    `json:"at"`
	Seq         int64    `json:"seq"`
	Events      []event  `json:"events"`
	Commit      int64    `json:"commit"`
	Verdicts    []string `json:"verdicts"`
}

type run struct {
	Type    string `json:"type"`
	Cpu     int    `json:"cpu"`
	Task    string `json:"task"`
	TaskSeq int64  `json:"taskSeq"`
	At      int    `json:"at"`
	Until   int64  `json:"until"`
	IdleSeq int64  `json:"idleSeq"`
}

type spec struct {
	Clock    struct{ TickCycles int64 }
	Schedule struct{ SliceTicks int64 }
	Topology struct{ Nodes int }
}

// stream of events from one node, and of commits the other way; a new generation for every time that we attach.
type stream struct {
	generation, incarnation, seen, commit int64 // incarnation: life of the node, 0 before its snapshot
	commits                               map[int64][]*run
	asked                                 bool // it waited for its snapshot when we said last that we are alive
}

// idle is a CPU without work, with the decision that is on its way to it.
type idle struct {
	seq  int64
	node int
	run  *run
}

// scheduler holds one run queue of one machine: its waiting tasks, oldest first, and the CPUs that it feeds.
type scheduler struct {
	queue                                            string
	life, generation, epoch, now, tick, sliceOfTicks int64
	waiting                                          []view
	idle                                             map[int]*idle
	streams                                          map[int]*stream
	send                                             func(node int, body map[string]any)
}

func newScheduler(queue string, life int64, of spec, send func(int, map[string]any)) *scheduler {
	s := &scheduler{queue: queue, life: life, generation: life << 20, epoch: 1, tick: of.Clock.TickCycles, sliceOfTicks: of.Schedule.SliceTicks, send: send}
	s.forget()
	for node := 0; node < of.Topology.Nodes; node++ {
		s.attach(node)
	}
	return s
}

func (s *scheduler) forget() { s.waiting, s.idle, s.streams = nil, map[int]*idle{}, map[int]*stream{} }

func (s *scheduler) attach(node int) {
	s.generation++ // never one twice, over all our lives
	s.streams[node] = &stream{generation: s.generation, commits: map[int64][]*run{}}
	s.keep(func(one view) bool { return one.Node != node })
	for cpu, idle := range s.idle {
		if idle.node == node {
			delete(s.idle, cpu)
		}
	}
	s.send(node, map[string]any{"kind": "SchedulerAttach", "epoch": s.epoch, "queue": s.queue, "generation": s.generation})
}

// keep drops the claims that do not fit.
func (s *scheduler) keep(fits func(view) bool) {
	kept := []view{}
	for _, one := range s.waiting {
		if fits(one) {
			kept = append(kept, one)
		}
	}
	s.waiting = kept
}

func (s *scheduler) hear(m message) {
	if m.Kind == "NodeUp" && m.Epoch > s.epoch { // a policy takes over: all claims are void
		s.epoch = m.Epoch
		s.forget()
	}
	at := s.streams[m.Node]
	switch {
	case m.Kind == "NodeUp" && m.Epoch == s.epoch && (at == nil || at.incarnation > 0): // otherwise an attach is on its way
		s.attach(m.Node)
	case at == nil || m.Epoch != s.epoch || m.Generation != at.generation: // of a stream that is over
	case m.Kind == "SchedulerEvents":
		s.onEvents(at, m)
	case m.Kind == "SchedulerVerdicts":
		s.onVerdicts(at, m)
	}
}

func (s *scheduler) onEvents(at *stream, m message) {
	switch {
	case at.incarnation > 0 && m.Incarnation > at.incarnation: // a new life of the node: it has forgotten all
		s.attach(m.Node)
		return
	case m.Incarnation < at.incarnation || m.Seq > at.seen+1: // a word of the dead, or a gap: it will be said again
		return
	}
	at.incarnation = m.Incarnation
	answers := map[int][]*run{m.Node: {}}
	if m.At > s.now {
		s.now = m.At
	}
	if m.Seq <= at.seen { // a copy: our answer may be lost, and the decisions in it
		for _, cpu := range s.idleCpus() {
			if idle := s.idle[cpu]; idle.run != nil && idle.node == m.Node {
				answers[m.Node] = append(answers[m.Node], idle.run)
			}
		}
	} else {
		at.seen = m.Seq
		for _, one := range m.Events {
			s.onEvent(m.Node, one)
		}
	}
	s.decide(answers)
}

func (s *scheduler) onEvent(node int, e event) {
	var task view
	isView := json.Unmarshal(e.Task, &task) == nil && task.Task != ""
	if !isView {
		task.TaskSeq = e.TaskSeq
		_ = json.Unmarshal(e.Task, &task.Task)
	}
	place := len(s.waiting)
	for index, one := range s.waiting {
		if e.State != "" && one.Task == task.Task { // its weight or affinity changed: it keeps its place
			place = index
		}
	}
	s.keep(func(one view) bool { return one.Task != task.Task || one.TaskSeq > task.TaskSeq }) // claims up to that are void
	if isView && (e.State == "" || e.State == "waiting") {
		if place > len(s.waiting) {
			place = len(s.waiting)
		}
		s.waiting = append(s.waiting[:place:place], append([]view{task}, s.waiting[place:]...)...)
	}
	if s.now < s.tick { // before the first tick in the order of their making, whichever node tells first
		sort.SliceStable(s.waiting, func(a, b int) bool { return s.waiting[a].Ordinal < s.waiting[b].Ordinal })
	}
	if e.Cpu == nil {
		return
	}
	delete(s.idle, *e.Cpu) // what was decided for it is done, or came too late, or was lost: then its claim still waits
	if e.Type == "CPU_IDLE" {
		s.idle[*e.Cpu] = &idle{seq: e.IdleSeq, node: node}
	}
}

func (s *scheduler) onVerdicts(at *stream, m message) {
	if m.At > s.now { // or a slice that was over would be given again and again
		s.now = m.At
	}
	runs := at.commits[m.Commit]
	delete(at.commits, m.Commit)
	for index, refused := range runs {
		idle := s.idle[refused.Cpu]
		if index >= len(m.Verdicts) || m.Verdicts[index] == "OK" || idle == nil || idle.run != refused {
			continue
		}
		idle.run = nil
		isGood := m.Verdicts[index] == "CPU_BUSY" || m.Verdicts[index] == "BAD_SLICE"
		for _, claim := range s.waiting {
			if claim.Task == refused.Task { // after any other verdict an event tells how the task fares
				s.keep(func(one view) bool { return one.Task != refused.Task })
				if isGood {
					s.waiting = append([]view{claim}, s.waiting...)
				}
				break
			}
		}
		if m.Verdicts[index] == "CPU_BUSY" {
			delete(s.idle, refused.Cpu)
		}
	}
	s.decide(map[int][]*run{})
}

func (s *scheduler) idleCpus() []int {
	cpus := []int{}
	for cpu := range s.idle {
		cpus = append(cpus, cpu)
	}
	sort.Ints(cpus)
	return cpus
}

// The policy: each idle CPU takes the oldest task that may run there, until the slice ends that now lies in.
func (s *scheduler) decide(answers map[int][]*run) {
	until := ((s.now/s.tick-1)/s.sliceOfTicks*s.sliceOfTicks + s.sliceOfTicks + 1) * s.tick
	if s.now < s.tick { // before tick 0
		until = s.tick
	}
	taken := map[string]bool{}
	for _, idle := range s.idle {
		if idle.run != nil {
			taken[idle.run.Task] = true
		}
	}
	for _, cpu := range s.idleCpus() {
		idle := s.idle[cpu]
		for _, one := range s.waiting {
			if idle.run != nil || taken[one.Task] || !mayRun(one, cpu) {
				continue
			}
			taken[one.Task] = true
			idle.run = &run{Type: "RUN", Cpu: cpu, Task: one.Task, TaskSeq: one.TaskSeq, At: one.Node, Until: until, IdleSeq: idle.seq}
			answers[idle.node] = append(answers[idle.node], idle.run)
		}
	}
	nodes := []int{}
	for node := range answers { // a node that has spoken gets an answer, others only work
		nodes = append(nodes, node)
	}
	sort.Ints(nodes)
	for _, node := range nodes {
		at := s.streams[node]
		at.commit++
		at.commits[at.commit] = answers[node]
		delete(at.commits, at.commit-commitsMax)
		s.send(node, map[string]any{"kind": "SchedulerCommit", "epoch": s.epoch, "queue": s.queue, "generation": at.generation,
			"incarnation": at.incarnation, "commit": at.commit, "seen": at.seen, "decisions": answers[node]})
	}
}

func mayRun(one view, cpu int) bool {
	for _, allowed := range one.Affinity {
		if allowed == cpu {
			return true
		}
	}
	return len(one.Affinity) == 0
}

// process is the service on the bus.
type process struct {
	lock                  sync.Mutex
	out                   io.Writer
	instance, incarnation string
	trace                 string                           // header of the message in hand
	hosted                map[string]map[string]*scheduler // machine -> "scheduler.<queue>"
}

func (p *process) publish(subject string, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	head := "NATS/1.0\r\n" + p.trace + "\r\n"
	if _, err := fmt.Fprintf(p.out, "HPUB %s %d %d\r\n%s%s\r\n", subject, len(head), len(head)+len(body), head, body); err != nil {
		log.Fatal(err)
	}
}

type request struct {
	Op, Machine string
	Epoch       int64
	Mode        struct{ Kind string }
	Actors      json.RawMessage
}

func (p *process) control(r request) map[string]any {
	done := []string{}
	switch {
	case r.Op == "host" && r.Mode.Kind != "free":
		return map[string]any{"ok": false, "field": "/mode/kind", "reason": "this scheduler keeps to the wall clock: free machines only"}
	case r.Op == "host":
		actors := []struct {
			Id     string
			Config spec
		}{}
		if err := json.Unmarshal(r.Actors, &actors); err != nil {
			return map[string]any{"ok": false, "field": "/actors", "reason": err.Error()}
		}
		if p.hosted[r.Machine] == nil {
			p.hosted[r.Machine] = map[string]*scheduler{}
		}
		for _, actor := range actors {
			id := actor.Id
			if old := p.hosted[r.Machine][id]; old != nil && old.life == r.Epoch {
				continue
			}
			send := func(node int, body map[string]any) {
				p.publish(fmt.Sprintf("bp.%s.node.%d.%s", r.Machine, node, id), body)
			}
			// What is for others would cost time; saying it twice is no harm.
			fmt.Fprintf(p.out, "SUB bp.%s.%s.> %s.%s\r\n", r.Machine, id, r.Machine, id)
			p.hosted[r.Machine][id] = newScheduler(strings.TrimPrefix(id, "scheduler."), r.Epoch, actor.Config, send)
			done = append(done, id)
		}
		return map[string]any{"ok": true, "op": r.Op, "started": done, "already": []string{}}
	case r.Op == "unhost":
		named := []string{}
		isAll := json.Unmarshal(r.Actors, &named) != nil // "all"
		for id := range p.hosted[r.Machine] {
			if isAll || strings.Contains(" "+strings.Join(named, " ")+" ", " "+id+" ") {
				delete(p.hosted[r.Machine], id)
				fmt.Fprintf(p.out, "UNSUB %s.%s\r\n", r.Machine, id)
				done = append(done, id)
			}
		}
		return map[string]any{"ok": true, "op": r.Op, "stopped": done}
	}
	return map[string]any{"ok": true, "op": r.Op, "service": service, "instance": p.instance, "incarnation": p.incarnation}
}

func (p *process) sayAlive() {
	p.lock.Lock()
	defer p.lock.Unlock()
	hosting := []map[string]any{}
	for machine, actors := range p.hosted {
		for id, actor := range actors {
			hosting = append(hosting, map[string]any{"machine": machine, "actor": id, "epoch": actor.life})
			for node, at := range actor.streams {
				if at.incarnation > 0 {
					continue
				}
				if at.asked { // since the last time at least: again, until the snapshot comes
					actor.attach(node)
				} else {
					at.asked = true
				}
			}
		}
	}
	p.publish("bp.ctl.alive."+service, map[string]any{"service": service, "instance": p.instance, "incarnation": p.incarnation, "pid": os.Getpid(), "hosting": hosting})
}

func (p *process) onMessage(subject, reply, head string, payload []byte) {
	p.lock.Lock()
	defer p.lock.Unlock()
	for _, line := range strings.SplitAfter(head, "\r\n") {
		if strings.HasPrefix(line, "traceparent:") {
			p.trace = line
		}
	}
	defer func() { p.trace = "" }()
	words := strings.Split(subject, ".")
	switch {
	case words[0] == "$SRV": // PING, INFO, perhaps with the names of service and process: ready
		if rest := strings.Join(words[2:], "."); rest != "" && rest != service && rest != service+"."+p.instance {
			return
		}
		p.publish(reply, map[string]any{"type": "io.nats.micro.v1." + strings.ToLower(words[1]) + "_response", "name": service, "id": p.instance,
			"version": "0.1.0", "metadata": map[string]string{"instance": p.instance, "incarnation": p.incarnation}, "description": "in Go", "endpoints": []string{}})
	case words[1] == "ctl":
		var r request
		if err := json.Unmarshal(payload, &r); err != nil {
			p.publish(reply, map[string]any{"ok": false, "field": "", "reason": err.Error()})
			return
		}
		p.publish(reply, p.control(r))
	default:
		var m message
		actor := p.hosted[words[1]][words[2]+"."+words[3]]
		if err := json.Unmarshal(payload, &m); err == nil && actor != nil {
			actor.hear(m)
		}
	}
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	at, err := url.Parse(env("BACKPLANE_NATS_URL", env("NATS_URL", "nats://127.0.0.1:4222")))
	if err != nil {
		log.Fatalf("BACKPLANE_NATS_URL: %v", err)
	}
	socket, err := net.Dial("tcp", at.Host)
	if err != nil {
		log.Fatalf("no NATS: %v", err)
	}
	p := &process{out: socket, hosted: map[string]map[string]*scheduler{}}
	p.instance = env("BACKPLANE_INSTANCE", fmt.Sprintf("%s-%d", service, os.Getpid()))
	p.incarnation = fmt.Sprintf("%d-%d", time.Now().UnixNano(), os.Getpid())
	hello, _ := json.Marshal(map[string]any{"verbose": false, "headers": true, "name": p.instance, "user": os.Getenv("BACKPLANE_NATS_USER"), "pass": os.Getenv("BACKPLANE_NATS_PASSWORD")})
	fmt.Fprintf(socket, "CONNECT %s\r\nSUB $SRV.> 1\r\nSUB bp.ctl.host.%s 2\r\n", hello, p.instance)
	go func() {
		for ; ; time.Sleep(time.Second) {
			p.sayAlive()
		}
	}()
	in := bufio.NewReader(socket)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			log.Fatal("the bus has gone")
		}
		words := append(strings.Fields(line), "")
		switch words[0] {
		case "PING":
			p.lock.Lock()
			fmt.Fprint(socket, "PONG\r\n")
			p.lock.Unlock()
		case "-ERR":
			log.Print(line)
		case "MSG", "HMSG": // MSG subject sid [reply] bytes; HMSG subject sid [reply] head-bytes bytes
			tail := map[string]int{"MSG": 1, "HMSG": 2}[words[0]]
			total, _ := strconv.Atoi(words[len(words)-2])
			head, _ := strconv.Atoi(words[len(words)-1-tail])
			head *= tail - 1
			data := make([]byte, total+2)
			if _, err := io.ReadFull(in, data); err != nil {
				log.Fatal("the bus has gone")
			}
			p.onMessage(words[1], words[3], string(data[:head]), data[head:total])
		}
	}
}
