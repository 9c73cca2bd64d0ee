// Says what the looks at a process show, in one word and a sentence with figures.

import type { KernelView, SampledStack, StackFrame, StackView } from '../../contract/stackView.ts';
import type { Outlook } from './outlook.ts';
import { isOneCallback, type Sample, type Sampling } from './sampling.ts';

/** A callback computes if it uses the CPU for more than this share of the time; else it waits. */
const COMPUTES = 0.5;

/** Summarises V8's samples. */
export function viewOfSampling(sampling: Sampling, kernel: KernelView | null): StackView {
  const { samples, asked, overMs, cpu } = sampling;
  const stacks = collect(samples);
  const view = { stacks, samples: samples.length, overMs, cpu, kernel };
  const time = `${Math.round(overMs)} ms`;
  const computes = cpu === null ? '' : `, of which it computed ${percent(cpu)}`;
  if (samples.length < asked) {
    return {
      ...view,
      is: 'native',
      verdict: `after ${samples.length} samples V8 did not answer any more: it is in native code or in a system call`,
    };
  }
  if (isOneCallback(sampling)) {
    const loop = common(samples.map(({ frames }) => frames));
    const same = `one and the same callback has been running for all ${time}${computes}`;
    const hot = cpu === null ? readState(kernel) === 'R' : cpu >= COMPUTES;
    return hot
      ? {
          ...view,
          is: 'hot-loop',
          verdict: `a hot loop: ${same}, in ${name(loop)}`,
        }
      : { ...view, is: 'standstill', verdict: `a standstill: ${same}; it waits in ${name(loop)}` };
  }
  const idle = samples.filter(({ frames }) => frames.length === 0).length;
  if (idle === samples.length) {
    return { ...view, is: 'idle', verdict: `idle: between two events at each of ${idle} looks in ${time}` };
  }
  return {
    ...view,
    is: 'busy',
    verdict: `busy, and its event loop turns: in a callback at ${samples.length - idle} of ${samples.length} looks in ${time}${computes}`,
  };
}

/**
 * Summarises the looks from outside, if there are no samples of V8.
 * @param v8 why there are none. `silent`: V8 did not answer; `needless`: the looks tell enough; `closed`: V8 could not be asked
 * @param reason why V8 could not be asked
 */
export function viewOfOutlook(
  { idle, looks, blockedIn, calls, overMs, cpu }: Outlook,
  kernel: KernelView | null,
  v8: 'silent' | 'needless' | 'closed',
  reason?: string,
): StackView {
  const view = { stacks: [], samples: 0, overMs, cpu, kernel, ...(reason === undefined ? {} : { reason }) };
  const time = `${Math.round(overMs)} ms`;
  const share = cpu === null ? '' : ` and computed ${percent(cpu)} of the time`;
  const [child] = kernel?.children ?? [];
  const waitsFor =
    child && /^(epoll|wait|poll|read)/.test(calls[0] ?? '') ? `; it has a child, ${child.name} (pid ${child.pid})` : '';
  if (kernel && /^[Tt]/.test(kernel.state)) return { ...view, is: 'stopped', verdict: kernel.state.slice(2) };
  if (v8 === 'closed') {
    const where = calls.map((call) => (call === 'none' ? 'in its own code' : `in ${call}`)).join(', ');
    return { ...view, is: 'not-asked', verdict: `the kernel saw it ${where} at ${looks} looks in ${time}${share}` };
  }
  if (blockedIn !== null) {
    return { ...view, is: 'native', verdict: `blocked in a system call for all ${time}: ${blockedIn}${waitsFor}` };
  }
  if (idle === looks) {
    return { ...view, is: 'idle', verdict: `idle: it waited for events at each of ${looks} looks in ${time}` };
  }
  if (idle > 0) {
    const turns = `its event loop turns: it waited for events at ${idle} of ${looks} looks in ${time}`;
    return { ...view, is: 'busy', verdict: `${turns}${share}` };
  }
  const computes = cpu === null ? kernel?.state.startsWith('R') : cpu >= COMPUTES;
  const does = computes
    ? 'it computes in native code'
    : `it waits in ${calls.join(', ').replace('none', 'native code')}`;
  return { ...view, is: 'native', verdict: `V8 did not answer: for all ${time} ${does}${waitsFor}` };
}

/** Groups equal stacks. Stacks that differ only in the innermost line are not equal. */
function collect(samples: readonly Sample[]): SampledStack[] {
  const found = new Map<string, SampledStack>();
  for (const { frames } of samples) {
    const key = frames.map(position).join('\n');
    const known = found.get(key);
    if (known) known.count++;
    else found.set(key, { count: 1, frames });
  }
  return [...found.values()].sort((a, b) => b.count - a.count);
}

function position(frame: StackFrame | undefined): string {
  return frame ? `${frame.function} ${frame.file}:${frame.line}:${frame.column}` : '';
}

/** The calls that all stacks have in common, innermost first: the loop is in one of them. */
function common(stacks: readonly StackFrame[][]): StackFrame[] {
  const outermostFirst = stacks.map((frames) => frames.toReversed());
  const [first = []] = outermostFirst;
  const differs = first.findIndex((frame, depth) => outermostFirst.some((frames) => !isSameCall(frames[depth], frame)));
  return first.slice(0, differs < 0 ? undefined : differs).toReversed();
}

function isSameCall(a: StackFrame | undefined, b: StackFrame): boolean {
  return a?.function === b.function && a.file === b.file;
}

/** Names the innermost call that is not Node's own, for a sentence. */
function name(frames: readonly StackFrame[]): string {
  const frame = frames.find(({ file }) => !/^(node:|<anonymous>|native)|^$/.test(file)) ?? frames[0];
  return frame ? `${frame.function} (${frame.file}:${frame.line})` : 'unknown code';
}

function readState(kernel: KernelView | null): string {
  return kernel?.state[0] ?? '';
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
