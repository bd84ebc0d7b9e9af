import { useEffect, useRef } from "preact/hooks";
import { now, opened, show } from "../store";
import { isActive, LAYER_NAMES } from "../model";
import type { Layer, Pull } from "../model";
import { bytes, clock, duration, percent, rate, seconds, shortDigest } from "../format";
import { Image, Progress, State } from "./Row";

/** Everything about one pull, beside the table; over it on a narrow screen. */
export function Details() {
  const pull = opened.value;
  const box = useRef<HTMLElement>(null);
  const id = pull?.id;
  useEffect(() => {
    if (id) box.current?.scrollTo(0, 0);
  }, [id]);
  if (!pull) return null;
  return (
    <aside class={`details ${pull.phase}`} ref={box} aria-label="Details of a pull">
      <header>
        <State pull={pull} />
        <button class="close" onClick={() => show({ open: "" })} aria-label="Close the details" title="Close (Esc)">✕</button>
      </header>
      <h2><Image name={pull.imageRef} /></h2>
      {pull.failure || pull.error ? <Failure pull={pull} /> : null}
      <div class="progress"><Progress pull={pull} /></div>
      <Facts pull={pull} />
      <Pods pull={pull} />
      <Endpoints pull={pull} />
      <Layers pull={pull} />
    </aside>
  );
}

function Failure({ pull }: { pull: Pull }) {
  const command = `berth explain ${pull.imageRef}`;
  return (
    <div class="failure" role="note">
      <strong>{(pull.failure?.class ?? "failed").replaceAll("-", " ")}</strong>
      <p>{pull.failure?.message || pull.error}</p>
      <p class="quiet">
        Where the nodes look for it, and with what: <code>{command}</code>{" "}
        <button onClick={() => void navigator.clipboard?.writeText(command)}>Copy</button>
      </p>
    </div>
  );
}

function Facts({ pull }: { pull: Pull }) {
  const end = pull.completedAt ? Date.parse(pull.completedAt) : now.value;
  const fetched = pull.downloadedAt ? Date.parse(pull.downloadedAt) : undefined;
  const facts: [string, string | undefined][] = [
    ["Node", pull.nodeName],
    ["Started", clock(pull.startedAt)],
    [isActive(pull) ? "Running for" : "Took", duration(seconds(pull.startedAt, end))],
    ["Of that download", fetched === undefined ? undefined : duration(seconds(pull.startedAt, fetched))],
    ["Of that unpacking after it", fetched !== undefined && !isActive(pull) ? duration((end - fetched) / 1000) : undefined],
    ["In the kubelet's queue", pull.queueSeconds === undefined ? undefined : duration(pull.queueSeconds)],
    ["Downloaded", `${bytes(pull.downloadedBytes)}${pull.totalKnown ? ` of ${bytes(pull.totalBytes)}` : ""}`],
    ["On the node before", pull.cachedBytes ? bytes(pull.cachedBytes) : undefined],
    ["Fetched by another pull", pull.sharedBytes ? bytes(pull.sharedBytes) : undefined],
    ["Unpacked", pull.unpackPercent ? percent(pull.unpackPercent) : undefined],
    ["Speed", isActive(pull) ? rate(pull.bytesPerSec) : undefined],
    ["Left", isActive(pull) && pull.etaSeconds ? duration(pull.etaSeconds) : undefined],
    ["Registry", pull.registry],
    ["Digest", pull.digest && shortDigest(pull.digest)],
    ["Name", CONFIDENCE[pull.nameConfidence]],
    ["Known from", SOURCES[pull.source]],
  ];
  return (
    <dl>
      {facts.map(([name, value]) => value ? <div key={name}><dt>{name}</dt><dd>{value}</dd></div> : null)}
    </dl>
  );
}

const CONFIDENCE: Record<Pull["nameConfidence"], string> = {
  unknown: "not known yet",
  guessed: "one of several candidates",
  repo: "repository certain, tag likely",
  exact: "certain",
};

const SOURCES: Record<Pull["source"], string> = {
  lease: "the runtime, live",
  "image-event": "the runtime, after the fact",
  "kubelet-event": "the kubelet's event",
  "legacy-report": "an agent of the earlier program",
};

function Pods({ pull }: { pull: Pull }) {
  if (!pull.pods?.length) return null;
  return (
    <section>
      <h3>Waiting pods</h3>
      <ul class="chips">
        {pull.pods.map((pod) => (
          <li key={`${pod.namespace}/${pod.podName}/${pod.container}`}>{pod.namespace}/{pod.podName} <span class="quiet">{pod.container}</span></li>
        ))}
      </ul>
    </section>
  );
}

function Endpoints({ pull }: { pull: Pull }) {
  if (!pull.expectedEndpoints?.length && !pull.registryConfig) return null;
  return (
    <section>
      <h3>Where the node looks</h3>
      <ol class="endpoints">
        {pull.expectedEndpoints?.map((endpoint) => (
          <li key={endpoint.url} class={endpoint.url === pull.observedEndpoint ? "observed" : ""}>{endpoint.url}</li>
        ))}
      </ol>
      <p class="quiet">Answered by: {pull.observedEndpoint || "unknown"}</p>
      {pull.registryConfig && <p class="quiet">RegistryConfig {pull.registryConfig}{pull.revision && `, revision ${pull.revision}`}</p>}
    </section>
  );
}

function Layers({ pull }: { pull: Pull }) {
  const layers = pull.layers ?? [];
  if (layers.length === 0) return null;
  return (
    <section>
      <h3>Layers <span class="quiet">{pull.layersDone} of {pull.layerCount}</span></h3>
      <ol class="layers">{layers.map((layer) => <LayerRow key={layer.digest} layer={layer} />)}</ol>
    </section>
  );
}

function LayerRow({ layer }: { layer: Layer }) {
  const size = layer.totalKnown ? bytes(layer.totalBytes) : "?";
  const part = layer.state === "downloading" ? `${bytes(layer.downloadedBytes)} of ${size}` : size;
  return (
    <li class={layer.state}>
      <code title={layer.digest}>{shortDigest(layer.digest)}</code>
      <span class="bar" role="progressbar" aria-label="Downloaded" aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.floor(layer.percent)}>
        <span class="downloaded" style={{ width: `${layer.percent}%` }} />
      </span>
      <span class="size">{part}</span>
      <span class="what">{layer.state === "downloading" && layer.bytesPerSec >= 1 ? rate(layer.bytesPerSec) : LAYER_NAMES[layer.state]}</span>
    </li>
  );
}
