// The figures of a process: the agent writes a sample every few seconds into a file of fixed size, a ring, and the module reads it
// there. So they outlive the process, however it ends, and no message of them wakes the app or passes through PM2's daemon.

/**
 * The fields of a sample in their order in the file, each a 64-bit float, little-endian. Totals count from the start of the agent.
 * New ones are added at the end.
 */
export const FIGURES = [
  /** When it was taken, in milliseconds of Date.now(); 0: the slot is empty. */
  'at',
  /** The next one follows within this time, unless the event loop is blocked or the process has ended. */
  'nextWithinMs',
  'rssBytes',
  'heapUsedBytes',
  'heapTotalBytes',
  'heapLimitBytes',
  'externalBytes',
  /** Share of the time since the sample before in which the event loop worked, 0 to 1. */
  'utilization',
  /** Event loop delay since the sample before, without the timer's own resolution. */
  'delayP50Ms',
  'delayP99Ms',
  'delayMaxMs',
  /** Totals. `serverErrors` are responses of 500 and above; `aborted` ended before their response did. */
  'requests',
  'clientErrors',
  'serverErrors',
  'aborted',
  'requestMs',
  'inFlight',
  'connections',
  /** Totals. */
  'exceptions',
  'rejections',
  'cpuUserMs',
  'cpuSystemMs',
  'gcMs',
] as const;

export type FigureSample = Record<(typeof FIGURES)[number], number>;

/** Samples in the ring: the last minutes. */
export const RING_SLOTS = 64;
/** The head of the file: magic, version, slots, fields, pid, and the process's start in clock ticks; see `HEAD_FIELDS`. */
export const HEAD_BYTES = 64;
export const HEAD_FIELDS = ['magic', 'version', 'slots', 'fields', 'pid', 'startTicks'] as const;
/** "PM2OPSFG" as a number. */
export const FIGURES_MAGIC = 0x504d324f;
export const FIGURES_VERSION = 1;
export const SAMPLE_BYTES = FIGURES.length * 8;
export const FIGURES_BYTES = HEAD_BYTES + RING_SLOTS * SAMPLE_BYTES;

/** The folder of figures in a state folder, and the name of a process's file there; ticks since boot tell reused pids apart. */
export const FIGURES_FOLDER = 'figures';
export const figuresName = (pid: number, startTicks: number): string => `${pid}-${startTicks}.ring`;
