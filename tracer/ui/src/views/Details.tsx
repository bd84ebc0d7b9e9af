import { useEffect, useRef, useState } from "preact/hooks";
import { clusterNow, opened, show } from "../store";
import { cause, isActive, LAYER_NAMES, UNNAMED } from "../model";
import type { Layer, Pull } from "../model";
import { bytes, bytesOf, clock, duration, imageParts, percent, rate, seconds, shortDigest } from "../format";
import { Icon } from "./Icon";
import { Progress, State, story } from "./Row";

/** Where the details lie over the table they take the keyboard, too. */
const OVER = "(max-width: 1100px)";

/** Everything about one pull, beside the table; over it on a narrow screen. */
export function Details() {
  const pull = opened.value;
  const box = useRef<HTMLElement>(null);
  const id = pull === "missing" ? pull : pull?.id;
  useEffect(() => {
    if (!id) return;
    box.current?.scrollTo(0, 0);
    if (matchMedia(OVER).matches) box.current?.querySelector<HTMLElement>(".close")?.focus();
  }, [id]);
  if (!pull) return null;
  const close = (
    <button class="close square" onClick={closeDetails} aria-label="Close the details" title="Close (Esc)"><Icon name="close" /></button>
  );
  if (pull === "missing") {
    return (
      <aside class="details" ref={box} aria-label="Details of a pull">
        <header><span />{close}</header>
        <p>This pull is not known any more: ended pulls are kept for a limited time.</p>
      </aside>
    );
  }
  return (
    <aside class={`details ${pull.phase}`} ref={box} aria-label="Details of a pull">
      <header><State pull={pull} />{close}</header>
      <Title pull={pull} />
      {pull.failure || pull.error ? <Failure pull={pull} /> : null}
      {(pull.totalBytes > 0 || pull.phase === "resolving") && <div class="progress"><Progress pull={pull} /><span class="sub">{story(pull)}</span></div>}
      <Facts pull={pull} />
      <Pods pull={pull} />
      <Endpoints pull={pull} />
      <Layers pull={pull} />
    </aside>
  );
}

/** Closes them and gives the keyboard back to the row that they were of. */
export function closeDetails(): void {
  show({ open: "" });
  requestAnimationFrame(() => {
    if (document.activeElement === document.body) document.querySelector<HTMLElement>('.rows [tabindex="0"]')?.focus();
  });
}

function Title({ pull }: { pull: Pull }) {
  if (pull.imageRef === UNNAMED || !pull.imageRef) return <h2><em>not named yet</em></h2>;
  const { registry, repository, tag } = imageParts(pull.imageRef);
  return (
    <h2>
      {registry && <span class="registry">{registry}/</span>}
      <span class="repository">{repository}</span>
      <span class="tag">{tag}</span>
    </h2>
  );
}

function Failure({ pull }: { pull: Pull }) {
  const command = `berth explain ${pull.imageRef}`;
  return (
    <div class="failure" role="note">
      <strong>{cause(pull.failure?.class)}</strong>
      <p>{pull.failure?.message || pull.error}</p>
      <p class="quiet">Where this node looks for it, and with what:</p>
      <p class="command"><code>{command}</code><Copy text={command} label="Copy the command" /></p>
    </div>
  );
}

function Copy({ text, label }: { text: string; label: string }) {
  const [said, say] = useState("");
  // Pages that are not served over TLS may have no clipboard.
  if (!navigator.clipboard) return null;
  const copy = () => void navigator.clipboard.writeText(text).then(() => say("Copied"), () => say("Not allowed"));
  return <button class="square" onClick={copy} aria-label={label} title={label}>{said || <Icon name="copy" />}</button>;
}

function Facts({ pull }: { pull: Pull }) {
  const now = clusterNow.value;
  const end = pull.completedAt ? Date.parse(pull.completedAt) : now;
  const fetched = pull.downloadedAt ? Date.parse(pull.downloadedAt) : undefined;
  const running = isActive(pull);
  const facts: [string, string | undefined][] = [
    ["Node", pull.nodeName],
    ["Started", clock(pull.startedAt, now)],
    [running ? "Running for" : "Took", duration(seconds(pull.startedAt, end))],
    ["Download took", fetched === undefined ? undefined : duration(seconds(pull.startedAt, fetched))],
    ["Unpacking after it", fetched !== undefined && !running ? duration((end - fetched) / 1000) : undefined],
    ["In the kubelet's queue", pull.queueSeconds === undefined ? undefined : duration(pull.queueSeconds)],
    ["Downloaded", pull.totalKnown && pull.totalBytes ? bytesOf(pull.downloadedBytes, pull.totalBytes) : pull.downloadedBytes ? bytes(pull.downloadedBytes) : undefined],
    ["On the node before", pull.cachedBytes ? bytes(pull.cachedBytes) : undefined],
    ["Fetched by another pull", pull.sharedBytes ? bytes(pull.sharedBytes) : undefined],
    ["Unpacked", running && pull.unpackPercent ? percent(pull.unpackPercent) : undefined],
    ["Speed", running && pull.bytesPerSec >= 1 ? rate(pull.bytesPerSec) : undefined],
    ["Left", running && pull.etaSeconds ? duration(pull.etaSeconds) : undefined],
    ["Digest", pull.digest && shortDigest(pull.digest)],
    ["Name", CONFIDENCE[pull.nameConfidence]],
    ["Known from", SOURCES[pull.source]],
  ];
  return (
    <dl>
      {facts.map(([name, value]) => value ? <div key={name}><dt>{name}</dt><dd title={name === "Digest" ? pull.digest : undefined}>{value}</dd></div> : null)}
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
      <h3>{isActive(pull) ? "Waiting pods" : "For pods"}</h3>
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
      <h3>Layers <span class="quiet">{pull.layersDone} of {pull.layerCount} here</span></h3>
      <ol class="layers">{layers.map((layer) => <LayerRow key={layer.digest} layer={layer} />)}</ol>
    </section>
  );
}

function LayerRow({ layer }: { layer: Layer }) {
  const size = layer.totalKnown ? bytes(layer.totalBytes) : "?";
  const part = layer.state === "downloading" && layer.totalKnown ? bytesOf(layer.downloadedBytes, layer.totalBytes) : size;
  return (
    <li class={layer.state}>
      <code title={layer.digest}>{shortDigest(layer.digest)}</code>
      <span class="what">{LAYER_NAMES[layer.state]}{layer.state === "downloading" && layer.bytesPerSec >= 1 && `, ${rate(layer.bytesPerSec)}`}</span>
      <span class="size">{part}</span>
      <span class="bar" role="progressbar" aria-label="Downloaded" aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.floor(layer.percent)}>
        <span class="downloaded" style={{ width: `${layer.percent}%` }} />
      </span>
    </li>
  );
}
