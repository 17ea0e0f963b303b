/**
 * The JSON document of `npm run bench -- --json`, and what the text report is made from. Every number has its unit in
 * its name. null: not known, or not measured;
 * warnings, notes and members that end in Because say why, but for what does not apply to a run. Members may be added within a
 * version; none is renamed or removed.
 */
export interface BenchDocument {
  readonly schemaVersion: 1;
  readonly tool: 'volley bench';
  /** When it began, ISO 8601. */
  readonly startedAt: string;
  /** The command line's arguments. */
  readonly command: readonly string[];
  readonly scenario: string;
  /** Ended by Ctrl-C: the last run is shorter than asked for, and runs may be missing. */
  readonly interrupted: boolean;
  readonly machine: MachineDocument;
  readonly settings: SettingsDocument;
  /** What a reader must know of how it was run, a sentence each. */
  readonly notes: readonly string[];
  /** One, or one for each number of server workers. */
  readonly runs: readonly RunDocument[];
  /** Empty for a single run. */
  readonly comparison: readonly ComparisonDocument[];
}

export interface MachineDocument {
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly volley: string;
  /** The checkout's commit, with `-dirty` where files differ from it; null outside a checkout. */
  readonly commit: string | null;
}

export interface SettingsDocument {
  readonly connections: number;
  readonly durationSeconds: number;
  readonly warmupSeconds: number;
  readonly rooms: number;
  readonly commentsPerSecondPerRoom: number;
  readonly loadThreads: number;
  readonly codec: string;
  readonly senders: number;
  /** Posted over HTTP at the rate; sent by viewers at the rate, or as fast as acks come; or by others than the bench. */
  readonly commentsBy: 'http' | 'paced senders' | 'flooding senders' | 'others';
  readonly url: string | null;
  readonly apiUrl: string | null;
  /** What the own server is told; a running one is not asked for its own. */
  readonly intervalMs: number;
  /** Of the own server; a running one is not asked for its own. */
  readonly serverStore: 'memory' | 'level' | null;
  /** What those who join in a storm have missed; 0: they ask for history. */
  readonly behindSeconds: number;
  readonly commentsFile: string;
}

/** Times in ms. All but `count` are null where nothing was timed. */
export interface LatencyDocument {
  readonly count: number;
  readonly p2_5: number | null;
  readonly p50: number | null;
  readonly p97_5: number | null;
  readonly p99: number | null;
  readonly p99_9: number | null;
  readonly max: number | null;
  readonly average: number | null;
}

/** Whole seconds of the run, each as what all viewers received in it. null where there was no whole second. */
export interface RateDocument {
  readonly p1: number | null;
  readonly p2_5: number | null;
  readonly p50: number | null;
  readonly p97_5: number | null;
  readonly average: number | null;
  readonly min: number | null;
}

export interface RunDocument {
  readonly label: string;
  readonly server: ServerDocument;
  /** Seconds that were measured. */
  readonly seconds: number;
  /**
   * `postToReceipt`, `firstToLast`; `ack` where viewers send; `connect` where joining is measured; `seatedBefore`,
   * `seatedDuring`, `caughtUp` in a join storm.
   */
  readonly latencyMs: Readonly<Record<string, LatencyDocument>>;
  /** Titles of the members of `latencyMs`. */
  readonly latencyTitles: Readonly<Record<string, string>>;
  readonly perSecond: { readonly frames: RateDocument; readonly comments: RateDocument; readonly bytes: RateDocument };
  /** The whole seconds themselves, in order. */
  readonly series: readonly { readonly frames: number; readonly comments: number; readonly bytes: number }[];
  readonly connects: { readonly count: number; readonly seconds: number; readonly perSecond: number | null };
  /** What viewers received, a frame and comment for each viewer that got it. */
  readonly delivered: { readonly frames: number; readonly comments: number; readonly bytes: number };
  readonly lostFrames: number;
  readonly skippedMessages: number;
  readonly outOfOrderFrames: number;
  /** What sampled viewers found wrong in what they decoded, a sentence each, the first few. */
  readonly faults: readonly string[];
  /** Connections that the server closed, by close code. */
  readonly closedByCode: Readonly<Record<string, number>>;
  /** Connections that did not come up again after leaving. */
  readonly failedConnects: number;
  readonly comments: CommentsDocument;
  readonly generator: GeneratorDocument;
  /** What was wrong, or what limits what the figures say, a sentence each. */
  readonly warnings: readonly string[];
  /** What a reader of the figures must know, a sentence each. */
  readonly notes: readonly string[];
}

/** The comments that were sent to the server. */
export interface CommentsDocument {
  readonly by: 'http' | 'websocket' | 'others';
  readonly accepted: number;
  readonly acceptedPerSecond: number | null;
  readonly refusedByCode: Readonly<Record<string, number>>;
  /** Comments that the bench did not post because too many posts were under way. */
  readonly unposted: number;
  /** What viewers sent over their WebSockets, and how much of it was acknowledged; null where they do not send. */
  readonly sent: number | null;
  readonly acked: number | null;
}

export interface ServerDocument {
  readonly description: string;
  /** null for a server that ran already. */
  readonly workers: number | null;
  /** Why the figures below are null; null where they are not. */
  readonly unknownBecause: string | null;
  readonly cpuCores: number | null;
  readonly mainThreadCores: number | null;
  readonly shardCores: readonly number[] | null;
  /** V8's and libuv's threads. */
  readonly otherThreadsCores: number | null;
  readonly cpuMicrosecondsPerFrame: number | null;
  readonly cpuNanosecondsPerComment: number | null;
  readonly mainThreadMicrosecondsPerAcceptedComment: number | null;
  readonly memoryBytesBefore: number | null;
  readonly memoryBytesAfter: number | null;
  readonly memoryKilobytesPerViewer: number | null;
  /** Why the memory is null; null where it is not. */
  readonly memoryUnknownBecause: string | null;
  readonly droppedMessages: number | null;
  readonly slowCloses: number | null;
  /** What the server counted as refused, by code. */
  readonly refusedByCode: Readonly<Record<string, number>> | null;
}

export interface GeneratorDocument {
  /** The whole process of the bench, V8's and libuv's threads included; the own server is a process of its own. */
  readonly cpuCores: number;
  /** All load threads. */
  readonly threadsCores: number;
  readonly busiestThreadCores: number;
  /** The bench's main thread. */
  readonly mainThreadCores: number;
  /** The whole process. */
  readonly cpuMicrosecondsPerFrame: number | null;
  readonly worstLoopDelayMs: number;
  /** How long a comment waited for its HTTP post on average, which is in its latency; null without a feed. */
  readonly meanPostWaitMs: number | null;
  /** By how much the latest HTTP post missed its time; null without a feed. */
  readonly worstPostDelayMs: number | null;
  readonly machineBusyCores: number;
  readonly machineCores: number;
}

/** One figure of all runs, and its ratio to the first run's. */
export interface ComparisonDocument {
  readonly figure: string;
  readonly values: readonly (number | null)[];
  readonly ratios: readonly (number | null)[];
}
