import { clusterNow, show, view } from "../store";
import { cause, isActive, isStalled, PHASE_NAMES, UNNAMED } from "../model";
import type { Pull } from "../model";
import { ago, bytes, bytesOf, duration, imageParts, percent, rate, seconds, shortDigest } from "../format";

interface RowProps {
  pull: Pull;
  index: number;
  top: number;
  focusable: boolean;
  onFocus: () => void;
}

export function Row({ pull, index, top, focusable, onFocus }: RowProps) {
  const open = view.value.open === pull.id;
  const toggle = () => show({ open: open ? "" : pull.id });
  const press = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    toggle();
  };
  return (
    <div
      class={`row ${pull.phase} ${open ? "open" : ""}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={open}
      tabIndex={focusable ? 0 : -1}
      style={{ transform: `translateY(${top}px)` }}
      onClick={toggle}
      onKeyDown={press}
      onFocus={onFocus}
    >
      <div role="gridcell" class="state"><State pull={pull} /></div>
      <div role="gridcell" class="image"><Image pull={pull} /></div>
      <div role="gridcell" class="where"><Where pull={pull} /></div>
      <div role="gridcell" class="progress">
        {pull.failure || pull.error ? <Cause pull={pull} /> : <>{pull.phase !== "queued" && <Progress pull={pull} />}<span class="sub">{story(pull)}</span></>}
      </div>
      <div role="gridcell" class="size">{size(pull)}</div>
      <div role="gridcell" class="rate">{isActive(pull) && pull.phase !== "queued" ? rate(pull.bytesPerSec) : ""}</div>
      <div role="gridcell" class="time"><Time pull={pull} /></div>
    </div>
  );
}

export function State({ pull }: { pull: Pull }) {
  const stalled = isStalled(pull, clusterNow.value);
  return (
    <span class={`badge ${stalled ? "stalled" : pull.phase}`}>
      <i aria-hidden="true" />
      {stalled ? "Stalled" : PHASE_NAMES[pull.phase]}
    </span>
  );
}

/** Repository and tag are what people look for, so the registry stands under them. */
export function Image({ pull }: { pull: Pull }) {
  const name = pull.imageRef;
  if (name === UNNAMED || name === "") {
    return <><span class="name"><em>not named yet</em></span><span class="sub">{pull.digest ? shortDigest(pull.digest) : pull.registry}</span></>;
  }
  const { registry, repository, tag } = imageParts(name);
  const guessed = pull.nameConfidence === "guessed" || pull.nameConfidence === "unknown";
  return (
    <>
      <span class="name" title={guessed ? `${name}, or another image that waits here` : name}>
        <span class="repository">{repository}</span>
        <span class="tag">{tag}</span>
        {guessed && <span class="quiet"> ?</span>}
      </span>
      <span class="sub">{registry || "docker.io"}{pull.nodeName && <span class="narrow"> · {pull.nodeName}</span>}</span>
    </>
  );
}

function Where({ pull }: { pull: Pull }) {
  const pods = pull.pods ?? [];
  const first = pods[0];
  const names = pods.map((pod) => `${pod.namespace}/${pod.podName}`);
  return (
    <>
      <span title={pull.nodeName}>{pull.nodeName ?? "–"}</span>
      {first && (
        <span class="sub pods" title={names.join("\n")}>
          <span>{names[0]}</span>
          {pods.length > 1 && <b class="more">+{pods.length - 1}</b>}
        </span>
      )}
    </>
  );
}

function Cause({ pull }: { pull: Pull }) {
  const message = pull.failure?.message || pull.error;
  return (
    <>
      <span class="cause">{cause(pull.failure?.class)}</span>
      <span class="sub" title={message}>{message}</span>
    </>
  );
}

/** Two bars in one: what came over the network, and under it what is unpacked. */
export function Progress({ pull }: { pull: Pull }) {
  const done = pull.phase === "done";
  const known = pull.totalKnown || done;
  const value = done ? 100 : pull.percent;
  return (
    <span class="meter">
      <span
        class={`bar ${known ? "" : "unknown"}`}
        role="progressbar"
        aria-label="Downloaded"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={known ? Math.floor(value) : undefined}
      >
        <span class="downloaded" style={{ width: `${value}%` }} />
        <span class="unpacked" style={{ width: `${done ? 100 : (pull.unpackPercent ?? 0)}%` }} />
      </span>
      <span class="percent">{known ? percent(value) : "?"}</span>
    </span>
  );
}

/** The line under the bar: what the number alone does not say. */
export function story(pull: Pull): string {
  if (isStalled(pull, clusterNow.value)) {
    return `no byte for ${duration(seconds(pull.progressAt ?? pull.startedAt, clusterNow.value))}`;
  }
  switch (pull.phase) {
    case "queued":
      return "behind another pull";
    case "resolving":
      return `asks ${pull.registry || "the registry"} for the manifest`;
    case "downloading":
      return pull.totalKnown ? bytesOf(pull.downloadedBytes, pull.totalBytes) : `${bytes(pull.downloadedBytes)} so far`;
    case "unpacking":
      return `all here, ${percent(pull.unpackPercent ?? 0)} unpacked`;
    case "done":
      return pull.cachedBytes ? `${bytes(pull.cachedBytes)} were here before` : "";
    default:
      return "";
  }
}

function Time({ pull }: { pull: Pull }) {
  const now = clusterNow.value;
  if (!isActive(pull)) {
    if (!pull.completedAt) return <>–</>;
    return (
      <>
        <span title="How long it took">{duration(seconds(pull.startedAt, Date.parse(pull.completedAt)))}</span>
        <span class="sub">{ago(seconds(pull.completedAt, now))}</span>
      </>
    );
  }
  const running = duration(seconds(pull.startedAt, now));
  if (!pull.etaSeconds || pull.phase === "queued") return <span title="Since its start">{running}</span>;
  return (
    <>
      <span class="eta" title="What is left">{duration(pull.etaSeconds)} left</span>
      <span class="sub" title="Since its start">after {running}</span>
    </>
  );
}

function size(pull: Pull): string {
  return pull.totalKnown && pull.totalBytes > 0 ? bytes(pull.totalBytes) : "–";
}
