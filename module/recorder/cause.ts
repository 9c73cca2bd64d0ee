// Why a process ended, from all that was seen of it. What does not tell stays unknown: nothing is guessed, and where another cause
// would look the same, the finding is only probable.
import type { EndedBy, ExitRecord } from '../../contract/exits.ts';
import type { LastWords } from '../../contract/lastWords.ts';
import { type AskedFacts, askedFinding } from './asked.ts';

/** What is known of an exit. */
export interface ExitFacts extends AskedFacts {
  mode: 'cluster' | 'fork';
  /** What PM2 says of it: its event has a code, its log a signal as well. */
  pm2Code: number | undefined;
  pm2Signal?: string;
  /** Was an agent in the process, which writes last words? */
  hadAgent: boolean;
  /** Of the process itself; absent if it ended without any. */
  words?: Words;
  /** An exception that PM2 was told of, and that nothing had caught. */
  thrown?: { message: string };
  /** The last lines on stderr end as Node ends them after an uncaught exception; its first line. */
  trace?: string;
  /** The agent drained the process because of this signal. */
  drainedOn?: string;
  /** V8 has said that its heap cannot grow; where that was read. */
  heapFull?: string;
  /** The kernel has killed a process of its cgroup, or of the host, meanwhile; what tells. */
  oomKill?: string;
  /** The daemon ended, and how that is known. */
  daemonEnded?: { how: string; isSure: boolean };
  /** The exit was not watched: it comes from what is left of the process. */
  isUnwatched?: boolean;
}

export type Words = Pick<LastWords, 'exitCode' | 'ranDry' | 'exitStack' | 'exception'>;

export type Finding = Pick<
  ExitRecord,
  'cause' | 'certainty' | 'asked' | 'by' | 'headline' | 'evidence' | 'code' | 'signal'
>;

/** Signals of a process that harms itself: `abort()`, a fault of native code. */
const FAULTS = new Set(['SIGABRT', 'SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGTRAP', 'SIGSYS']);
const ITSELF: EndedBy = { who: 'itself' };
const OUTSIDE: EndedBy = { who: 'outside' };

/** Decides why a process ended. `at` of an exception is not known here, so the headline of one names its message only. */
export function causeOf(facts: ExitFacts): Finding {
  const said = saidByPm2(facts);
  const found = facts.daemonEnded
    ? byDaemonsEnd(facts, facts.daemonEnded)
    : (byHeap(facts) ?? (facts.isAsked ? asked(facts) : byItself(facts)));
  return { ...found, evidence: [...found.evidence, ...said] };
}

/** The true code and signal, as far as they are known. PM2 says code 0 for a signal, and SIGINT for none. */
export function codeAndSignal({ pm2Code, pm2Signal, words }: ExitFacts): {
  code: number | null;
  signal: string | null;
} {
  if (words?.exitCode !== undefined) return { code: words.exitCode, signal: null };
  if (pm2Signal !== undefined && pm2Signal !== 'SIGINT') return { code: null, signal: pm2Signal };
  return { code: pm2Code ? pm2Code : null, signal: null };
}

function asked(facts: ExitFacts): Finding {
  const { cause, by, headline, evidence } = askedFinding(facts);
  const { killedAfterMs } = facts;
  if (killedAfterMs === undefined) return { cause, certainty: 'sure', by, headline, evidence, ...codeAndSignal(facts) };
  return {
    cause: 'kill-timeout',
    certainty: 'sure',
    asked: cause,
    by,
    headline: `killed by PM2 ${killedAfterMs} ms after it was asked to end (${headline})`,
    evidence: [`it still ran when its kill_timeout of ${killedAfterMs} ms was over, so PM2 sent SIGKILL`, ...evidence],
    code: null,
    signal: 'SIGKILL',
  };
}

function byDaemonsEnd(facts: ExitFacts, { how, isSure }: { how: string; isSure: boolean }): Finding {
  return {
    cause: 'daemon-ended',
    certainty: isSure ? 'sure' : 'probable',
    by: { who: 'unknown' },
    headline: 'the PM2 daemon ended, and its processes with it',
    evidence: [how],
    ...codeAndSignal(facts),
  };
}

/** V8 ends the process with a signal that depends on its version. */
function byHeap(facts: ExitFacts): Finding | undefined {
  const { heapFull, pm2Signal, words } = facts;
  if (heapFull === undefined || words?.exitCode !== undefined) return undefined;
  if (pm2Signal !== undefined && !FAULTS.has(pm2Signal)) return undefined;
  return {
    cause: 'heap-out-of-memory',
    certainty: 'sure',
    by: ITSELF,
    headline: "V8's heap was full",
    evidence: [heapFull],
    ...codeAndSignal(facts),
  };
}

function byItself(facts: ExitFacts): Finding {
  const { pm2Signal } = facts;
  if (pm2Signal !== undefined && pm2Signal !== 'SIGINT' && facts.words?.exitCode === undefined)
    return bySignal(facts, pm2Signal);
  return byDrain(facts) ?? byWords(facts) ?? withoutWords(facts);
}

