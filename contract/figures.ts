// The figures of a process: the agent writes a sample every few seconds into a file of fixed size, a ring, and the module reads it
// there. So they outlive the process, however it ends, and no message of them wakes the app or passes through PM2's daemon.

/**
 * The fields of a sample in their order in the file, each a 64-bit float, little-endian. Totals count from the start of the agent,
 * CPU time from that of the process. New ones are added at the end.
 */
export const FIGURES = [
  /** When it was taken, in milliseconds of Date.now(); 0: the slot is empty. */
  'at',
  /** The next one follows within this time, unless the event loop is blocked or the process has ended. */
  'nextWithinMs',
  'rssBytes',
  'heapUsedBytes',
  'heapTotalBytes',
  /** What the old generation may grow to (`--max-old-space-size`), or V8's limit of the whole heap where nothing has set it. */
  'heapLimitBytes',
  'externalBytes',
  /** Share of the time since the sample before in which the event loop worked, 0 to 1. */
  'utilization',
  /** Event loop delay since the sample before, measured every 100 ms, without those 100 ms. */
  'delayP50Ms',
  'delayP99Ms',
  'delayMaxMs',
  /** Totals, counted when a response closes. `serverErrors` are responses of 500 and above; `aborted` closed before they were done. */
  'requests',
  'clientErrors',
  'serverErrors',
  'aborted',
  'requestMs',
  /** Of the requests that came since the agent did. */
  'inFlight',
  'connections',
  /** Totals. */
  'exceptions',
  'rejections',
  'cpuUserMs',
  'cpuSystemMs',
  /** 0: an observer of collections costs an app too much. */
  'gcMs',
] as const;

export type FigureSample = Record<(typeof FIGURES)[number], number>;

/** Samples in the ring: the last minutes. */
export const RING_SLOTS = 64;
/** The head of the file; its fields are 64-bit floats, too. `startTicks` is the process's start in clock ticks since boot. */
export const HEAD_BYTES = 64;
export const HEAD_FIELDS = ['magic', 'version', 'slots', 'fields', 'pid', 'startTicks'] as const;
/** "PM2OPSFG" as a number. */
export const FIGURES_MAGIC = 0x504d324f;
export const FIGURES_VERSION = 1;
export const SAMPLE_BYTES = FIGURES.length * 8;
/** A slot is a sample with its `at` once more behind it: where both differ, it is being written. */
export const SLOT_BYTES = SAMPLE_BYTES + 8;
export const FIGURES_BYTES = HEAD_BYTES + RING_SLOTS * SLOT_BYTES;

/** The folder of figures in a state folder, and the name of a process's file there; ticks since boot tell reused pids apart. */
export const FIGURES_FOLDER = 'figures';
export const figuresName = (pid: number, startTicks: number): string => `${pid}-${startTicks}.ring`;
