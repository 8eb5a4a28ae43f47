"""What is a scenario? A name, a promise of what will be seen, and the play itself; each run has a stage of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tcpwatch.scenarios.stage import Audience, End, Happened, Stage, Wire
from tcpwatch.scenarios.talk import CONNECTIONS

Play = Callable[[Stage, int], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """name: the verdict it is about, with its flavour where there are several. line: what happens, in one sentence.
    verdicts: what each finished connection deserves, by the end it concerns. standing: likewise, while it lasts (at the
    scene "trouble"). listener: what the server's listener deserves meanwhile, "" for nothing. seconds: what a run
    typically takes. long: too long for somebody who looks on. quiet: hardly any work for the machine, so many of them
    may run side by side."""

    name: str
    line: str
    play: Play
    verdicts: Mapping[End, str]
    standing: Mapping[End, str] = field(default_factory=dict)
    listener: str = ""
    seconds: float = 1.0
    long: bool = False
    quiet: bool = True
    wire: Wire = "veth"
    delay_s: float = 0.0
    names: tuple[str, str] = ("client", "server")

    @property
    def ends(self) -> tuple[End, ...]:
        """Those it concerns, the foremost first."""
        return tuple(dict.fromkeys((*self.verdicts, *self.standing)))

    @property
    def verdict(self) -> str:
        """At the foremost end."""
        return next(iter(self.verdicts.values()))

    def run(
        self,
        count: int = CONNECTIONS,
        audience: Audience = lambda moment, stage: None,
        glance: Callable[[], None] = lambda: None,
    ) -> Happened:
        """Makes exactly `count` connections of this kind and tidies up. audience: shown the scenes "ready" (nothing
        is connected yet), "trouble" (where the scenario has one) and "over" (nothing more will happen), each of which
        lasts until it returns; after two minutes, though, a connection in trouble gives up all the same. glance: called
        ten times a second where time passes. What either raises ends the run."""
        with Stage(self.wire, self.delay_s, self.names, audience, glance) as stage:
            stage.scene("ready")
            self.play(stage, count)
            stage.scene("over")
            return stage.happened()