function bySignal({ oomKill, isUnwatched }: ExitFacts, signal: string): Finding {
  const ended = { code: null, signal };
  if (signal === 'SIGKILL' && oomKill !== undefined)
    return {
      cause: 'kernel-out-of-memory',
      certainty: 'probable',
      by: OUTSIDE,
      headline: 'probably killed by the kernel, which was out of memory',
      evidence: [oomKill, 'it ended with SIGKILL, which PM2 had not sent'],
      ...ended,
    };
  if (FAULTS.has(signal))
    return {
      cause: 'signal',
      certainty: 'probable',
      by: { who: 'unknown' },
      headline: `ended with ${signal}, as after abort() or a fault of native code`,
      evidence: [`nothing tells whether ${signal} came from the process itself or from outside`],
      ...ended,
    };
  return {
    cause: 'signal',
    certainty: isUnwatched ? 'probable' : 'sure',
    by: OUTSIDE,
    headline: `${signal} from outside PM2`,
    evidence: [`it ended with ${signal}, and PM2 had not been asked to end it`],
    ...ended,
  };
}

/** Its agent has drained it on a signal, and ended it. */
function byDrain(facts: ExitFacts): Finding | undefined {
  const { drainedOn, words } = facts;
  if (drainedOn?.startsWith('SIG') !== true) return undefined;
  return {
    cause: 'signal',
    certainty: 'sure',
    by: OUTSIDE,
    headline: `${drainedOn} from outside PM2`,
    evidence: [`its agent drained it on ${drainedOn}, and PM2 had not been asked to end it`],
    code: words?.exitCode ?? null,
    signal: drainedOn,
  };
}

/** What the process itself knows of its end. */
function byWords(facts: ExitFacts): Finding | undefined {
  const { words } = facts;
  if (words?.exception?.fatal) {
    const { name, message, origin } = words.exception;
    return {
      cause: 'uncaught-exception',
      certainty: 'sure',
      by: ITSELF,
      headline: `uncaught ${errorText(name, message)}`,
      evidence: [
        origin === 'unhandledRejection'
          ? 'its agent saw a rejection that nothing handled, and that Node threw'
          : 'its agent saw an exception that nothing caught',
      ],
      ...codeAndSignal(facts),
    };
  }
  if (words?.exitCode === undefined) return undefined;
  const code = words.exitCode;
  if (words.ranDry && code === 0)
    return {
      cause: 'ran-dry',
      certainty: 'sure',
      by: ITSELF,
      headline: 'nothing was left to do: no server, no timer, nothing open',
      evidence: ['its agent saw the event loop run dry before the exit'],
      code,
      signal: null,
    };
  return {
    cause: 'exit-call',
    certainty: 'sure',
    by: ITSELF,
    headline: words.ranDry ? `nothing was left to do, with exit code ${code}` : `process.exit(${code})`,
    evidence: [
      words.ranDry
        ? `its agent saw the event loop run dry, with process.exitCode ${code}`
        : `its agent saw the exit with code ${code}`,
    ],
    code,
    signal: null,
  };
}

/** No signal was named, and the process has said nothing of its end. */
function withoutWords(facts: ExitFacts): Finding {
  const { hadAgent, thrown, trace, pm2Code, pm2Signal, mode } = facts;
  const ended = codeAndSignal(facts);
  if (thrown && (mode === 'cluster' || pm2Code !== 0))
    return {
      cause: 'uncaught-exception',
      certainty: 'probable',
      by: ITSELF,
      headline: `uncaught ${thrown.message}`,
      evidence: ['PM2 was told of an exception that nothing caught, right before the exit'],
      ...ended,
    };
  if (trace !== undefined && pm2Code)
    return {
      cause: 'uncaught-exception',
      certainty: 'probable',
      by: ITSELF,
      headline: `uncaught ${trace}`,
      evidence: ["its stderr ends with Node's report of an exception that nothing caught"],
      ...ended,
    };
  if (pm2Code)
    return {
      cause: 'exit-call',
      certainty: 'probable',
      by: ITSELF,
      headline: `ended with exit code ${pm2Code}`,
      evidence: [`it ended with code ${pm2Code}, and PM2 was told of no exception`],
      ...ended,
    };
  if (hadAgent && pm2Signal === 'SIGINT')
    return {
      cause: 'signal',
      certainty: 'probable',
      by: OUTSIDE,
      headline: 'SIGINT from outside PM2',
      evidence: ['its agent saw no exit, so a signal ended it; PM2 names SIGINT, and had not been asked to end it'],
      code: null,
      signal: 'SIGINT',
    };
  return {
    cause: 'unknown',
    certainty: 'probable',
    by: { who: 'unknown' },
    headline: 'why it ended is not known',
    evidence: [
      hadAgent
        ? 'its agent has left no last words'
        : 'no agent was in it that would have seen its end: an exit with code 0, SIGINT, or nothing left to do look the same',
    ],
    ...ended,
  };
}

function saidByPm2({ pm2Code, pm2Signal, isUnwatched }: ExitFacts): string[] {
  const from = isUnwatched ? ' (read in its log)' : '';
  if (pm2Signal !== undefined) return [`PM2 says: code ${pm2Code ?? '?'}, signal ${pm2Signal}${from}`];
  return pm2Code === undefined ? [] : [`PM2 says: code ${pm2Code}`];
}

function errorText(name: string, message: string): string {
  const [first = ''] = message.split('\n');
  return name === '' || first.startsWith(name) ? first : first === '' ? name : `${name}: ${first}`;
}
