import { active, all, series, show, view } from "../store";
import { count, rate } from "../format";
import { Chart } from "./Spark";

/** The whole at a glance: what moves, how fast, what failed. Numbers that select something are buttons. */
export function Summary() {
  const speed = active.value.reduce((sum, pull) => sum + pull.bytesPerSec, 0);
  const number = (phase: string) => all.value.filter((pull) => pull.phase === phase).length;
  const failed = number("failed");
  return (
    <section class="summary" aria-label="Summary">
      <figure class="speed">
        <figcaption>
          <span>Throughput</span>
          <strong>{rate(speed)}</strong>
          <span>over 5 minutes</span>
        </figcaption>
        <Chart sums={series.value.get("all")} height={42} label="Throughput of all nodes over the last five minutes" />
      </figure>
      <Tile title="Active" state="active" number={active.value.length} />
      <Tile title="Queued" state="queued" number={number("queued")} />
      <Tile title="Failed" state="failed" number={failed} loud={failed > 0} />
      <Tile title="Done" state="done" number={number("done")} />
    </section>
  );
}

function Tile(tile: { title: string; state: string; number: number; loud?: boolean }) {
  const on = view.value.state === tile.state;
  return (
    <button class={`tile ${tile.loud ? "loud" : ""}`} aria-pressed={on} onClick={() => show({ state: on ? "" : tile.state, room: "pulls" }, true)}>
      <span>{tile.title}</span>
      <strong>{count(tile.number)}</strong>
    </button>
  );
}
