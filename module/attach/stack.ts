// Where a process is right now: V8 is asked from outside, several times, which it answers even in the middle of a loop that
// never ends. Nothing is paused, and nothing is left behind.

import { setTimeout as sleep } from 'node:timers/promises';
import type { KernelView, SampledStack, StackFrame, StackView } from '../../contract/stackView.ts';
import { idleness } from '../../shared/linux/idleness.ts';
import { mainSyscall, mainThreadTimes } from '../../shared/linux/kernelView.ts';
import { InspectorError, type InspectorSession } from './inspector.ts';

/** Ten samples over half a second. */
const SAMPLES = 10;
const EVERY_MS = 50;
const ANSWER_MS = 500;
/** Before anything is opened: looks from outside, and the pause between two in milliseconds. */
const LOOKS = 10;
const LOOK_EVERY_MS = 20;
/** A callback that takes more of the time than this computes; below it waits. */
const COMPUTES = 0.5;
const DEEPEST = 50;

/** What looking from outside says. */
export interface Outlook {
  /** How many of the looks saw it wait for events. */
  idle: number;
  looks: number;
  /** The system call it was in at every look, that is neither waiting for events nor for another thread. */
  blockedIn: string | null;
  /** All that it was in. */
  calls: string[];
  overMs: number;
  cpu: number | null;
}

/** Looks at a process from outside for a fifth of a second. */
export async function lookFromOutside(pid: number): Promise<Outlook> {
  const measured = measure(pid);
  let idle = 0;
  let looks = 0;
  const calls = new Set<string>();
  for (; looks < LOOKS; looks++) {
    if (looks > 0) await sleep(LOOK_EVERY_MS);
    if (idleness(pid).idle) idle++;
    calls.add(mainSyscall(pid) ?? 'none');
  }
  const [call = 'none'] = calls;
  const blocked = idle === 0 && calls.size === 1 && !/^(none|futex)$/.test(call);
  return { idle, looks, blockedIn: blocked ? call : null, calls: [...calls], ...measured() };
}

/** One answer of V8. `turn` is the same as long as one callback runs. */
export interface Sample {
  frames: StackFrame[];
  turn: string;
}

export interface Sampling {
  samples: Sample[];
  /** How many were asked for; more than `samples` when V8 stopped answering. */
  asked: number;
  overMs: number;
  cpu: number | null;
}

/**
 * Asks V8 several times.
 * @param commandLineApi as `Proof.builtin` demands
 */
export async function sample(session: InspectorSession, pid: number, commandLineApi: boolean): Promise<Sampling> {
  const measured = measure(pid);
  const samples: Sample[] = [];
  let asked = 0;
  while (asked < SAMPLES) {
    if (asked > 0) await sleep(EVERY_MS);
    asked++;
    try {
      const answer = await session.evaluate(SAMPLE_EXPRESSION, { timeoutMs: ANSWER_MS, commandLineApi });
      samples.push(readSample(String(answer)));
    } catch (error) {
      if (!(error instanceof InspectorError) || samples.length === 0) throw error;
      break;
    }
  }
  return { samples, asked, ...measured() };
}

/** Did one callback run from the first sample to the last? */
export function isOneCallback({ samples, asked }: Sampling): boolean {
  const [first] = samples;
  return (
    first !== undefined &&
    samples.length === asked &&
    samples.every(({ frames, turn }) => frames.length > 0 && turn === first.turn)
  );
}

