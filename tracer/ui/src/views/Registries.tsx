import { series, show } from "../store";
import { cause, isActive } from "../model";
import type { Pull } from "../model";
import { bytes, count, rate } from "../format";
import { Spark } from "./Spark";

/** Registry by registry: how fast it gives, how much it gave, and why it failed. */
export function Registries({ pulls }: { pulls: Pull[] }) {
  const byName = new Map<string, Pull[]>();
  for (const pull of pulls) {
    if (!pull.registry) continue;
    const list = byName.get(pull.registry);
    if (list) list.push(pull);
    else byName.set(pull.registry, [pull]);
  }
  if (byName.size === 0) {
    return (
      <div class="empty">
        <h2>No registry was asked yet</h2>
        <p>Each registry that a pull names appears here, with its speed and its failures.</p>
      </div>
    );
  }
  const cards = [...byName].sort(([a], [b]) => (a < b ? -1 : 1));
  return <div class="cards">{cards.map(([name, list]) => <Card key={name} name={name} pulls={list} />)}</div>;
}

function Card({ name, pulls }: { name: string; pulls: Pull[] }) {
  const running = pulls.filter(isActive);
  const failed = pulls.filter((pull) => pull.phase === "failed");
  const done = pulls.filter((pull) => pull.phase === "done");
  const fetched = pulls.reduce((sum, pull) => sum + Math.max(0, pull.downloadedBytes - (pull.cachedBytes ?? 0) - (pull.sharedBytes ?? 0)), 0);
  const causes = new Map<string, number>();
  for (const pull of failed) causes.set(pull.failure?.class ?? "unknown", (causes.get(pull.failure?.class ?? "unknown") ?? 0) + 1);
  const look = (state: string, search = "") => show({ room: "pulls", registry: name, state, search }, true);
  return (
    <article class="card" aria-label={`Registry ${name}`}>
      <header>
        <h2 title={name}>{name}</h2>
        <strong>{rate(running.reduce((sum, pull) => sum + pull.bytesPerSec, 0))}</strong>
      </header>
      <Spark sums={series.value.get(`registry ${name}`)} height={36} label={`Throughput from ${name} over the last five minutes`} />
      <p class="counts">
        <button onClick={() => look("active")}>{count(running.length)} active</button>
        <button onClick={() => look("done")}>{count(done.length)} done</button>
        <button class={failed.length ? "bad" : ""} onClick={() => look("failed")}>{count(failed.length)} failed</button>
        <span class="quiet">{bytes(fetched)} fetched</span>
      </p>
      {causes.size > 0 && (
        <ul class="chips bad">
          {[...causes].sort((a, b) => b[1] - a[1]).map(([word, times]) => (
            <li key={word}><button onClick={() => look("failed", word)}>{cause(word)}{times > 1 && ` × ${count(times)}`}</button></li>
          ))}
        </ul>
      )}
    </article>
  );
}
