// What the kernel tells about a process that cannot answer: whether it runs or waits, and for what.

import type { KernelView, ThreadView } from '../../contract/stackView.ts';
import { childrenOf, read, readLink, readStat, threadsOf } from './proc.ts';
import { syscallName } from './syscalls.ts';

const STATES: Record<string, string> = {
  R: 'R running',
  S: 'S sleeping',
  D: 'D waits for a device (not to be interrupted)',
  T: 'T stopped by a signal',
  t: 't stopped by a native debugger',
  I: 'I idle',
};

/** System calls whose first argument is a descriptor, which shows what the thread waits for. */
const OF_A_DESCRIPTOR =
  /^(p?(read|write)(v|64|v2)?|(recv|send)(from|to|msg|mmsg)?|accept4?|connect|flock|f(data)?sync|fcntl|ioctl|sendfile|getdents64|fallocate|ftruncate|epoll_p?wait2?)$/;
/** System calls in which a thread waits for work. */
const PARKED = /^(futex|epoll_p?wait2?|none)\b/;

/** The kernel's view of a process now; null when it is gone. */
export function kernelView(pid: number): KernelView | null {
  if (!readStat(pid)) return null;
  const main = threadView(pid, pid);
  const tids = threadsOf(pid);
  const others = tids.filter((tid) => tid !== pid).map((tid) => threadView(pid, tid));
  return {
    state: main.state,
    syscall: main.syscall,
    wchan: main.wchan,
    threads: others.filter(({ state, syscall }) => /^[RDTt]/.test(state) || (syscall && !PARKED.test(syscall))),
    threadCount: tids.length,
    children: childrenOf(pid).map((child) => ({ pid: child, name: read(`/proc/${child}/comm`)?.trim() ?? '' })),
  };
}

/** How long a process's main thread has run on a CPU since its start, and how long it has waited for one; null if the kernel does
 * not count it. */
export function mainThreadTimes(pid: number): { hadNs: number; stoodInLineNs: number } | null {
  const [had, stood] = (read(`/proc/${pid}/task/${pid}/schedstat`) ?? '').split(' ').map(Number);
  return had === undefined || stood === undefined ? null : { hadNs: had, stoodInLineNs: stood };
}

/** The main thread's current system call with its descriptor: `read 19 pipe:[4711]`. `none` outside one; null if not shown. */
export function mainSyscall(pid: number): string | null {
  return describeCall(pid, read(`/proc/${pid}/syscall`));
}

function threadView(pid: number, tid: number): ThreadView {
  const folder = `/proc/${pid}/task/${tid}`;
  const stat = read(`${folder}/stat`) ?? '';
  const letter = stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '?';
  const wchan = read(`${folder}/wchan`)?.trim() ?? '';
  return {
    tid,
    name: read(`${folder}/comm`)?.trim() ?? '',
    state: STATES[letter] ?? letter,
    syscall: describeCall(pid, read(`${folder}/syscall`)),
    // "0" means that the thread runs.
    wchan: /^(0|)$/.test(wchan) ? null : wchan,
  };
}

/** Reads `0 0x13 0x7f…` (system call 0 with its arguments), `running`, or `-1` (interrupted in its own code). */
function describeCall(pid: number, text: string | null): string | null {
  const [number = '', first = ''] = text?.trim().split(' ') ?? [];
  if (number === '') return null;
  if (!/^\d+$/.test(number)) return 'none';
  const name = syscallName(Number(number));
  if (!OF_A_DESCRIPTOR.test(name)) return name;
  const fd = Number(first);
  const target = readLink(`/proc/${pid}/fd/${fd}`);
  return `${name} ${fd}${target === null ? '' : ` ${target}`}`;
}
