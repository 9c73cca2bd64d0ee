// A profile as a file of the kind that DevTools and speedscope open, written piece by piece: the app has its turn between
// two pieces, and its text is never in memory as a whole.
import { accessSync, constants } from 'node:fs';
import type { AgentOptions } from '../contract/protocol.ts';
import { Refusal } from '../contract/refusal.ts';
import { openRegular } from '../shared/files/regularFile.ts';
import { createPartial, discard, folderOf, newFile, pruneOwn, publish } from './files.ts';
import type { CallFrame } from './frames.ts';

/** V8's CPU profile: a tree as a list, and which node each sample was in. Times in microseconds. */
export interface CpuProfile {
  nodes: CpuNode[];
  startTime: number;
  endTime: number;
  samples: number[];
  timeDeltas: number[];
}

export interface CpuNode {
  id: number;
  callFrame: CallFrame;
  children?: number[];
  /** Samples by line, from 1. */
  positionTicks?: { line: number; ticks: number }[];
}

/** V8's sampled heap: a tree of what allocated, and every sample, younger ones with a higher ordinal. Sizes in bytes. */
export interface HeapProfile {
  head: HeapNode;
  samples: { size: number; nodeId: number; ordinal: number }[];
}

export interface HeapNode {
  id: number;
  callFrame: CallFrame;
  selfSize: number;
  children: HeapNode[];
}

/** Elements of a list in one piece of text: some tens of kilobytes. */
const PIECE = 500;

/** Refuses before anything is profiled what could not be written in the end. @throws {Refusal} E_DISK */
export function checkFolder(stateDir: string): void {
  try {
    accessSync(folderOf(stateDir, 'profiles'), constants.W_OK);
  } catch (error) {
    throw diskRefusal(stateDir, error);
  }
}

/**
 * Writes a profile, and removes what is too old of this process.
 * @param ending `cpuprofile` or `heapprofile`
 * @throws {Refusal} E_DISK; nothing is left behind then
 */
export async function writeProfile(
  { stateDir, dumpKeep, dumpMaxBytes }: Pick<AgentOptions, 'stateDir' | 'dumpKeep' | 'dumpMaxBytes'>,
  ending: 'cpuprofile' | 'heapprofile',
  text: Iterable<string>,
): Promise<{ file: string; bytes: number }> {
  let partial: string | undefined;
  try {
    const file = newFile(stateDir, 'profiles', ending);
    partial = createPartial(file);
    await writePieces(partial, text);
    const bytes = await publish(partial, file);
    pruneOwn(stateDir, 'profiles', dumpKeep, dumpMaxBytes);
    return { file, bytes };
  } catch (error) {
    if (partial !== undefined) discard(partial);
    throw diskRefusal(stateDir, error);
  }
}

async function writePieces(file: string, text: Iterable<string>): Promise<void> {
  const handle = await openRegular(file, constants.O_WRONLY);
  try {
    for (const piece of text) await handle.appendFile(piece);
  } finally {
    await handle.close();
  }
}

export function* cpuProfileText({ nodes, startTime, endTime, samples, timeDeltas }: CpuProfile): Generator<string> {
  yield '{"nodes":[';
  yield* list(nodes);
  yield `],"startTime":${startTime},"endTime":${endTime},"samples":[`;
  yield* list(samples);
  yield '],"timeDeltas":[';
  yield* list(timeDeltas);
  yield ']}';
}

/** @param extra further fields, which the tools pass over */
export function* heapProfileText(
  { head, samples }: HeapProfile,
  extra: Record<string, unknown> = {},
): Generator<string> {
  let piece = '{"head":';
  // By a stack of our own: call stacks of an app can be deeper than ours may get.
  const stack: (HeapNode | string)[] = [head];
  for (let each = stack.pop(); each !== undefined; each = stack.pop()) {
    if (typeof each === 'string') piece += each;
    else {
      const { children, ...node } = each;
      piece += `${JSON.stringify(node).slice(0, -1)},"children":[`;
      stack.push(']}');
      for (let i = children.length - 1; i >= 0; i--) stack.push(children[i]!, ...(i > 0 ? [','] : []));
    }
    if (piece.length > 2 ** 15) {
      yield piece;
      piece = '';
    }
  }
  yield `${piece},"samples":[`;
  yield* list(samples);
  yield ']';
  for (const [name, value] of Object.entries(extra)) yield `,${JSON.stringify(name)}:${JSON.stringify(value)}`;
  yield '}';
}

function* list(elements: unknown[]): Generator<string> {
  for (let i = 0; i < elements.length; i += PIECE) {
    yield (i > 0 ? ',' : '') + JSON.stringify(elements.slice(i, i + PIECE)).slice(1, -1);
  }
}

function diskRefusal(stateDir: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined || error instanceof Refusal) return error;
  return new Refusal(
    'E_DISK',
    `the profile could not be written: ${message}`,
    `check space and permissions of ${stateDir}; nothing was left behind`,
  );
}