/** What the samples mean. */
export function judge(sampling: Sampling, kernel: KernelView | null): StackView {
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
 * What looking from outside means where V8 did not say.
 * @param v8 `silent`: it was asked; `needless`: what was seen is an answer; `closed`: it could not be asked, for that reason
 */
export function judgeFromOutside(
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

/** Starts a clock: the milliseconds since, and the share of them for which the main thread computed or stood in line to. */
function measure(pid: number): () => { overMs: number; cpu: number | null } {
  const beganMs = performance.now();
  const before = mainThreadTimes(pid);
  return () => {
    const overMs = performance.now() - beganMs;
    const now = mainThreadTimes(pid);
    if (!now || !before) return { overMs: Math.round(overMs), cpu: null };
    const wantedMs = (now.hadNs + now.stoodInLineNs - before.hadNs - before.stoodInLineNs) / 1e6;
    return { overMs: Math.round(overMs), cpu: Math.min(1, Math.round((wantedMs / overMs) * 100) / 100) };
  };
}

/** Equal stacks together; what differs only in the innermost line is not equal. */
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

/** The calls that all stacks have in common, the innermost first: whatever goes round goes round in there. */
function common(stacks: readonly StackFrame[][]): StackFrame[] {
  const outermostFirst = stacks.map((frames) => frames.toReversed());
  const [first = []] = outermostFirst;
  const differs = first.findIndex((frame, depth) => outermostFirst.some((frames) => !isSameCall(frames[depth], frame)));
  return first.slice(0, differs < 0 ? undefined : differs).toReversed();
}

function isSameCall(a: StackFrame | undefined, b: StackFrame): boolean {
  return a?.function === b.function && a.file === b.file;
}

/** The innermost call that is not Node's own, for a sentence. */
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

function readSample(answer: string): Sample {
  const { sites, text, turn } = JSON.parse(answer) as {
    sites?: [string, string, number, number][];
    text?: string;
    turn: string;
  };
  const frames = sites
    ? sites.map(([name, file, line, column]) => ({ function: name, file, line, column }))
    : parseStack(text ?? '');
  return { frames: frames.slice(OWN_FRAMES), turn };
}

/** As V8 writes a stack: `    at name (file:1:2)` or `    at file:1:2`. */
function parseStack(text: string): StackFrame[] {
  return text.split('\n').flatMap((line) => {
    const [, name, place, only] = /^\s+at (?:(.+) \((.*)\)|(.*))$/.exec(line) ?? [];
    const [, file, at, column] = /^(.*?)(?::(\d+))?(?::(\d+))?$/.exec(place ?? only ?? '') ?? [];
    if (file === undefined) return [];
    return [{ function: name ?? '(anonymous)', file, line: Number(at ?? 0), column: Number(column ?? 0) }];
  });
}

/** Frames of the evaluation itself: the function below and the script that calls it. */
const OWN_FRAMES = 2;

// The app may have set its own limit and its own formatting of stacks, or frozen both. Which callback runs shows by the
// event loop's count of turns and by the id of the current asynchronous operation.
const SAMPLE_EXPRESSION = `(function (fromConsole) {
  var limit = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit');
  var prepare = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  var restore = function (name, descriptor) {
    try {
      if (descriptor) Object.defineProperty(Error, name, descriptor);
      else delete Error[name];
    } catch (_) {}
  };
  var stack;
  try {
    Error.stackTraceLimit = ${DEEPEST + 2};
    Error.prepareStackTrace = function (_, sites) { return sites; };
  } catch (_) {}
  try { stack = new Error().stack; } catch (_) {}
  restore('stackTraceLimit', limit);
  restore('prepareStackTrace', prepare);
  var result = { turn: '' };
  try { result.turn = String(performance.nodeTiming.uvMetricsInfo.loopCount); } catch (_) {}
  try {
    var hooks = process.getBuiltinModule ? process.getBuiltinModule('async_hooks') : fromConsole('async_hooks');
    result.turn += ':' + hooks.executionAsyncId();
  } catch (_) {}
  if (Array.isArray(stack)) {
    result.sites = stack.map(function (site) {
      var name = '';
      try { name = String(site.getFunctionName() || site.getMethodName() || ''); } catch (_) {}
      try {
        var type = name && !site.isToplevel() && site.getTypeName();
        if (type && type !== 'Object' && name.indexOf('.') < 0) name = type + '.' + name;
      } catch (_) {}
      return [
        name || '(anonymous)',
        String(site.getFileName() || site.getEvalOrigin() || (site.isNative() ? 'native' : '<anonymous>')),
        site.getLineNumber() || 0,
        site.getColumnNumber() || 0,
      ];
    });
  } else result.text = String(stack);
  return JSON.stringify(result);
})(typeof require === 'function' ? require : null)`;
