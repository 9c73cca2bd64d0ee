// What a process executes right now, as `stack` shows it.

export interface StackFrame {
  function: string;
  file: string;
  line: number;
  /** 0 if the line comes from a source map. */
  column: number;
}

/** A call stack, and how many samples showed it. The innermost call comes first. An empty stack is an event loop between two
 * events. */
export interface SampledStack {
  count: number;
  frames: StackFrame[];
}

/** What the main thread of a process does. */
export type StackStanding =
  /** It waits for events. */
  | 'idle'
  /** Its event loop turns. */
  | 'busy'
  /** One callback computes all the time and does not return. */
  | 'hot-loop'
  /** One callback waits and does not return. */
  | 'standstill'
  /** V8 does not answer: native code, or a system call that blocks. */
  | 'native'
  /** Stopped by a signal or a debugger. */
  | 'stopped'
  /** V8 was not asked. */
  | 'not-asked';

export interface StackView {
  is: StackStanding;
  /** What that means, with figures, for a person. */
  verdict: string;
  /** The stacks in the samples, the most frequent first. */
  stacks: SampledStack[];
  samples: number;
  /** How long the module looked at it. */
  overMs: number;
  /** The share of that time (0 to 1) for which its main thread computed; null if the kernel does not count it. */
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
  /** `read 19 pipe:[4711]`, `futex`; `none` while it runs its own code; null if the kernel does not show it. */
  syscall: string | null;
  /** The function of the kernel in which it waits; null if it does not wait, or the kernel does not show it. */
  wchan: string | null;
}

/** A process as the kernel sees it. */
export interface KernelView extends Omit<ThreadView, 'tid' | 'name'> {
  /** The threads of the process that do something else than wait for work. */
  threads: ThreadView[];
  /** The number of all its threads. */
  threadCount: number;
  /** Its living children, because it may wait for one of them. */
  children: { pid: number; name: string }[];
}
