import { active, all, series, show, view } from "../store";
import { rate } from "../format";
import { Spark } from "./Spark";

/** The whole at a glance: what moves, how fast, what failed. Numbers that select something are buttons. */
export function Summary() {
  const speed = active.value.reduce((sum, pull) => sum + pull.bytesPerSec, 0);
  const count = (phase: string) => all.value.filter((pull) => pull.phase === phase).length;
  const failed = count("failed");
  return (
    <section class="summary" aria-label="Summary">
      <figure class="speed">
        <figcaption>Throughput, last 5 minutes</figcaption>
        <strong>{rate(speed)}</strong>
        <Spark sums={series.value.get("all")} width={420} height={44} label="Throughput of all nodes over the last five minutes" />
      </figure>
      <Tile title="Active" state="active" number={active.value.length} />
      <Tile title="Queued" state="queued" number={count("queued")} />
      <Tile title="Failed" state="failed" number={failed} loud={failed > 0} />
      <Tile title="Done" state="done" number={count("done")} />
    </section>
  );
}

function Tile(tile: { title: string; state: string; number: number; loud?: boolean }) {
  const on = view.value.state === tile.state;
  return (
    <button class={`tile ${tile.state} ${tile.loud ? "loud" : ""}`} aria-pressed={on} onClick={() => show({ state: on ? "" : tile.state, room: "pulls" })}>
      <span>{tile.title}</span>
      <strong>{tile.number}</strong>
    </button>
  );
}
