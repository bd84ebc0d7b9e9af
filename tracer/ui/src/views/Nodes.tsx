import { nodes, now, series, show } from "../store";
import { isActive } from "../model";
import type { NodeState, Pull } from "../model";
import { duration, rate, seconds } from "../format";
import { Image, Progress, State } from "./Row";
import { Spark } from "./Spark";

/** Pulls that a card shows; the others are one click away. */
const LINES = 6;

/** Node by node: what its agent says, what moves, and who waits for whom. */
export function Nodes({ pulls }: { pulls: Pull[] }) {
  const names = new Set([...nodes.value.map((node) => node.nodeName), ...pulls.map((pull) => pull.nodeName ?? "")]);
  names.delete("");
  const cards = [...names].sort().map((name) => ({
    name,
    node: nodes.value.find((node) => node.nodeName === name),
    pulls: pulls.filter((pull) => pull.nodeName === name && isActive(pull)),
  }));
  // Busy nodes first; a fleet at rest stands in the order of names.
  cards.sort((a, b) => b.pulls.length - a.pulls.length);
  if (cards.length === 0) {
    return (
      <div class="empty">
        <h2>No node reports</h2>
        <p>An agent runs on every node when the chart's value <code>tracer.enabled</code> is true. Its log says why it cannot reach the server.</p>
      </div>
    );
  }
  return <div class="cards">{cards.map((card) => <Card key={card.name} {...card} />)}</div>;
}

function Card({ name, node, pulls }: { name: string; node: NodeState | undefined; pulls: Pull[] }) {
  const speed = pulls.reduce((sum, pull) => sum + pull.bytesPerSec, 0);
  const moving = pulls.filter((pull) => pull.phase !== "queued");
  const waiting = pulls.filter((pull) => pull.phase === "queued").sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
  return (
    <article class="card" aria-label={`Node ${name}`}>
      <header>
        <h2>{name}</h2>
        <Health node={node} />
        <strong>{rate(speed)}</strong>
      </header>
      <Spark sums={series.value.get(`node ${name}`)} width={320} height={32} label={`Throughput of ${name} over the last five minutes`} />
      {moving.slice(0, LINES).map((pull) => <Line key={pull.id} pull={pull} />)}
      {moving.length > LINES && <More node={name} count={moving.length - LINES} />}
      {waiting.length > 0 && (
        <>
          <h3>Waiting{moving[0] ? " behind it" : ""}</h3>
          <ol class="queue">{waiting.slice(0, LINES).map((pull) => <li key={pull.id}><Line pull={pull} /></li>)}</ol>
          {waiting.length > LINES && <More node={name} count={waiting.length - LINES} />}
        </>
      )}
      {pulls.length === 0 && <p class="quiet">At rest</p>}
      {node?.registryConfig && <footer class="quiet">RegistryConfig {node.registryConfig}{node.revision && `, revision ${node.revision}`}</footer>}
    </article>
  );
}

function Line({ pull }: { pull: Pull }) {
  return (
    <button class="line" onClick={() => show({ open: pull.id })}>
      <Image name={pull.imageRef} />
      {(pull.phase === "resolving" || pull.phase === "unpacking") && <State pull={pull} />}
      {pull.phase === "queued" ? <span class="quiet">{duration(seconds(pull.startedAt, now.value))}</span> : <span class="progress"><Progress pull={pull} /></span>}
    </button>
  );
}

function More({ node, count }: { node: string; count: number }) {
  return <button class="line quiet" onClick={() => show({ room: "pulls", node, state: "active" }, true)}>and {count} more</button>;
}

function Health({ node }: { node: NodeState | undefined }) {
  if (!node) return <span class="health">no agent</span>;
  if (!node.connected) return <span class="health bad">agent silent for {duration(seconds(node.lastSeen, now.value))}</span>;
  const runtime = node.runtime?.state ?? "connected";
  if (runtime !== "connected") return <span class="health bad">runtime {runtime === "hanging" ? "does not answer" : "not reachable"}</span>;
  return <span class="health good">{node.runtime?.version ? `containerd ${node.runtime.version}` : "ok"}</span>;
}
