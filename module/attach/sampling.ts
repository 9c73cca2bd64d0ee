// Asks V8 several times which call stack a process is in. V8 answers even inside an endless loop. The samples do not pause the
// app and leave nothing behind in it.

import { setTimeout as sleep } from 'node:timers/promises';
import type { StackFrame } from '../../contract/stackView.ts';
import { InspectorError, type InspectorSession } from './inspector.ts';
import { measure } from './outlook.ts';

/** Half a second in all. */
const SAMPLES = 10;
const EVERY_MS = 50;
const ANSWER_MS = 500;
const DEEPEST = 50;

/** One answer of V8. `turn` stays the same while one callback runs. */
export interface Sample {
  frames: StackFrame[];
  turn: string;
}

export interface Sampling {
  samples: Sample[];
  /** How many samples were requested; more than `samples` has if V8 stopped answering. */
  asked: number;
  overMs: number;
  cpu: number | null;
}

/**
 * Takes the samples.
 * @param commandLineApi true unless `Proof.builtin`
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

/** Parses V8's text of a stack: `    at name (file:1:2)` or `    at file:1:2`. */
function parseStack(text: string): StackFrame[] {
  return text.split('\n').flatMap((line) => {
    const [, name, place, only] = /^\s+at (?:(.+) \((.*)\)|(.*))$/.exec(line) ?? [];
    const [, file, at, column] = /^(.*?)(?::(\d+))?(?::(\d+))?$/.exec(place ?? only ?? '') ?? [];
    if (file === undefined) return [];
    return [{ function: name ?? '(anonymous)', file, line: Number(at ?? 0), column: Number(column ?? 0) }];
  });
}

/** The frames of the evaluation itself: the function below and the script that calls it. */
const OWN_FRAMES = 2;

// The app may have its own limit and its own formatting of stacks, or have frozen both. The event loop's count of turns and the id
// of the asynchronous operation tell which callback runs.
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
