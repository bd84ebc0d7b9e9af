import { clusterNow, nodes, series, show, view } from "../store";
import { isActive } from "../model";
import type { NodeState, Pull } from "../model";
import { byName, count, duration, rate, seconds } from "../format";
import { Image, Progress, State, story } from "./Row";
import { Spark } from "./Spark";

/** Pulls that a card shows; the others are one click away. */
const LINES = 6;
/** Nodes at rest that are named; a fleet has thousands. */
const RESTING = 120;

interface Known {
  name: string;
  node: NodeState | undefined;
  pulls: Pull[];
}

/** Node by node: what its agent says, what moves, and who waits for whom. */
export function Nodes({ pulls }: { pulls: Pull[] }) {
  const known = gather(pulls);
  if (known.length === 0 && nodes.value.length === 0) {
    return (
      <div class="empty">
        <h2>No node reports</h2>
        <p>An agent runs on every node when the chart's value <code>tracer.enabled</code> is true. Its log says why it cannot reach the server.</p>
      </div>
    );
  }
  const busy = known.filter((one) => one.pulls.length > 0 || trouble(one.node));
  const resting = known.filter((one) => one.pulls.length === 0 && !trouble(one.node));
  // Trouble first, then the busiest; the rest stands in the order of names.
  busy.sort((a, b) => Number(Boolean(trouble(b.node))) - Number(Boolean(trouble(a.node))) || b.pulls.length - a.pulls.length);
  return (
    <div class="cards">
      {busy.map((one) => <Card key={one.name} {...one} />)}
      {resting.length > 0 && (
        <section class="resting">
          <h2>At rest <span class="quiet">{count(resting.length)}</span></h2>
          <ul>
            {resting.slice(0, RESTING).map((one) => (
              <li key={one.name}>
                <button onClick={() => show({ room: "pulls", node: one.name }, true)} title={`Pulls of ${one.name}`}>
                  <b>{one.name}</b> <Health node={one.node} />
                </button>
              </li>
            ))}
          </ul>
          {resting.length > RESTING && <p class="quiet">and {count(resting.length - RESTING)} more; the search finds them by name</p>}
        </section>
      )}
    </div>
  );
}

function gather(pulls: Pull[]): Known[] {
  const looked = view.value;
  const found = new Map<string, Known>();
  // Other filters are about pulls; a node that has none of those says nothing.
  const all = !looked.state && !looked.namespace && !looked.registry;
  const words = looked.search.toLowerCase().split(/\s+/);
  for (const node of all ? nodes.value : []) {
    const name = node.nodeName;
    if (looked.node && looked.node !== name) continue;
    if (words.every((word) => name.toLowerCase().includes(word))) found.set(name, { name, node, pulls: [] });
  }
  for (const pull of pulls) {
    const name = pull.nodeName;
    if (!name || !isActive(pull)) continue;
    const one = found.get(name) ?? { name, node: nodes.value.find((node) => node.nodeName === name), pulls: [] };
    one.pulls.push(pull);
    found.set(name, one);
  }
  return [...found.values()].sort((a, b) => byName(a.name, b.name));
}

function Card({ name, node, pulls }: Known) {
  const speed = pulls.reduce((sum, pull) => sum + pull.bytesPerSec, 0);
  const moving = pulls.filter((pull) => pull.phase !== "queued");
  const waiting = pulls.filter((pull) => pull.phase === "queued").sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
  return (
    <article class="card" aria-label={`Node ${name}`}>
      <header>
        <h2 title={name}>{name}</h2>
        <Health node={node} />
        <strong>{rate(speed)}</strong>
      </header>
      <Spark sums={series.value.get(`node ${name}`)} height={36} label={`Throughput of ${name} over the last five minutes`} />
      <ul class="lines">{moving.slice(0, LINES).map((pull) => <li key={pull.id}><Line pull={pull} /></li>)}</ul>
      {moving.length > LINES && <More node={name} count={moving.length - LINES} />}
      {waiting.length > 0 && (
        <>
          <h3>{moving[0] ? "Queue behind it" : "Queue"} <span class="quiet">{count(waiting.length)}</span></h3>
          <ol class="queue">{waiting.slice(0, LINES).map((pull) => <li key={pull.id}><Line pull={pull} /></li>)}</ol>
          {waiting.length > LINES && <More node={name} count={waiting.length - LINES} />}
        </>
      )}
      {node?.registryConfig && <footer class="quiet">RegistryConfig {node.registryConfig}{node.revision && `, revision ${node.revision}`}</footer>}
    </article>
  );
}

function Line({ pull }: { pull: Pull }) {
  return (
    <button class="pull" onClick={() => show({ open: pull.id })}>
      <span class="image"><Image pull={pull} /></span>
      {pull.phase === "queued" ? (
        <span class="quiet">{duration(seconds(pull.startedAt, clusterNow.value))}</span>
      ) : (
        <>
          <span class="state"><State pull={pull} /><span class="sub">{story(pull)}</span></span>
          <span class="progress"><Progress pull={pull} /></span>
        </>
      )}
    </button>
  );
}

function More({ node, count: number }: { node: string; count: number }) {
  return <button class="pull quiet" onClick={() => show({ room: "pulls", node, state: "active" }, true)}>and {count(number)} more</button>;
}

/** What is wrong with a node's agent, if anything is. */
function trouble(node: NodeState | undefined): string | undefined {
  if (!node) return undefined;
  if (!node.connected) return `agent silent for ${duration(seconds(node.lastSeen, clusterNow.value))}`;
  const runtime = node.runtime?.state ?? "connected";
  if (runtime === "connected") return undefined;
  return `runtime ${runtime === "hanging" ? "does not answer" : "not reachable"}`;
}

function Health({ node }: { node: NodeState | undefined }) {
  const wrong = trouble(node);
  if (wrong) return <span class="health bad">{wrong}</span>;
  if (!node) return <span class="health">no agent</span>;
  return <span class="health">{node.runtime?.version ? `${node.runtime.name ?? "containerd"} ${node.runtime.version}` : "agent connected"}</span>;
}
