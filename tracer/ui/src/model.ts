// The server's answers, as far as this page reads them.

export type Phase = "queued" | "resolving" | "downloading" | "unpacking" | "done" | "failed" | "cancelled" | "orphaned";

export const PHASE_NAMES: Record<Phase, string> = {
  queued: "Queued",
  resolving: "Resolving",
  downloading: "Downloading",
  unpacking: "Unpacking",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  orphaned: "Orphaned",
};

export type LayerPhase = "queued" | "waiting-shared" | "downloading" | "downloaded" | "unpacking" | "done" | "cached" | "failed";

export const LAYER_NAMES: Record<LayerPhase, string> = {
  queued: "Queued",
  "waiting-shared": "Another pull fetches it",
  downloading: "Downloading",
  downloaded: "Downloaded",
  unpacking: "Unpacking",
  done: "Done",
  cached: "On the node before",
  failed: "Failed",
};

const CAUSES: Record<string, string> = {
  "not-found": "Not found",
  unauthorized: "Login refused",
  forbidden: "Not allowed",
  "rate-limited": "Rate limit reached",
  dns: "Host name not found",
  connection: "Registry not reachable",
  timeout: "No answer in time",
  tls: "TLS or certificate",
  "registry-error": "Registry error",
  "digest-mismatch": "Bytes do not match the digest",
  "no-space": "No space left",
  "no-platform": "Not for this platform",
  unpack: "Unpacking failed",
  "no-progress": "No byte came",
  signature: "Signature",
  "invalid-name": "Not an image name",
  "runtime-restarted": "Runtime restarted",
  unknown: "Cause not known",
};

/** A failure's class in words. */
export function cause(of: string | undefined): string {
  return CAUSES[of ?? "unknown"] ?? (of ?? "").replaceAll("-", " ");
}

export interface Layer {
  digest: string;
  mediaType?: string;
  totalBytes: number;
  downloadedBytes: number;
  bytesPerSec: number;
  percent: number;
  totalKnown: boolean;
  state: LayerPhase;
  order?: number;
  startedAt?: string;
  completedAt?: string;
  sharedWith?: string;
}

export interface Pod {
  namespace: string;
  podName: string;
  container: string;
  image?: string;
}

export interface Endpoint {
  url: string;
}

export interface Pull {
  id: string;
  nodeName?: string;
  imageRef: string;
  totalBytes: number;
  downloadedBytes: number;
  bytesPerSec: number;
  etaSeconds?: number;
  percent: number;
  layerCount: number;
  layersDone: number;
  startedAt: string;
  completedAt?: string;
  downloadedAt?: string;
  progressAt?: string;
  error?: string;
  pods?: Pod[];
  layers?: Layer[];
  totalKnown: boolean;
  phase: Phase;
  failure?: { class: string; message: string };
  cachedBytes?: number;
  sharedBytes?: number;
  unpackedBytes?: number;
  unpackPercent?: number;
  registry?: string;
  repository?: string;
  tag?: string;
  digest?: string;
  queueSeconds?: number;
  nameConfidence: "unknown" | "guessed" | "repo" | "exact";
  source: "lease" | "image-event" | "kubelet-event" | "legacy-report";
  expectedEndpoints?: Endpoint[];
  observedEndpoint?: string;
  registryConfig?: string;
  revision?: string;
}

export interface PullEvent {
  type: string;
  pull?: Pull;
}

export interface PullList {
  pulls: Pull[];
  next?: string;
  total?: number;
}

/** Sums of a second each, by what they are of: `all`, `node NAME`, `registry NAME`; the last one ends at `until`. */
export interface Throughput {
  until: number;
  series: Record<string, number[]>;
}

export interface NodeState {
  nodeName: string;
  connected: boolean;
  lastSeen: string;
  agentVersion?: string;
  runtime?: { state: "connected" | "unreachable" | "hanging"; name?: string; version?: string };
  activePulls: number;
  bytesPerSec: number;
  registryConfig?: string;
  revision?: string;
}

export interface NodeList {
  nodes: NodeState[];
}

/** What the server says of a pull whose name nobody knows yet. */
export const UNNAMED = "__pulling__";

/** Containerd gives a pull up after five minutes without a byte; half a minute is worth a look. */
const STALL = 30_000;

export function isActive(pull: Pull): boolean {
  return pull.phase === "downloading" || pull.phase === "unpacking" || pull.phase === "resolving" || pull.phase === "queued";
}

export function isStalled(pull: Pull, now: number): boolean {
  if (pull.phase !== "downloading" && pull.phase !== "resolving") return false;
  return now - Date.parse(pull.progressAt ?? pull.startedAt) > STALL;
}
