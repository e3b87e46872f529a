"""round_robin.py with a fault, for tests: `silent` says nothing after its fourth commit to a node, `flood` decides for tasks that it makes up."""
import pathlib, sys

PROGRAM = pathlib.Path(__file__).parents[2] / "examples" / "round_robin.py"
SAID = 'self.send(node, kind="SchedulerCommit", epoch=self.epoch, generation=stream.generation, incarnation=stream.life, **what)'
FAULTS = {
    "silent": f"stream.commit > 4 or {SAID}",
    "flood": 'what["decisions"] = [{**run, "task": f"ghost-{number}"} for run in what["decisions"] for number in range(80)]; ' + SAID,
}
text = PROGRAM.read_text()
assert SAID in text, "round_robin.py says its commits in another way now"
exec(compile(text.replace(SAID, FAULTS[sys.argv[1]]), str(PROGRAM), "exec"))
