// Where a process is right now, as `stack` shows it.

export interface StackFrame {
  function: string;
  file: string;
  line: number;
  /** 0 where a source map told the line. */
  column: number;
}

/** A call stack and how many of the samples showed it. The innermost call comes first; an empty one is an event loop between
 * two events. */
export interface SampledStack {
  count: number;
  frames: StackFrame[];
}

/** How the main thread of a process stands. */
export type StackStanding =
  /** It waits for events. */
  | 'idle'
  /** Its event loop turns. */
  | 'busy'
  /** One callback computes all the time and does not come back. */
  | 'hot-loop'
  /** One callback waits and does not come back. */
  | 'standstill'
  /** V8 does not answer: native code, or a system call that blocks. */
  | 'native'
  /** Stopped by a signal or a debugger. */
  | 'stopped'
  /** V8 was not asked. */
  | 'not-asked';

export interface StackView {
  is: StackStanding;
  /** For a person: what that means, with figures. */
  verdict: string;
  /** What the samples showed, the most frequent first. */
  stacks: SampledStack[];
  samples: number;
  /** How long the module looked at it. */
  overMs: number;
  /** The share of that time (0 to 1) for which its main thread computed; null where the kernel does not count it. */
  cpu: number | null;
  /** Why V8 was not asked, or did not answer. */
  reason?: string;
  kernel: KernelView | null;
}

/** A thread as the kernel sees it; the first is the one that runs JavaScript. */
export interface ThreadView {
  tid: number;
  name: string;
  /** `R running`, `S sleeping`, `D waits for a device`, `T stopped`, … */
  state: string;
  /** `read 19 pipe:[4711]`, `futex`; `none` while it runs its own code; null where the kernel does not show it. */
  syscall: string | null;
  /** The kernel's function it waits in; null when it does not wait or that is not shown. */
  wchan: string | null;
}

/** A process as the kernel sees it. */
export interface KernelView extends Omit<ThreadView, 'tid' | 'name'> {
  /** Threads of the process that do something else than wait for work. */
  threads: ThreadView[];
  /** All its threads. */
  threadCount: number;
  /** Its living children: it may wait for one of them. */
  children: { pid: number; name: string }[];
}
